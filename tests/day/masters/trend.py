"""Did `trend` keep its own rules? Judged from the orders that the exchange saw on its account, by the numbers of its README.

What the exchange can't know (which candle an entry answers, its stop and its first target) is in the record that the master
writes before it sends the order. The record is not trusted: the candle must have ended before the order came, and not long
before.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from tests.day.books import DUST, ZERO, Account, Order
from tests.day.limits import EFFECTIVE_MS, PRICE_MS, SEEN, Judgement, Stop
from tests.day.losses import span_of
from tests.day.market import MarketTime, Prices

MAX_POSITIONS: Final = Decimal(8)
MAX_ENTRIES: Final = Decimal(30)
GAP_MS: Final = Decimal(300_000)
MAX_EXPOSURE: Final = Decimal("0.8")
LARGEST: Final = Decimal("0.05")
"""Of the equity, in one entry."""
CANDLE_MS: Final = 300_000
LATEST_MS: Final = Decimal(8_000)
"""Wall clock, from the end of a candle to the entry that answers it: a round over all symbols takes a second and a half."""
READ_MS: Final = 20_000
"""Of the wall clock: the equity that an entry is sized by was read this long ago at most (every 15 s, or after a fill)."""
STOP, TARGET, RULE = "stop", "target", "rule"


@dataclass(frozen=True, slots=True)
class Entry:
    """A purchase and its plan, as recorded before it was sent. `answers` is the end of its candle, epoch ms of market time."""

    order: Order
    answers: int
    stop: Decimal
    target: Decimal
    """The first one, at which a part is sold."""
    break_even: Decimal

    @staticmethod
    def read(order: Order, record: Mapping[str, str]) -> Entry:
        """Read the order's record. Raises KeyError, ValueError for one that is none of an entry."""
        plan = json.loads(record["exit_plan"])
        price = plan["targets"].split()[0].partition("@")[2]
        return Entry(
            order, int(record["entered_at"]), Decimal(plan["stop"]), Decimal(price), Decimal(plan["break_even"])
        )


@dataclass(frozen=True, slots=True)
class TrendCase:
    """Everything about the strategy's account."""

    account: Account
    orders: Sequence[Order]
    """All of them are the strategy's: no one else trades on its account."""
    records: Mapping[str, Mapping[str, str]]
    """The master's records by client order id."""
    clock: MarketTime
    stops: Sequence[Stop]
    until: int
    """When its orders were halted, epoch ms: what was due later stays undone."""
    owned: Mapping[str, Decimal]
    """What its records say at rest that it holds, by symbol."""
    balances: Mapping[str, Decimal]
    """What the exchange says at rest that the account has, by asset."""


def judge_trend(case: TrendCase, prices: Prices, found: Judgement) -> dict[str, Any]:
    """Judge all of it; return what it did."""
    entries = []
    for order in sorted(case.orders, key=lambda each: each.accepted_at):
        name = f"{'buy' if order.buys else 'sell'} {order.size} {order.symbol} at {order.accepted_at}"
        record = case.records.get(order.client_id, {})
        found.check("trend: every order is its own", record.get("strategy") == "trend", name)
        if not order.buys:
            continue
        try:
            entry = Entry.read(order, record)
        except (KeyError, ValueError, IndexError, ArithmeticError) as error:
            found.check("trend: every entry has a plan", False, f"{name}: {error!r}")
            continue
        found.check("trend: every entry has a plan", True, "")
        _judge_entry(case, entry, prices, found, name)
        entries.append(entry)
    for words in case.account.oversold:
        found.check("trend: sells only what it bought", False, words)
    _judge_cadence(entries, found)
    _judge_plans(case, entries, prices, found)
    _judge_sums(case, found)
    filled = [order for order in case.orders if order.filled > 0]
    kinds = Counter(kind_of(case.records.get(order.client_id, {})) for order in filled if not order.buys)
    return {
        "entries": sum(order.buys for order in filled),
        "exits": sum(not order.buys for order in filled),
        "exits_by": dict(sorted(kinds.items())),
        "symbols": len({order.symbol for order in filled}),
        "most_held": _most_held(case, filled, prices),
    }


def kind_of(record: Mapping[str, str]) -> str:
    """Return what sold: the plan's stop, one of its targets, or a rule of the strategy."""
    step = record.get("exit_step", "")
    return RULE if not step else TARGET if step.partition("@")[0] != "0" else STOP


