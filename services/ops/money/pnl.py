"""`ops pnl`: what copying has made for each user, realised and not, with the fees, and the master's result above it.

With `--user` also by symbol, with the tracking error. `--check` compares the sums that these figures come from with the reports.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

import typer
from rich.console import Console

from services.ops.amounts import cents, exact, signed_cents
from services.ops.money.pnl_rows import COLUMNS, STEP, ResultPage, answer, row, sum_accounts
from services.ops.money.positions import show_gaps
from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.tabular import PER_PAGE, AsCsv, OfUser, Page, PerPage, UserPage, one_form, print_csv, select_page
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_owners
from shared.config.settings import Settings
from shared.domain.account import MASTER, is_master
from shared.domain.trade_totals import plus
from shared.domain.values.money import ZERO
from shared.domain.values.venue import VENUES
from shared.ledger.performance.check import SumsCheck, check_sums
from shared.ledger.performance.equity import read_step
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import AccountResult
from shared.ledger.performance.tracking import TrackingError, tracking_error

_POINTS: Final = Decimal("0.0001")

Check = Annotated[bool, typer.Option("--check", help="Compare the sums with the reports; exit 1 if they differ.")]


def pnl(
    user: OfUser = "",
    page: Page = 1,
    per_page: PerPage = PER_PAGE,
    check: Check = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show what copying has made: realised, unrealised, fees; --user also by symbol."""
    one_form(as_json=as_json, as_csv=as_csv)

    async def work(settings: Settings, bus: Bus) -> ResultPage | list[SumsCheck]:
        chosen = await select_page(settings, bus, user, page, per_page)
        if check:
            return [await check_sums(bus, each, venue) for each, venue in await _places(bus, chosen)]
        return await read_page(bus, chosen)

    found = run_with_bus(work)
    if isinstance(found, list):
        _end_check(found, as_json=as_json, as_csv=as_csv)
    elif as_json:
        print_json(answer(found))
    elif as_csv:
        rows = [row(each, account) for account in (*found.master, *found.accounts) for each in account.symbols]
        print_csv(COLUMNS, [list(each.values()) for each in rows])
    else:
        _show(console(), found, user)


async def read_page(bus: Bus, page: UserPage) -> ResultPage:
    """Read the results of a page. Raises BusUnavailable."""
    users = [user for user in page.users if not is_master(user)]
    accounts = await read_results(bus, [*await read_master_owners(bus), *users])
    mine = [each for each in accounts if not is_master(each.user)]
    tracking = {}
    if page.total == 1 and len(page.users) == 1 and mine:
        for account in mine:
            user, master = [await read_step(bus, each, account.venue, STEP) for each in (account.user, MASTER)]
            tracking[account.venue] = tracking_error(user, master)
    return ResultPage(page, mine, [each for each in accounts if is_master(each.user)], tracking)


def _show(out: Console, found: ResultPage, user: str) -> None:
    rows = [line for account in (*found.master, *found.accounts) for line in _lines(account)]
    columns = ["user", "venue", "in", "realised", "unrealised", "P&L", "fees", "equity"]
    empty = f"{user} has not traded yet" if user else "no account has traded yet"
    out.print(table("Profit and loss of copying", columns, rows, empty=empty, numbers=range(3, 8)))
    if not rows:
        return
    if user:
        out.print()
        _show_symbols(out, [*found.master, *found.accounts])
        for venue, each in found.tracking.items():
            out.print(f"tracking error on {venue}: {_tracking(each)}", markup=False)
    else:
        for currency, sums in sum_accounts(found.accounts).items():
            out.print(
                f"users together: P&L {signed_cents(sums.pnl)} {currency}, realised {signed_cents(sums.realized)} {currency}, "
                f"fees {cents(sums.fees)} {currency}",
                markup=False,
            )
    out.print("P&L = realised + unrealised; fees are contained in both.", markup=False)
    show_gaps(out, [*found.master, *found.accounts])
    if found.page.words:
        out.print(found.page.words, markup=False)


def _lines(account: AccountResult) -> list[tuple[str, ...]]:
    """Return a line for each currency in which an account has traded; one without amounts if it has not."""
    equity = account.equity
    lines: list[tuple[str, ...]] = []
    for number, (currency, sums) in enumerate(account.sums.items()):
        worth = cents(equity.amount) if equity is not None and number == 0 else ""
        lines.append(
            (
                account.user,
                account.venue,
                currency,
                signed_cents(sums.realized),
                signed_cents(sums.unrealized),
                signed_cents(sums.pnl),
                cents(sums.fees),
                worth,
            )
        )
    if not lines and equity is not None:
        zero = signed_cents(ZERO)
        lines = [(account.user, account.venue, equity.currency, zero, zero, zero, cents(ZERO), cents(equity.amount))]
    return lines


def _show_symbols(out: Console, accounts: Sequence[AccountResult]) -> None:
    rows = [
        (
            each.user,
            str(each.symbol),
            each.totals.trades,
            signed_cents(each.realized.amount),
            signed_cents(each.unrealized.amount if each.unrealized else None),
            signed_cents(each.pnl.amount if each.pnl else None),
            cents(each.totals.fees.amount),
        )
        for account in accounts
        for each in account.symbols
    ]
    columns = ["user", "symbol", "trades", "realised", "unrealised", "P&L", "fees"]
    out.print(table("By symbol", columns, rows, empty="nothing was traded yet", numbers=range(2, 7)))
    for account in accounts:
        for each in account.symbols:
            size, cost = each.adjusted
            if size.amount or cost.amount:
                out.print(
                    f"{each.user} {each.symbol}: {exact(size.amount)} {size.asset} at a cost of {cents(cost.amount)} "
                    f"{cost.currency} are not explained by trades (moved outside of Shoal, written off, or held before)",
                    markup=False,
                )


def _tracking(found: TrackingError) -> str:
    if found.error is None or found.mean is None:
        return f"not known yet ({found.intervals} hours in common with the master)"
    return (
        f"{found.error.quantize(_POINTS)} percentage points per hour, on average "
        f"{plus(found.mean, ZERO).quantize(_POINTS):+} against the master ({found.intervals} hours)"
    )


async def _places(bus: Bus, page: UserPage) -> list[tuple[str, str]]:
    """Return the accounts of a page that have a record or traded; of the users only: the master's has no reports of its own."""
    accounts = await read_results(bus, [user for user in page.users if not is_master(user)], VENUES)
    return [(each.user, each.venue) for each in accounts]


def _end_check(found: Sequence[SumsCheck], *, as_json: bool, as_csv: bool) -> None:
    """Show the result of a check; exit 1 if sums differ."""
    different = [each for each in found if each.differences]
    rows = [
        (each.user, each.venue, each.trades, each.unchecked or "; ".join(each.differences) or "equal") for each in found
    ]
    columns = ["user", "venue", "trades", "result"]
    if as_json:
        print_json(
            {
                "checked": len(found),
                "different": len(different),
                "accounts": [dict(zip(columns, each, strict=True)) for each in rows],
            }
        )
    elif as_csv:
        print_csv(columns, rows)
    else:
        console().print(table("Sums against reports", columns, rows, empty="no account has traded yet"))
    if different:
        sys.exit(1)
