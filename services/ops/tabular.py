"""What the commands about money share: `--csv`, and pages of users, so that 5,000 of them do not scroll by.

A page is cut from the names of the users' files: neither the files are parsed nor the keys of Redis searched. A user without a
file who still holds something is shown if `--user` names them.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Final, TextIO, TypeVar

import typer

from services.ops.user.settings.opening import store_of
from services.ops.users import require_known
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.values.money import plain
from shared.domain.values.numerals import DECIMAL
from shared.domain.values.venue import VENUES

PER_PAGE: Final = 50
MOST_PER_PAGE: Final = 10_000
T = TypeVar("T")
_FORMULA: Final = frozenset("=+-@\t\r")

AsCsv = Annotated[bool, typer.Option("--csv", help="Print comma-separated values instead of tables.")]
OfUser = Annotated[str, typer.Option("--user", help="Only this user; `master` is one.")]
Page = Annotated[int, typer.Option("--page", min=1, help="Which page of the users.")]
PerPage = Annotated[int, typer.Option("--per-page", min=1, max=MOST_PER_PAGE, help="Users on a page.")]


@dataclass(frozen=True, slots=True)
class UserPage:
    """Some of the users in alphabetical order: page `number` of `pages`, of `total` users."""

    users: tuple[str, ...]
    number: int = 1
    pages: int = 1
    total: int = 1

    @property
    def words(self) -> str:
        """Say which page this is; an empty text if it is the only one."""
        if self.pages <= 1:
            return ""
        return (
            f"page {self.number} of {self.pages} ({self.total} users); --page N for another, --user NAME for one user"
        )


async def select_page(settings: Settings, bus: Bus, user: str, number: int = 1, per_page: int = PER_PAGE) -> UserPage:
    """Return the user that `--user` names, or a page of all users with a file.

    Raises ConfigurationError for an unknown user, an unknown page or an unreadable folder; BusUnavailable.
    """
    names = await store_of(settings, bus).names()
    if user:
        if user not in {*names, MASTER} and not await _in_redis(bus, user):
            require_known(user, [MASTER, *names])
        return UserPage((user,))
    pages = max((len(names) + per_page - 1) // per_page, 1)
    if number > pages:
        raise ConfigurationError(f"--page {number}: there are {pages} pages")
    first = (number - 1) * per_page
    return UserPage(tuple(names[first : first + per_page]), number, pages, len(names))


def page_of(rows: Sequence[T], number: int, per_page: int = PER_PAGE) -> tuple[Sequence[T], str]:
    """Return a page of rows for people, and what to say about the others. Raises ConfigurationError for an unknown page."""
    pages = max((len(rows) + per_page - 1) // per_page, 1)
    if number > pages:
        raise ConfigurationError(f"--page {number}: there are {pages} pages")
    first = (number - 1) * per_page
    said = f"page {number} of {pages} ({len(rows)} rows); --page N for another, --json for all" if pages > 1 else ""
    return rows[first : first + per_page], said


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows as comma-separated values with a header (none without columns); None becomes an empty cell."""
    write_csv(sys.stdout, columns, rows)
    sys.stdout.flush()


def write_csv(file: TextIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as `print_csv` prints them."""
    writer = csv.writer(file, lineterminator="\n")
    if columns:
        writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(cell) for cell in row])


def one_form(*, as_json: bool, as_csv: bool) -> None:
    """Raise ConfigurationError if both forms are asked for."""
    if as_json and as_csv:
        raise ConfigurationError("--json and --csv exclude each other")


def _cell(value: object) -> object:
    """Return a cell: plain digits for an amount, and no text that a spreadsheet would run as a formula."""
    if isinstance(value, Decimal):
        return plain(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in _FORMULA and not _is_number(text) else text


def _is_number(text: str) -> bool:
    return DECIMAL.fullmatch(text) is not None


async def _in_redis(bus: Bus, user: str) -> bool:
    of_venues = [key(user, venue) for venue in VENUES for key in (keys.positions, keys.books, keys.totals)]
    answers = await bus.do_all(
        [("EXISTS", key) for key in (keys.orders(user), keys.reports(user), keys.following(user), *of_venues)]
    )
    return any(answer == 1 for answer in answers)