def _judge_entry(case: TrendCase, entry: Entry, prices: Prices, found: Judgement, name: str) -> None:
    order, at = entry.order, entry.order.accepted_at
    since = case.clock.at(at) - entry.answers
    found.check("trend: an entry answers a candle that had ended", since >= 0 and not entry.answers % CANDLE_MS, name)
    found.within("trend: age of its candle", Decimal(since) / Decimal(case.clock.speed), LATEST_MS, name)
    stopped = [
        stop for stop in case.stops if not stop.user and not stop.symbol and stop.since + EFFECTIVE_MS < at < stop.until
    ]
    found.check("trend: no entry against a switch", not stopped, f"{name}: {stopped[:1]}")
    held = _held(case.account, prices, at)
    found.check("trend: enters what it does not hold", order.symbol not in held, name)
    found.within("trend: max_positions", Decimal(len({*held, order.symbol})), MAX_POSITIONS, name)
    equity = case.account.most(at - READ_MS, at) * SEEN
    early = at - int(LATEST_MS)
    found.within("trend: size of an entry", order.size * prices.lowest(order.symbol, early, at), equity * LARGEST, name)
    exposure = sum(held.values(), ZERO) + order.size * prices.lowest(order.symbol, early, at)
    found.within("trend: max_exposure_pct", exposure, equity * MAX_EXPOSURE, name)
    found.check("trend: the stop is below the price", entry.stop < prices.highest(order.symbol, early, at), name)


def _held(account: Account, prices: Prices, at: int) -> dict[str, Decimal]:
    """Return what is held right before an instant, at its lowest value within the age of a price; without dust."""
    before = account.before(at)
    worth = {
        symbol: size * prices.lowest(symbol, at - PRICE_MS, at) for symbol, size in before.held.items() if size > 0
    }
    return {symbol: value for symbol, value in worth.items() if value >= DUST}


def _judge_cadence(entries: Sequence[Entry], found: Judgement) -> None:
    days = Counter(datetime.fromtimestamp(entry.answers / 1000, UTC).date().isoformat() for entry in entries)
    for day, count in days.items():
        found.within("trend: entries per day", Decimal(count), MAX_ENTRIES, day)
    for earlier, later in pairwise(entries):
        apart = Decimal(max(later.answers - earlier.answers, 1))
        found.within("trend: gap between entries", GAP_MS, apart, f"entry of {later.order.symbol} at {later.answers}")


def _judge_plans(case: TrendCase, entries: Sequence[Entry], prices: Prices, found: Judgement) -> None:
    """A stop sells all, the first target a part, and then the stop is where the entry was: none of it stays undone."""
    for entry in entries:
        if entry.order.filled > 0:
            life = list(_life(case, entry, prices))
            words = f"{entry.order.symbol} bought at {entry.order.accepted_at}"
            _judge_due("trend: stops are acted upon", life, [price <= stop for _, price, stop, _ in life], words, found)
            whole = [price >= entry.target and part > Decimal("0.9") for _, price, _, part in life]
            _judge_due("trend: targets are acted upon", life, whole, words, found)


_Moment = tuple[int, Decimal, Decimal, Decimal]
"""An instant, the price, the stop that holds by then at least, and what is left of the purchase (0..1]."""


def _life(case: TrendCase, entry: Entry, prices: Prices) -> Iterator[_Moment]:
    """Iterate over the instants at which the purchase was held and a price was seen."""
    symbol, bought, begun = entry.order.symbol, entry.order.filled, False
    stop = entry.stop
    done = min(
        (
            int(order.trades[-1]["at"])
            for order in case.orders
            if not order.buys
            and order.symbol == symbol
            and order.accepted_at > entry.order.accepted_at
            and order.trades
            and kind_of(case.records.get(order.client_id, {})) == TARGET
        ),
        default=None,
    )
    for at in prices.instants():
        if at < entry.order.accepted_at or at > case.until:
            continue
        size, price = case.account.at(at).held[symbol], prices.at(symbol, at)
        if size * price < 5 * DUST:
            if begun:
                return
            continue
        begun = True
        if done is not None and at > done:
            stop = max(stop, entry.break_even)
        yield at, price, stop, min(size / bought, Decimal(1))


def _judge_due(what: str, life: Sequence[_Moment], due: Sequence[bool], words: str, found: Judgement) -> None:
    undone: list[int] = []
    late: list[int] = []
    for (at, *_), is_due in zip(life, due, strict=True):
        if is_due:
            undone.append(at)
        else:
            late.extend(span_of(undone))
            undone = []
    late.extend(span_of(undone))
    found.check(what, not late, f"{words}: due and undone since {late[:1]}")


def _judge_sums(case: TrendCase, found: Judgement) -> None:
    """At rest the strategy's own record, the journal and the balances agree."""
    last = case.account.at(1 << 62)
    for symbol in sorted({*last.held, *case.owned}):
        size, owned = last.held[symbol], case.owned.get(symbol, ZERO)
        balance = case.balances.get(symbol.partition("/")[0], ZERO)
        words = f"{symbol}: recorded {owned}, traded {size}, balance {balance}"
        found.check("trend: its record is what it traded and has", owned == size == balance, words)


def _most_held(case: TrendCase, filled: Sequence[Order], prices: Prices) -> int:
    counts = [len({*_held(case.account, prices, each.accepted_at), each.symbol}) for each in filled if each.buys]
    return max(counts, default=0)
