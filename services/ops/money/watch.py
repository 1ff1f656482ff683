"""`ops watch`: accounts, results and the latest outcomes, live in the terminal.

Each refresh reads one page of users and a few outcomes, so it costs the same however long the system has run. `--json` prints one
object per refresh on a line, `--csv` one row per account and currency. It ends with Ctrl-C, or after `--count` refreshes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from services.ops.amounts import cents, signed_cents
from services.ops.money.pnl_rows import ResultPage, answer, sum_accounts
from services.ops.orders.orders import outcome_table, read_rows
from services.ops.output import AsJson, console, table
from services.ops.runner import run_with_bus
from services.ops.tabular import AsCsv, OfUser, Page, UserPage, one_form, print_csv, select_page
from shared.bus.client.wire import hgetall
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_owners
from shared.bus.state.records import Records, read_control
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.domain.account import is_master
from shared.domain.control import ControlMode
from shared.domain.funds import Funds
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import AccountResult

PER_PAGE: Final = 20
_OUTCOMES: Final = 10
_COLUMNS: Final = ("at", "user", "venue", "state", "currency", "equity", "realized", "unrealized", "pnl", "fees")
_HEADS: Final[Mapping[str, tuple[str, str]]] = {
    "live": (" LIVE: real money ", "bold white on red"),
    "paper": ("PAPER: no real money", "bold"),
    "": ("mode unknown: no account of these has books yet", "dim"),
}

Every = Annotated[float, typer.Option("--every", min=0.2, max=3600, help="Seconds between refreshes.")]
Count = Annotated[int, typer.Option("--count", min=0, help="End after this many refreshes; 0 is never.")]
PerPage = Annotated[int, typer.Option("--per-page", min=1, max=1000, help="Users on a page.")]


@dataclass(frozen=True, slots=True)
class Look:
    """What one refresh shows. `switches` has the kill switches that are set, in words, by user; the global one under ``."""

    at: int
    mode: str
    results: ResultPage
    outcomes: Sequence[Mapping[str, object]]
    switches: Mapping[str, str]


def watch(
    user: OfUser = "",
    page: Page = 1,
    per_page: PerPage = PER_PAGE,
    every: Every = 2.0,
    count: Count = 0,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Watch accounts, profit and the latest outcomes live; ends with Ctrl-C."""
    one_form(as_json=as_json, as_csv=as_csv)

    async def work(settings: Settings, bus: Bus) -> None:
        chosen = await select_page(settings, bus, user, page, per_page)
        looks = _looks(bus, chosen, every, count)
        if as_json:
            async for look in looks:
                print(json.dumps(_object(look), ensure_ascii=False), flush=True)
        elif as_csv:
            print_csv(_COLUMNS, [])
            async for look in looks:
                print_csv((), _rows(look))
        else:
            await _show(looks)

    try:
        run_with_bus(work)
    except KeyboardInterrupt:
        return


async def _looks(bus: Bus, page: UserPage, every: float, count: int) -> AsyncIterator[Look]:
    done = 0
    while True:
        yield await read_look(bus, page)
        done += 1
        if done == count:
            return
        await asyncio.sleep(every)


async def read_look(bus: Bus, page: UserPage) -> Look:
    """Read what one refresh shows. Raises BusUnavailable."""
    users = [user for user in page.users if not is_master(user)]
    accounts = await read_results(bus, [*await read_master_owners(bus), *users])
    outcomes = await read_rows(bus, page.users, _OUTCOMES)
    names = ["", *users]
    answers = await bus.do_all([hgetall(keys.control(name) if name else keys.CONTROL) for name in names])
    set_ones = {}
    for name, written in zip(names, answers, strict=True):
        switch = read_control(written)
        if switch.mode is not ControlMode.RUN:
            set_ones[name] = switch.mode.value
    results = ResultPage(
        page,
        [each for each in accounts if not is_master(each.user)],
        [each for each in accounts if is_master(each.user)],
    )
    return Look(_now(), await _mode(bus, accounts), results, outcomes, set_ones)


