"""The sums of what an account has traded: what a fill changes in them. They are written in the same step as the position.

They are for people and decide nothing: no order may fail or wait because of them. Sums that cannot be read are left as they are
and reported; `ops pnl --check` finds what is missing.
"""

from __future__ import annotations

from services.executor.account.faults import AccountFaults
from shared.bus.order.book_changes import TotalsChange
from shared.contracts.fields import MalformedMessageError
from shared.contracts.trade_totals import read_totals, write_totals
from shared.domain.fault import FaultKind
from shared.domain.position import Position
from shared.domain.trade_totals import Fill, TradeTotals
from shared.domain.values.symbol import Symbol
from shared.execution.totals import base_fee, paid_fee
from shared.venues.port import VenueOrder


def sums_after(
    faults: AccountFaults, written: object, order: VenueOrder, before: Position, held: Position, at: int, *, ends: bool
) -> TotalsChange | None:
    """Return the sums after a fill that changed the position from `before` to `held`; None if they cannot be read.

    `written` is the record as Redis answers it, `ends` whether the fill is the last one of its order.
    """
    sums = _read(faults, written, order.symbol)
    if sums is None:
        return None
    fill = Fill(order.side, order.filled.amount, order.cost.amount, paid_fee(order).amount, base_fee(order).amount)
    after = sums.after(fill, before, held, at)
    return _change(after.ended() if ends else after)


def sums_after_end(faults: AccountFaults, written: object, symbol: Symbol) -> TotalsChange | None:
    """Return the sums after the end of an order whose fills were all added before; None if they cannot be read."""
    sums = _read(faults, written, symbol)
    return None if sums is None else _change(sums.ended())


def _read(faults: AccountFaults, written: object, symbol: Symbol) -> TradeTotals | None:
    subject = f"sums of {symbol}"
    try:
        found = read_totals(str(written)) if written else TradeTotals(symbol)  # an error reply is no record either
    except MalformedMessageError as error:
        faults.report(FaultKind.RECORD, f"they cannot be read, trades are not added: {error}", subject)
        return None
    faults.clear(FaultKind.RECORD, subject)
    return found


def _change(sums: TradeTotals) -> TotalsChange:
    return TotalsChange(str(sums.symbol), write_totals(sums))
