"""Finds the report that belongs to a fill of the master, and spreads that of a mirrored order over the fills that it copies.

A mirrored order has one report for everything that the master's order filled. Each of the master's fills gets its share of it
by size; the last one gets what rounding leaves, so that the shares add up to the report exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from shared.domain.mirror import mirror_id
from shared.domain.reason import ReasonCode
from shared.domain.values.money import ZERO
from shared.ledger.statement.parts.books import NOT_TRADED, Traded
from shared.ledger.statement.parts.exact import exactly, in_proportion
from shared.ledger.statement.records.material import Copied, Ending


@dataclass(frozen=True, slots=True)
class Allotment:
    """The report of each copy, and its share of a report that covers several."""

    _by_signal: Mapping[str, Ending]
    _shares: Mapping[str, Traded]
    _mirrored: Mapping[str, str]
    """The id of the mirrored order, by the signal of each fill that it copies."""

    def of(self, each: Copied) -> Ending | None:
        """Return the report on a copy; None if there is none in the period.

        While a mirrored order has none, it is that on the fill alone, which says that the order is mirrored.
        """
        own = self._by_signal.get(each.signal.id)
        return self._by_signal.get(self._mirrored.get(each.signal.id, ""), own)

    def mirrored(self, each: Copied) -> bool:
        """Return whether a fill was copied by a mirrored order that has its report."""
        return each.signal.id in self._shares

    def share_of(self, each: Copied, ending: Ending | None) -> Traded:
        """Return what was traded for one fill of the master."""
        if ending is None or ending.trade is None:
            return NOT_TRADED
        return self._shares.get(each.signal.id) or traded(ending)


def allot(copied: Sequence[Copied], endings: Sequence[Ending]) -> Allotment:
    """Match the reports with the fills that they copy."""
    by_signal = {each.signal_id: each for each in endings if each.signal_id}
    groups: dict[str, list[Copied]] = {}
    ids: dict[str, str] = {}
    for each in copied:
        if _is_mirrored(each, by_signal.get(each.signal.id)):
            ids[each.signal.id] = mirror_id(each.signal.venue, each.signal.master_order_id)
            groups.setdefault(ids[each.signal.id], []).append(each)
    shares: dict[str, Traded] = {}
    for mirrored, fills in groups.items():
        ending = by_signal.get(mirrored)
        if ending is not None:
            shares |= _spread(traded(ending), fills)
    return Allotment(by_signal, shares, ids)


def traded(ending: Ending) -> Traded:
    """Return what an order traded; nothing if it filled nothing."""
    trade = ending.trade
    if trade is None:
        return NOT_TRADED
    return Traded(trade.size.amount, trade.cost.amount, trade.fee.amount, trade.base_fee.amount)


def _spread(whole: Traded, fills: Sequence[Copied]) -> dict[str, Traded]:
    found: dict[str, Traded] = {}
    with exactly():
        size = sum((each.signal.base_size.amount for each in fills), ZERO)
        left = whole
        for each in fills[:-1]:
            part = each.signal.base_size.amount
            share = Traded(*(in_proportion(amount, part, size) for amount in _amounts(whole)))
            found[each.signal.id] = share
            left = Traded(*(one - other for one, other in zip(_amounts(left), _amounts(share), strict=True)))
        found[fills[-1].signal.id] = left
    return found


def _amounts(traded: Traded) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    return traded.size, traded.gross, traded.fee, traded.base_fee


def _is_mirrored(each: Copied, own: Ending | None) -> bool:
    """Return whether a fill is copied by a mirrored order: the executor says so when it passes the fill over."""
    code = each.decision.code if own is None else own.code
    return code == ReasonCode.MIRRORED and (own is None or own.trade is None)
