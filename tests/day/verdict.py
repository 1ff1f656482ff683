"""What a day came to: the table for people, the JSON line for machines, and whether it passed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from shared.contracts import keys
from tests.day.books import DUST
from tests.day.limits import Case, Judgement, judge_user
from tests.day.losses import judge_losses
from tests.day.market import Prices
from tests.day.masters.accounts import BOT, TREND
from tests.day.masters.book_sums import judge_books, judge_followed
from tests.day.masters.trend import STOP, TARGET, judge_trend
from tests.day.people import PEOPLE
from tests.day.run import Day

_SHOWN: Final = 20
_FEWEST: Final = 200
"""A day with fewer filled orders proves little."""
_FEWEST_AT_ONE: Final = 50
"""The same of each venue, and of all orders."""
_FEWEST_OF_TREND: Final = {"entries": 25, "exits": 25, "exits by its plans": 3}
"""The strategy may enter thirty times a day of its market."""
_FEWEST_COPIES: Final = 60
"""Filled orders copied from each master."""
_FEWEST_SHARED: Final = 10
"""Sales for one master of a symbol that the account held for the other as well."""


@dataclass(frozen=True, slots=True)
class DayResult:
    """A judged day."""

    figures: dict[str, Any]
    breaches: list[str]
    judgement: Judgement

    @property
    def ok(self) -> bool:
        """Nothing broke."""
        return not self.breaches


def judge(day: Day, *, quiet: bool, seconds: float) -> DayResult:
    """Judge everything that is left."""
    cases, prices = day.cases()
    masters = {name: day.master(name).at(day.rested_at) for name in day.masters.venues}
    found = Judgement()
    for case in cases:
        judge_user(case, prices, found)
        judge_losses(case, prices, found)
        rest = day.rest_of(case)
        judge_books(rest, prices, day.rested_at, found)
        judge_followed(rest, masters, prices, day.rested_at, found)
        _judge_end(day, case, prices, found)
    trend = judge_trend(day.trend(prices), prices, found)
    unemitted = day.unemitted()
    found.check("every fill of a master is a signal of it", not unemitted, ", ".join(unemitted[:3]))
    ends, own, bound = day.outcomes()
    audit = day.audit()
    summary = audit.json if audit.out else {"ok": False, "error": audit.err[-500:]}
    breaches = [*found.breaches, *day.operator.failed, *day.bot.failed]
    if not quiet:
        breaches.append("the system did not come to rest")
    if not summary.get("ok"):
        breaches.append(f"ops audit: {json.dumps(summary)[:600]}")
    if summary.get("invalid_nonces"):  # nobody is killed or frozen on this day, so none is to be refused
        breaches.append(f"{summary['invalid_nonces']} nonces refused")
    logged = day.logged()
    if logged["exceptions"]:
        breaches.append(f"{logged['exceptions']} exceptions in the logs")
    stop_outs = sum(len(case.stop_outs) for case in cases)
    orders_at = count_orders(cases)
    copies = count_copies(cases)
    shared = sum(case.account.shared_sales for case in cases)
    breaches += _tameness(ends["filled"], stop_outs, sum(own.values()), orders_at)
    breaches += tameness_of_masters(trend, copies, shared)
    strays = day.drift.json["strays"]
    if strays:
        breaches.append(f"ops drift: {strays} strays at rest")
    limits = {key for person in PEOPLE for key in person.settings.get("limits", {}) if key.startswith(("max", "daily"))}
    figures = {
        "ok": not breaches,
        "seed": day.seed,
        "masters": {name or "the bot": venue for name, venue in day.masters.venues.items()},
        "signals": len(day.stack._entries(keys.SIGNALS)),
        "trend": trend,
        "copied": {name or "the bot": count for name, count in sorted(copies.items())},
        "shared_sales": shared,
        "users": len(cases),
        "orders": sum(len(case.orders) for case in cases),
        "orders_at": dict(sorted(orders_at.items())),
        "outcomes": dict(sorted(ends.items())),
        "own_exits": dict(sorted(own.items())),
        "stop_outs": stop_outs,
        "moves": sum(map(len, day.operator.flows.values())),
        "switches": len(day.operator.stops),
        "flattened": len(day.operator.flattened),
        "bound": dict(sorted(bound.items())),
        "never_bound": sorted(limits - bound.keys() - {"daily_loss_pct", "max_drawdown_pct"}),
        "checks": sum(found.checked.values()),
        "audit": {
            name: summary.get(name) for name in ("ok", "missing", "duplicates", "disagreements", "invalid_nonces")
        },
        "seconds": round(seconds),
        "breaches": breaches[:_SHOWN],
        "breaches_in_all": len(breaches),
    }
    return DayResult(figures, breaches, found)


def _judge_end(day: Day, case: Case, prices: Prices, found: Judgement) -> None:
    """At the end all is closed: the books, the journal and the exchange's balances agree that only dust is left."""
    user, last = case.person.user, case.account.at(1 << 62)
    held, has = day.held(case.person), day.balances(user, case.person.venue)
    for symbol, size in last.held.items():
        worth = size * prices.at(symbol, 1 << 62)
        found.check("everything is closed at the end", worth < 5 * DUST, f"{user}: {size} {symbol} left")
        asset = symbol.partition("/")[0]
        balance = has.get(asset, Decimal(0))
        found.check("journal and balances agree", balance == size, f"{user}: {balance} and {size} {asset}")
        booked = held.get(symbol, Decimal(0))
        found.check("books do not exceed the journal", booked <= size, f"{user}: {booked} of {size} {asset}")
    spent = abs(has.get("USD", Decimal(0)) - last.cash)
    found.check("cash adds up", spent < Decimal("0.01"), f"{user}: {spent} USD apart")


