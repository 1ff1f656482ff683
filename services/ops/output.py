"""How commands show things: tables for people, or one JSON object as the last line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

_PIPE_WIDTH: Final = 150
"""Columns where the output is no terminal: in a log or a pipe nothing should be cut at 80."""

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def console() -> Console:
    """Give a console on stdout."""
    made = Console(highlight=False)
    return made if made.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def print_json(answer: Mapping[str, object]) -> None:
    """Print one line that is a JSON object."""
    print(json.dumps(answer, ensure_ascii=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """Lay rows out under a title; what stands in Redis is never read as markup."""
    made = Table(
        title=escape(title), title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    for column in columns:
        made.add_column(escape(column), overflow="fold")
    for row in rows:
        made.add_row(*(escape(str(cell)) for cell in row))
    return made


def clock(at: int | None) -> str:
    """Give an instant (epoch ms) as UTC time of day with its date; a dash where there is none."""
    if not at:
        return "-"
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%d %H:%M:%S")
