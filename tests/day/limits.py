"""Was a limit ever exceeded? Judged order by order from the exchange's journal, with no code of the product's.

The product judges by the balance that it read last, so shares of the equity are compared with the highest equity since the
reading that the decision can have gone by (the exchange's journal tells when balances were read), and what is held with its
lowest value within the time that a price may be old. The rest is exact. `tightest` shows how near each limit was come: 1 is the
limit itself.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from shared.domain.order import leg_id
from tests.day.books import DUST, ZERO, Account, Order
from tests.day.market import Prices
from tests.day.masters.accounts import Masters
from tests.day.people import Person

OLDEST_READING_MS: Final = 120_000
"""No entry goes by a balance that is older."""
READ_MS: Final = 4_000
"""From the request for a balance until decisions go by it: its prices are looked up and it is recorded, on two busy cores."""
PRICE_MS: Final = 4_000
"""Prices are published every second, and an order takes a while from its judgement to the exchange."""
EFFECTIVE_MS: Final = 1_000
"""A switch is in force everywhere within a second."""
SEEN: Final = Decimal("1.001")
"""Prices are seen ten times a second, which is 36 seconds of the market: its highest may have come between two looks."""
_ROUNDING: Final = Decimal("1.0000001")
_LEGS: Final = 20
"""An exit has fewer: a leg is followed by another only where it filled less than the whole."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A switch that an operator has set: over whom, from when (epoch ms) to when."""

    mode: str
    since: int
    until: int
    user: str = ""
    symbol: str = ""

    def covers(self, user: str, symbol: str) -> bool:
        """Return whether a user's order for a symbol was stopped by it."""
        return self.user in {"", user} and self.symbol in {"", symbol}


@dataclass(frozen=True, slots=True)
class SignalFacts:
    """What the master told, as the stream has it."""

    price: Decimal
    size: Decimal
    master_equity: Decimal
    filled_at: int
    decided_at: int
    master: str = ""
    """Whose signal it is: empty for the one that is named after its venue."""


@dataclass(frozen=True, slots=True)
class StopOut:
    """A stop-out as the product recorded it."""

    at: int
    until: int


@dataclass(frozen=True, slots=True)
class Case:
    """Everything about one user."""

    person: Person
    account: Account
    orders: Sequence[Order]
    told: Mapping[str, SignalFacts]
    """What each copied order answers, by client order id."""
    stops: Sequence[Stop]
    stop_outs: Sequence[StopOut]
    readings: Sequence[int]
    """When the exchange was asked for the account's balances, in order (epoch ms)."""
    masters: Mapping[str, str]
    """For which master each order was, by client order id."""

    def reading(self, instant: int) -> int:
        """Return the reading that a decision of an instant may have gone by, the earliest if there are several; 0 if none was."""
        settled = bisect.bisect_right(self.readings, instant - READ_MS)
        return self.readings[max(settled - 1, 0)] if self.readings else 0


@dataclass(slots=True)
class Judgement:
    """What was found."""

    checked: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)
    tightest: dict[str, Decimal] = field(default_factory=dict)

    def check(self, what: str, ok: object, words: str) -> None:
        """Note one check."""
        self.checked[what] += 1
        if not ok:
            self.breaches.append(f"{what}: {words}")

    def within(self, what: str, used: Decimal, most: Decimal, who: str) -> None:
        """Note one check of an amount against its limit."""
        share = used / most if most > 0 else Decimal(999)
        self.tightest[what] = max(self.tightest.get(what, ZERO), share)
        self.check(what, used <= most * _ROUNDING, f"{who}: {used:.4f} of at most {most:.4f}")


def judge_user(case: Case, prices: Prices, found: Judgement) -> None:
    """Judge everything that one user's account did."""
    for order in case.orders:
        found.check(
            "orders go where the master is copied",
            order.venue in {"", case.person.venue},
            f"{_name(case, order)} at {order.venue}",
        )
    for words in case.account.oversold:
        found.check("never sells more than was bought", False, f"{case.person.user}: {words}")
    for words in case.account.crossed:
        found.check("a sale leaves the other master's alone", False, f"{case.person.user}: {words}")
    traded: Counter[str] = Counter()
    for order in sorted(case.orders, key=lambda each: each.accepted_at):
        _judge_any(case, order, found)
        if not order.buys:
            found.check("never sells more than was bought", True, "")
            found.check("a sale leaves the other master's alone", True, "")
            continue
        _judge_entry(case, order, prices, found)
        if order.filled > 0:
            day = datetime.fromtimestamp(order.accepted_at / 1000, UTC).date().isoformat()
            traded[day] += 1
            if (most := case.person.setting("limits", "max_trades_per_day")) is not None:
                found.within("max_trades_per_day", Decimal(traded[day]), Decimal(most), _name(case, order))


def _judge_any(case: Case, order: Order, found: Judgement) -> None:
    """Switches: `halt` lets nothing out, the others no entry. And an order is for one of the masters that the user follows."""
    at, master = order.accepted_at, case.masters.get(order.client_id)
    found.check(
        "an order is for a master that is followed", master in case.person.masters, f"{_name(case, order)}: {master}"
    )
    stopped = [
        stop
        for stop in case.stops
        if stop.covers(case.person.user, order.symbol)
        and stop.since + EFFECTIVE_MS < at < stop.until
        and (order.buys or stop.mode == "halt")
    ]
    found.check("no order against a switch", not stopped, f"{_name(case, order)}: {stopped[:1]}")


