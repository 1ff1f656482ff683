"""The output of commands: tables for people, or one JSON object as the last line."""

from __future__ import annotations

import json
import os
from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from shared.config.errors import ConfigurationError

_PIPE_WIDTH: Final = 120
"""Columns when the output is not a terminal and COLUMNS is not set. Nothing is cut: what does not fit is folded."""

_CENT: Final = Decimal("0.01")

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]


def console() -> Console:
    """Return a console on stdout."""
    made = Console(highlight=False)
    given = os.environ.get("COLUMNS", "").isdigit()
    return made if made.is_terminal or given else Console(highlight=False, width=_PIPE_WIDTH)


def print_json(answer: Mapping[str, object]) -> None:
    """Print a JSON object on one line."""
    print(json.dumps(answer, ensure_ascii=False))


def write_private(option: str, path: Path, text: str) -> None:
    """Write a file that only its owner can read: it states what someone owns. Raises ConfigurationError naming the option."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConfigurationError(f"{option} {path}: {error.strerror}") from None
    print(f"written: {path}")


def table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str = "nothing to show",
    numbers: Container[int] = (),
) -> RenderableType:
    """Return a table with a title, or a sentence if there are no rows; the columns `numbers` are aligned to the right.

    Text from Redis is never read as markup.
    """
    found = [[str(cell) for cell in row] for row in rows]
    if not found:
        return Text.assemble((title, "bold"), ": " if title else "", empty)
    made = Table(
        title=escape(title), title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False
    )
    for place, column in enumerate(columns):
        made.add_column(escape(column), overflow="fold", justify="right" if place in numbers else "left")
    for row in found:
        made.add_row(*map(escape, row))
    return made


def money(amount: str | None, currency: str) -> str:
    """Format an amount of money for people, to the cent; --json has all its digits."""
    if amount is None:
        return "unknown"
    return f"{Decimal(amount):,.2f} {currency}"


def share(fraction: str) -> str:
    """Format a fraction (0..1) of a position for people: `all` or `37 %`; as it is if it is not a number."""
    try:
        percent = Decimal(fraction) * 100
    except InvalidOperation:
        return fraction
    return "all" if percent == 100 else f"{percent.quantize(_CENT).normalize():f} %"


def clock(at: int | None) -> str:
    """Format an instant (epoch ms) as UTC date and time; a dash if there is none."""
    if not at:
        return "-"
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%m-%d %H:%M:%S")
