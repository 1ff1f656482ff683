"""What other decisions would have changed in money: an estimate at the prices that were recorded. Pure.

An entry that would have been smaller is taken to have filled in proportion, at its own price. One that was not made is taken to
have filled at the master's price with the account's fee. An exit sells the same share of what is held, at its own price. What is
left is valued at the last price that the period has of its symbol. What was held before the period counts on neither side.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from shared.contracts.messages import ReportMessage
from shared.domain.order import Kind
from shared.domain.values.money import ONE, ZERO
from shared.domain.values.symbol import Symbol
from shared.what_if.rejudging import Rejudged


@dataclass(slots=True)
class Effect:
    """Counts of trades, and the profit by currency: as it was, and as it would have been. Amounts with fees."""

    entries_not_made: int = 0
    entries_added: int = 0
    entries_smaller: int = 0
    entries_larger: int = 0
    exits_smaller: int = 0
    exits_larger: int = 0
    profit: dict[str, Decimal] = field(default_factory=dict)
    changed_profit: dict[str, Decimal] = field(default_factory=dict)


@dataclass(slots=True)
class _Side:
    """One history of a symbol: what is held, and what has been received less what was paid."""

    held: Decimal = ZERO
    received: Decimal = ZERO


@dataclass(slots=True)
class _Ledger:
    """One symbol at one venue, in one master's book: as it was, and as it would have been."""

    was: _Side = field(default_factory=_Side)
    would: _Side = field(default_factory=_Side)
    price: Decimal = ZERO
    fee: Decimal = ZERO


def estimate_effect(rejudged: Iterable[Rejudged], reports: Iterable[ReportMessage], end: int | None = None) -> Effect:
    """Walk through all trades of the period in the order in which they settled, until before `end` (epoch ms).

    Trades of which no decision was judged, such as the user's own exits, are on both sides: an entry as it was, an exit with the
    same share of what is held.
    """
    by_order = {each.before.id: each for each in rejudged}
    effect = Effect()
    ledgers: dict[tuple[str, Symbol, str], _Ledger] = {}
    begin = min((each.recorded.at for each in by_order.values()), default=0)
    ended = [
        report
        for report in reports
        if report.order_id in by_order or begin <= report.settled_at < (math.inf if end is None else end)
    ]
    events: list[tuple[int, ReportMessage | None, Rejudged | None]] = [
        (report.settled_at, report, by_order.get(report.order_id)) for report in ended
    ]
    reported = {report.order_id for report in ended}
    events += [(each.recorded.at, None, each) for name, each in by_order.items() if name not in reported]
    for _, report, each in sorted(events, key=lambda event: event[0]):
        place = (report.venue, report.symbol, report.master) if report else _place(each)
        ledger = ledgers.setdefault(place, _Ledger())
        if each is None and report is not None and report.kind is Kind.ENTRY:
            _enter_both(ledger, report)
        elif each is not None and each.recorded.is_entry:
            _enter(ledger, report, each, effect)
        else:
            _leave(ledger, report, each, effect)
    for (_, symbol, _), ledger in ledgers.items():
        for side, profit in ((ledger.was, effect.profit), (ledger.would, effect.changed_profit)):
            profit[symbol.quote] = profit.get(symbol.quote, ZERO) + side.received + side.held * ledger.price
    return effect


def _place(each: Rejudged | None) -> tuple[str, Symbol, str]:
    assert each is not None  # noqa: S101  # an event is a report, a decision, or both
    return each.before.venue, each.before.symbol, each.before.master


def _enter_both(ledger: _Ledger, report: ReportMessage) -> None:
    filled, paid = _fill(report)
    if filled:
        ledger.price = _price(report) or ledger.price
        for side in (ledger.was, ledger.would):
            side.held += filled
            side.received -= paid


def _enter(ledger: _Ledger, report: ReportMessage | None, each: Rejudged, effect: Effect) -> None:
    before, after = each.before.copy, each.after.copy
    account = each.recorded.inputs.account
    ledger.fee = account.taker_fee if account is not None else ledger.fee
    filled, paid = _fill(report)
    if filled:
        ledger.price = _price(report) or ledger.price
        ledger.was.held += filled
        ledger.was.received -= paid
    if before is not None and after is not None and before.base_size and after.base_size:
        ratio = after.base_size.amount / before.base_size.amount
        effect.entries_smaller += ratio < ONE
        effect.entries_larger += ratio > ONE
        ledger.would.held += filled * ratio
        ledger.would.received -= paid * ratio
    elif before is not None:
        effect.entries_not_made += 1
    elif after is not None and after.base_size is not None:
        effect.entries_added += 1
        price = each.recorded.signal.price.amount
        ledger.price = price
        ledger.would.held += after.base_size.amount
        ledger.would.received -= after.base_size.amount * price * (ONE + ledger.fee)


def _leave(ledger: _Ledger, report: ReportMessage | None, each: Rejudged | None, effect: Effect) -> None:
    sold, received = _fill(report)
    was, would = ledger.was, ledger.would
    if sold and was.held > 0:
        ledger.price = _price(report) or ledger.price
        own = min(sold, was.held)
        share = own / was.held
        part = would.held * share
        effect.exits_smaller += part < own
        effect.exits_larger += part > own
        was.held -= own
        was.received += received * own / sold
        would.held -= part
        would.received += received * part / sold
    elif each is not None and was.held <= 0 < would.held and each.after.copy is not None:
        # Nothing was held, so nothing was sold: it would have been, at the master's price.
        price = each.recorded.signal.price.amount
        ledger.price = price
        part = would.held * (each.after.copy.fraction or ONE)
        effect.exits_larger += 1
        would.held -= part
        would.received += part * price * (ONE - ledger.fee)


def _price(report: ReportMessage | None) -> Decimal:
    """Return the average price of a report's fill; zero if nothing filled."""
    return ZERO if report is None or report.average_price is None else report.average_price


def _fill(report: ReportMessage | None) -> tuple[Decimal, Decimal]:
    """Return what filled in base, and what was paid or received for it in quote, with the fee."""
    if report is None or not report.filled_size:
        return ZERO, ZERO
    cost = report.filled_size * _price(report) if report.cost is None else report.cost
    fee = report.fee or ZERO
    return report.filled_size, cost + fee if report.kind is Kind.ENTRY else cost - fee


def profits(effect: Effect) -> Mapping[str, tuple[Decimal, Decimal]]:
    """Return the profit as it was and as it would have been, by currency."""
    names = sorted({*effect.profit, *effect.changed_profit})
    return {name: (effect.profit.get(name, ZERO), effect.changed_profit.get(name, ZERO)) for name in names}
