"""`ops positions`: what users hold from copying, what it cost and what it is worth, with what the master holds above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from services.ops.amounts import cents, exact, price, signed_cents
from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.tabular import PER_PAGE, AsCsv, OfUser, Page, PerPage, UserPage, one_form, print_csv, select_page
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_owners
from shared.config.settings import Settings
from shared.domain.account import is_master
from shared.domain.values.money import plain
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import AccountResult, SymbolResult, sum_results

COLUMNS: Final = (
    "user", "venue", "symbol", "size", "average_cost", "cost", "price", "price_at", "value", "unrealized", "opened_at",
)  # fmt: skip

_MAIN_BOOK: Final = "main"


@dataclass(frozen=True, slots=True)
class HeldPage:
    """The accounts of a page of users, and the master's."""

    page: UserPage
    accounts: Sequence[AccountResult]
    master: Sequence[AccountResult]


def positions(
    user: OfUser = "", page: Page = 1, per_page: PerPage = PER_PAGE, as_json: AsJson = False, as_csv: AsCsv = False
) -> None:
    """Show what users hold from copying: cost, price, value, unrealised profit."""
    one_form(as_json=as_json, as_csv=as_csv)

    async def work(settings: Settings, bus: Bus) -> HeldPage:
        return await read_held(bus, await select_page(settings, bus, user, page, per_page))

    found = run_with_bus(work)
    if as_json:
        print_json(answer(found))
    elif as_csv:
        print_csv(COLUMNS, [list(row(each).values()) for each in _all(found)])
    else:
        _show(console(), found, user)


async def read_held(bus: Bus, page: UserPage) -> HeldPage:
    """Read the accounts of a page, and the master's. Raises BusUnavailable."""
    users = [user for user in page.users if not is_master(user)]
    accounts = await read_results(bus, [*await read_master_owners(bus), *users])
    master = [each for each in accounts if is_master(each.user)]
    return HeldPage(page, [each for each in accounts if not is_master(each.user)], master)


def answer(found: HeldPage) -> dict[str, object]:
    """Return what is held as a JSON object; amounts are texts with all their digits."""
    users = [each for account in found.accounts for each in account.held]
    return {
        "page": found.page.number,
        "pages": found.page.pages,
        "users": found.page.total,
        "positions": [row(each) | _books(each) for each in users],
        "master": [row(each) for account in found.master for each in account.held],
        "sums": {
            currency: {"cost": exact(sums.cost), "value": exact(sums.value), "unrealized": exact(sums.unrealized)}
            for currency, sums in sum_results(users).items()
        },
        "unreadable": [
            {"user": account.user, "venue": account.venue, "record": name, "reason": why}
            for account in (*found.master, *found.accounts)
            for name, why in account.unreadable.items()
        ],
    }


def row(held: SymbolResult) -> dict[str, object]:
    """Return one position with all digits, by column."""
    cost, value, gain = held.average_cost, held.value, held.unrealized
    return {
        "user": held.user,
        "venue": held.venue,
        "symbol": str(held.symbol),
        "size": exact(held.held.size.amount),
        "average_cost": None if cost is None else exact(cost.shown()),
        "cost": exact(held.held.cost.amount),
        "price": None if held.price is None else exact(held.price.amount),
        "price_at": held.price_at,
        "value": None if value is None else exact(value.amount),
        "unrealized": None if gain is None else exact(gain.amount),
        "opened_at": held.held.opened_at,
    }


def _books(held: SymbolResult) -> dict[str, object]:
    """Return what is held for each master as a field `books`; none where nothing is divided. The main book has an empty name."""
    books = [
        {
            "master": master,
            "size": exact(book.size.amount),
            "cost": exact(book.cost.amount),
            "opened_at": book.opened_at,
        }
        for master, book in held.held.books
    ]
    return {"books": books} if books else {}


def _book_rows(held: SymbolResult) -> list[tuple[str, ...]]:
    """Return a row for each book of a divided position."""
    rows: list[tuple[str, ...]] = []
    for master, book in held.held.books:
        value = None if held.price is None else book.size * held.price
        rows.append(
            (
                f"  {master or _MAIN_BOOK}",
                "",
                f"{plain(book.size.amount)} {held.symbol.base}",
                price(book.cost.amount / book.size.amount),
                "",
                cents(value.amount if value else None),
                signed_cents((value - book.cost).amount if value else None),
            )
        )
    return rows


def _all(found: HeldPage) -> list[SymbolResult]:
    return [each for account in (*found.master, *found.accounts) for each in account.held]


def _show(out: Console, found: HeldPage, user: str) -> None:
    columns = ["user", "venue", "held", "avg. cost", "price", "value", "gain"]
    empty = f"{user} holds nothing from copying" if user else "no user holds anything from copying"
    rows = []
    for each in _all(found):
        whole = (
            each.user,
            each.venue,
            f"{plain(each.held.size.amount)} {each.symbol.base}",
            price(each.average_cost.amount if each.average_cost else None),
            price(each.price.amount if each.price else None),
            cents(each.value.amount if each.value else None),
            signed_cents(each.unrealized.amount if each.unrealized else None),
        )
        rows += [whole, *_book_rows(each)]
    currencies = sorted({each.symbol.quote for each in _all(found)})
    title = f"Positions ({', '.join(currencies)})" if currencies else "Positions"
    out.print(table(title, columns, rows, empty=f"{empty}, and the master holds nothing", numbers=range(2, 7)))
    if rows and not any(account.held for account in found.accounts) and not is_master(user):
        out.print(empty)
    users = [each for account in found.accounts for each in account.held]
    for currency, sums in sum_results(users).items():
        out.print(
            f"users together: value {cents(sums.value)} {currency}, cost {cents(sums.cost)} {currency}, "
            f"unrealised {signed_cents(sums.unrealized)} {currency}",
            markup=False,
        )
    show_gaps(out, [*found.master, *found.accounts])
    if found.page.words:
        out.print(found.page.words, markup=False)


def show_gaps(out: Console, accounts: Sequence[AccountResult]) -> None:
    """Show what the figures leave out: records that cannot be read, and positions without a price."""
    for account in accounts:
        for name, why in account.unreadable.items():
            out.print(f"{account.user} on {account.venue}: {name} cannot be read: {why}", markup=False)
        missing = [str(each.symbol) for each in account.held if each.value is None]
        if missing:
            out.print(f"{account.user} on {account.venue}: no price of {', '.join(missing)} is known", markup=False)