async def _show(looks: AsyncIterator[Look]) -> None:
    """Draw on a terminal in place; elsewhere print one picture after the other."""
    out = console()
    if not out.is_terminal:
        async for look in looks:
            out.print(picture(look))
        return
    with Live(console=out, auto_refresh=False, screen=False, vertical_overflow="crop") as live:
        async for look in looks:
            live.update(picture(look), refresh=True)


def picture(look: Look) -> RenderableType:
    """Return one refresh as it is drawn."""
    words, style = _HEADS.get(look.mode, _HEADS[""])
    clock = datetime.fromtimestamp(look.at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    head = Text.assemble((words, style), f"  {clock}")
    stop = look.switches.get("")
    parts: list[RenderableType] = [head]
    if stop:
        parts.append(Text(f"KILL SWITCH for everyone: {stop}", style="bold red"))
    columns = ["user", "venue", "state", "equity", "realised", "unrealised", "P&L"]
    rows = [_line(each, look) for each in _accounts(look)]
    parts += ["", table("Accounts", columns, rows, empty="no account is known yet", numbers=range(3, 7))]
    for currency, sums in sum_accounts(look.results.accounts).items():
        parts.append(
            Text(f"users together: P&L {signed_cents(sums.pnl)} {currency}, fees {cents(sums.fees)} {currency}")
        )
    parts += [Text(f"  {name}: {why}") for name, why in _reasons(look)]
    parts += ["", outcome_table(look.outcomes, "no order has ended yet")]
    if look.results.page.words:
        parts.append(Text(look.results.page.words))
    return Group(*parts)


def _line(account: AccountResult, look: Look) -> tuple[str, ...]:
    equity = account.equity
    currency = equity.currency if equity is not None else next(iter(account.sums), "")
    sums = account.sums.get(currency)
    return (
        account.user,
        account.venue,
        _state(account, look),
        f"{cents(equity.amount)} {equity.currency}" if equity is not None else "unknown",
        signed_cents(sums.realized) if sums else "-",
        signed_cents(sums.unrealized) if sums else "-",
        signed_cents(sums.pnl) if sums else "-",
    )


def _state(account: AccountResult, look: Look) -> str:
    if account.user in look.switches:
        return look.switches[account.user]
    return account.account.state.value if account.account is not None else "unknown"


def _reasons(look: Look) -> list[tuple[str, str]]:
    return [
        (f"{each.user} on {each.venue}", each.account.reason)
        for each in _accounts(look)
        if each.account is not None and each.account.reason
    ]


def _accounts(look: Look) -> list[AccountResult]:
    return [*look.results.master, *look.results.accounts]


def _object(look: Look) -> dict[str, object]:
    states = {f"{each.user}:{each.venue}": _state(each, look) for each in _accounts(look)}
    return {
        "at": look.at,
        "mode": look.mode,
        "switches": {name or "everyone": mode for name, mode in look.switches.items()},
        "states": states,
        **answer(look.results),
        "orders": list(look.outcomes),
    }


def _rows(look: Look) -> list[tuple[object, ...]]:
    return [
        (
            look.at,
            each.user,
            each.venue,
            _state(each, look),
            currency,
            each.equity.amount if each.equity else None,
            sums.realized,
            sums.unrealized,
            sums.pnl,
            sums.fees,
        )
        for each in _accounts(look)
        for currency, sums in each.sums.items()
    ]


async def _mode(bus: Bus, accounts: Sequence[AccountResult]) -> str:
    """Return the kind of money that the books of these accounts are about; `live` if one of them is. Raises BusUnavailable."""
    try:
        marks = await Records(bus).books([(each.user, each.venue) for each in accounts])
    except MalformedMessageError:
        return ""
    funds = {mark.funds for mark in marks if mark is not None}
    return "live" if Funds.LIVE in funds else "paper" if Funds.PAPER in funds else ""


def _now() -> int:
    return int(datetime.now(UTC).timestamp() * 1000)
