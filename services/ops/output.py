"""How commands show things: tables for people, or one JSON object as the last line."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Final

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

_PIPE_WIDTH: Final = 120
"""Columns where the output is no terminal and COLUMNS is not set. Nothing is ever cut: what does not fit is folded."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def console() -> Console:
    """Give a console on stdout."""
    made = Console(highlight=False)
    given = os.environ.get("COLUMNS", "").isdigit()
    return made if made.is_terminal or given else Console(highlight=False, width=_PIPE_WIDTH)


def print_json(answer: Mapping[str, object]) -> None:
    """Print one line that is a JSON object."""
    print(json.dumps(answer, ensure_ascii=False))


def table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "there is nothing to show"
) -> RenderableType:
    """Lay rows out under a title; where there are none, a sentence says so. What stands in Redis is never read as markup."""
    found = [[str(cell) for cell in row] for row in rows]
    if not found:
        return Text.assemble((title, "bold"), ": " if title else "", empty)
    made = Table(
        title=escape(title), title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    for column in columns:
        made.add_column(escape(column), overflow="fold")
    for row in found:
        made.add_row(*map(escape, row))
    return made


def money(amount: str | None, currency: str) -> str:
    """Show an amount of money to people, to the cent; the whole of it stands in --json."""
    if amount is None:
        return "unknown"
    return f"{Decimal(amount):,.2f} {currency}"


def clock(at: int | None) -> str:
    """Give an instant (epoch ms) as UTC time of day with its date; a dash where there is none."""
    if not at:
        return "-"
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%d %H:%M:%S")