def count_orders(cases: Sequence[Case]) -> Counter[str]:
    """Count the orders at each venue."""
    found: Counter[str] = Counter()
    for case in cases:
        found[case.person.venue] += len(case.orders)
    return found


def _tameness(filled: int, stop_outs: int, own: int, orders_at: Mapping[str, int]) -> list[str]:
    found = [f"too tame: {count} orders at {venue}" for venue, count in orders_at.items() if count < _FEWEST_AT_ONE]
    if filled < _FEWEST:
        found.append(f"too tame: {filled} filled orders")
    if not stop_outs:
        found.append("too tame: nobody was stopped out")
    if not own:
        found.append("too tame: no exits of the users' own")
    return found


def count_copies(cases: Sequence[Case]) -> Counter[str]:
    """Count the filled orders of users by master."""
    return Counter(case.masters.get(order.client_id, "") for case in cases for order in case.orders if order.filled > 0)


def tameness_of_masters(trend: Mapping[str, Any], copies: Mapping[str, int], shared: int) -> list[str]:
    """Return what the two masters did too little of."""
    done = {"entries": trend["entries"], "exits": trend["exits"], "exits by its plans": _by_plan(trend)}
    found = [
        f"too tame: {done[what]} {what} of trend" for what, least in _FEWEST_OF_TREND.items() if done[what] < least
    ]
    found += [
        f"too tame: {copies.get(name, 0)} orders copied from {name or 'the bot'}"
        for name in (BOT, TREND)
        if copies.get(name, 0) < _FEWEST_COPIES
    ]
    if shared < _FEWEST_SHARED:
        found.append(f"too tame: {shared} sales of what was held for both masters")
    return found


def _by_plan(trend: Mapping[str, Any]) -> int:
    return int(trend["exits_by"].get(STOP, 0)) + int(trend["exits_by"].get(TARGET, 0))


def show(verdict: DayResult, console: Console) -> None:
    """Print the tables."""
    judged = verdict.judgement
    table = Table(title="Checks", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("check", "times", "tightest"):
        table.add_column(column)
    for what, count in sorted(judged.checked.items()):
        near = judged.tightest.get(what)
        table.add_row(what, str(count), "" if near is None else f"{near:.4f}")
    console.print(table)
    plain = Table(title="Day", title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False)
    for name, value in verdict.figures.items():
        if name != "breaches":
            plain.add_row(name.replace("_", " "), str(value))
    console.print(plain)
    for breach in verdict.breaches[:_SHOWN]:
        console.print(breach, markup=False, style="red")
    console.print("[bold green]PASSED[/]" if verdict.ok else "[bold red]FAILED[/]")