def _judge_entry(case: Case, order: Order, prices: Prices, found: Judgement) -> None:
    person, name, at = case.person, _name(case, order), order.accepted_at
    told = case.told.get(order.client_id)
    found.check("no entry without a signal", told is not None, name)
    include, exclude = person.setting("symbols", "include", []), person.setting("symbols", "exclude", [])
    allowed = order.symbol not in exclude and (not include or order.symbol in include)
    found.check("no order of an excluded symbol", allowed, name)
    out = [each for each in case.stop_outs if each.at + EFFECTIVE_MS < at < each.until]
    found.check("no entry during a stop-out", not out, f"{name}: {out[:1]}")
    found.check("entries have a limit price", order.limit is not None, name)
    bound = order.size * (order.limit or ZERO)
    read_at = case.reading(at if told is None else told.decided_at)
    equity = case.account.most(read_at, at) * SEEN
    if told is not None:
        found.within("age of the balance", Decimal(told.decided_at - read_at), Decimal(OLDEST_READING_MS), name)
        slip = 1 + Decimal(person.setting("guards", "max_slippage_bps", 50)) / 10_000
        found.within("max_slippage_bps", (order.limit or ZERO) / told.price, slip, name)
        oldest = Decimal(str(person.setting("guards", "max_signal_age", "30s")).removesuffix("s")) * 1000
        found.within("max_signal_age", Decimal(at - told.filled_at), oldest, name)
        _judge_size(case, order, told, equity, found)
    if (most := person.setting("limits", "max_order_quote")) is not None:
        found.within("max_order_quote", bound, Decimal(most), name)
    if (pct := person.setting("limits", "max_order_pct")) is not None:
        found.within("max_order_pct", bound, equity * Decimal(pct) / 100, name)
    before = case.account.before(at)
    held = {symbol: size * prices.lowest(symbol, at - PRICE_MS, at) for symbol, size in before.held.items() if size > 0}
    real = {symbol for symbol, worth in held.items() if worth >= DUST}
    if (most := person.setting("limits", "max_positions")) is not None and order.filled > 0:
        found.within("max_positions", Decimal(len(real | {order.symbol})), Decimal(most), name)
    if (pct := person.setting("limits", "max_exposure_pct")) is not None:
        used = sum(held.values(), ZERO) + order.cost
        found.within("max_exposure_pct", used, equity * Decimal(pct) / 100, name)
    if told is not None and (pct := person.share_pct(told.master)) is not None:
        books = ((symbol, book.size) for (symbol, master), book in before.books.items() if master == told.master)
        mine = sum((size * prices.lowest(symbol, at - PRICE_MS, at) for symbol, size in books), ZERO)
        found.within("follow: share_pct", mine + order.cost, equity * Decimal(pct) / 100, name)
    if (pct := person.setting("limits", "max_symbol_pct")) is not None:
        used = held.get(order.symbol, ZERO) + order.cost
        found.within("max_symbol_pct", used, equity * Decimal(pct) / 100, name)


def _judge_size(case: Case, order: Order, told: SignalFacts, equity: Decimal, found: Judgement) -> None:
    """No size above what its mode makes of the master's; `round_up` may be, up to its own cap, and is judged by that."""
    person, name = case.person, _name(case, order)
    share = Decimal(person.share_pct(told.master) or 100) / 100
    times = Decimal(str(person.setting("sizing", "multiplier", 1)))
    mode = person.setting("sizing", "mode", "equity")
    if person.setting("sizing", "below_minimum") == "round_up":
        return
    if mode == "fixed_quote":
        most = Decimal(person.setting("sizing", "quote_amount")) * times
        found.within("sizing: fixed_quote", order.size * (order.limit or ZERO), most, name)
    elif mode == "multiplier":
        found.within("sizing: multiplier", order.size, told.size * times, name)
    elif mode == "equity":
        found.within("sizing: equity", order.size, told.size * equity * share / told.master_equity * times, name)


def _name(case: Case, order: Order) -> str:
    side = "buy" if order.buys else "sell"
    return f"{case.person.user} {side} {order.size} {order.symbol} at {order.accepted_at} ({order.client_id})"


def read_signal_facts(
    decisions: Sequence[Mapping[str, Any]], signals: Mapping[str, Mapping[str, str]], masters: Masters
) -> dict[str, SignalFacts]:
    """Join a user's decisions with the signals they answer, by the id that the order bears at the exchange.

    The account that a signal comes from says whose it is, not what the product calls it.
    """
    found = {}
    for decision in decisions:
        signal = signals.get(decision["signal_id"])
        if signal is not None and signal["kind"] == "entry":
            found[str(decision["id"])] = SignalFacts(
                price=Decimal(signal["price"]),
                size=Decimal(signal["base_size"]),
                master_equity=Decimal(signal["master_equity"]),
                filled_at=int(signal["filled_at"]),
                decided_at=int(decision["emitted_at"]),
                master=masters.at(signal["venue"]),
            )
    return found


def read_masters(
    decisions: Sequence[Mapping[str, Any]],
    reports: Sequence[Mapping[str, Any]],
    signals: Mapping[str, Mapping[str, str]],
    masters: Masters,
) -> dict[str, str]:
    """Return for which master each order of a user was, by the id that the order bears at the exchange.

    An order that answers a signal is for the master from whose account the signal comes. A user's own exit answers none: its
    report names the master whose book it closed. A later leg of an exit has an id of its own.
    """
    found = {}
    for decision in decisions:
        if (signal := signals.get(decision["signal_id"])) is not None:
            found[str(decision["id"])] = masters.at(signal["venue"])
    found |= {str(each["order_id"]): str(each.get("master", "")) for each in reports if not each["signal_id"]}
    legs = range(2, _LEGS + 1)
    return found | {leg_id(order, leg): master for order, master in found.items() for leg in legs}
