"""A statement as data: one JSON object, or rows of a CSV file. Amounts are exact, as plain decimals; nothing is rounded here."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from shared.domain.values.money import plain
from shared.ledger.statement.statement import AccountStatement, Part, Statement

COLUMNS: Final = (
    "user",
    "month",
    "venue",
    "currency",
    "row",
    "part",
    "line",
    "description",
    "amount",
    "count",
    "master",
)
"""`row` is `at_scale`, `part`, `line`, `gap` or `result`: parts add up to the gap, lines to their part.

`master` is empty for the main book.
"""
_FORMULA: Final = ("=", "+", "-", "@")


def statement_json(statement: Statement) -> dict[str, Any]:
    """Return a statement as a JSON object; `shown` amounts are in cents, and add up as the exact ones do."""
    return {
        "user": statement.user,
        "month": str(statement.month),
        "running": statement.running,
        "notes": list(statement.notes),
        "accounts": [_account(each) for each in statement.accounts],
    }


def statement_csv(statement: Statement) -> str:
    """Return a statement as a CSV file with the columns COLUMNS."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for account in statement.accounts:
        for row in _rows(account):
            named = [statement.user, str(statement.month), account.venue, account.currency]
            writer.writerow([*named, *map(_cell, row), account.master])
    return written.getvalue()


def _account(account: AccountStatement) -> dict[str, Any]:
    copying = account.copying
    return {
        "venue": account.venue,
        "currency": account.currency,
        "master": account.master,
        "since": account.since,
        "until": account.until,
        "ratio": plain(account.ratio),
        "at_scale": plain(account.at_scale),
        "result": plain(account.result),
        "gap": plain(account.gap),
        "shown": {
            "at_scale": str(account.at_scale_shown),
            "result": str(account.result_shown),
            "gap": str(account.gap_shown),
        },
        "parts": [_part(part) for part in account.parts],
        "fills": copying.fills,
        "copied": copying.copied,
        "own_exits": copying.own_exits,
        "median_delay_ms": copying.median_delay_ms,
        "notes": list(account.notes),
    }


def _part(part: Part) -> dict[str, Any]:
    return {
        "part": part.cause,
        "title": part.title,
        "meaning": part.meaning,
        "amount": plain(part.amount),
        "shown": str(part.shown),
        "count": part.count,
        "lines": [
            {
                "line": line.code,
                "words": line.words,
                "amount": plain(line.amount),
                "shown": str(line.shown),
                "count": line.count,
            }
            for line in part.lines
        ],
    }


def _rows(account: AccountStatement) -> Iterator[Sequence[object]]:
    yield "at_scale", "", "", "the master's result at scale", plain(account.at_scale), ""
    for part in account.parts:
        yield "part", part.cause, "", part.title, plain(part.amount), _number(part.count)
        for line in part.lines:
            yield "line", part.cause, line.code, line.words, plain(line.amount), _number(line.count)
    yield "gap", "", "", "the difference", plain(account.gap), ""
    yield "result", "", "", "the user's result", plain(account.result), ""


def _number(count: int | None) -> str:
    return "" if count is None else str(count)


def _cell(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula: a code may be any text of another version."""
    text = str(value)
    if text.startswith(_FORMULA) and not text.lstrip("-").replace(".", "", 1).isdigit():
        return f"'{text}"
    return text
