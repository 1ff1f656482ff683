"""Sizes the legs of a mirrored order: what rests, what catches up, and the bounds of both.

It must never size more than the user's share of the master's order, nor a sale of more than is held from copying and not already
on sale.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from services.executor.account.context import AccountContext
from services.executor.orders.admission import Admission
from services.executor.orders.exit_price import bound
from shared.domain.mirror import Mirror
from shared.domain.order import Kind, Side
from shared.domain.position import MAIN
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Price, Quantity
from shared.execution.leg import Leg, TrackedOrder
from shared.execution.record import OrderRecord

RESTING = "resting"
"""Field of the order's record: whether its last leg was one that rests."""
TERMS = "terms"
"""Field of the order's record: the version of the terms of its last resting leg."""

SELLING_REST = "selling_rest"
"""Field of the order's record: whether its rest is being sold as an exit, since the master's order has ended."""


@dataclass(frozen=True, slots=True)
class NotYet:
    """No leg can be sized now; why."""

    reason: str


def tracked(mirror: Mirror, *, rests: bool, terms: int) -> TrackedOrder:
    """Return the order of a mirrored one as its record identifies it; `terms` is the version of its last resting leg."""
    more = {RESTING: "yes" if rests else "no", TERMS: str(terms), "master_order_id": mirror.master_order_id}
    return replace(TrackedOrder.of(mirror.decision, ""), more=more)


def scaled(mirror: Mirror, held: Decimal) -> Mirror:
    """Return a mirrored sale sized by what is held from copying; the same object for one that is sized, or of nothing."""
    copy = mirror.decision.copy
    if mirror.scale is not None or copy is None or copy.fraction is None or held <= 0:
        return mirror
    return replace(mirror, scale=held * min(copy.fraction, ONE) / mirror.master_size)


class LegSizes:
    """Sizes the legs of one account's mirrored orders."""

    def __init__(self, context: AccountContext, admission: Admission) -> None:
        self._context = context
        self._admission = admission

    async def resting(
        self, mirror: Mirror, number: int, filled: Decimal, on_sale: Decimal, instrument: Instrument
    ) -> Leg | Skip | NotYet:
        """Size the leg that rests next. `on_sale` is what other legs of the symbol have on sale. Raises MalformedMessageError."""
        symbol = mirror.decision.symbol
        limit = _floored(mirror, instrument)
        rest = mirror.target - filled
        if mirror.decision.kind is Kind.EXIT:
            held = await self._context.positions.book(symbol, MAIN)
            free = (held.size.amount if held else ZERO) - on_sale
            if free <= 0:
                return NotYet("nothing is held from copying that is not on sale")
            rest = min(rest, free)
        size = Quantity(max(rest, ZERO), symbol.base).floored(instrument.lot_step)
        if limit.amount <= 0:
            return Skip(f"its limit is below one tick of {instrument.tick}", ReasonCode.BELOW_MINIMUM)
        if missed := instrument.below_minimum(size, limit):
            return NotYet(f"below venue minimum: {missed}")
        if mirror.decision.kind is Kind.ENTRY:
            admitted = await self._admission.admit(self._context.policy, mirror.decision, size, limit, instrument)
            if isinstance(admitted, Skip):
                return admitted
            size = admitted.size
        order = tracked(mirror, rests=True, terms=mirror.terms_version)
        target = Quantity(filled, symbol.base) + size
        return Leg(order, number, size, limit, target, rests=True, post_only=mirror.post_only)

    async def late_entry(
        self, mirror: Mirror, number: int, filled: Decimal, terms: int, instrument: Instrument
    ) -> Leg | Skip:
        """Size the one immediate purchase with which an entry catches up: at most the master's limit and the user's slippage."""
        symbol, policy = mirror.decision.symbol, self._context.policy
        size = Quantity(mirror.due - filled, symbol.base).floored(instrument.lot_step)
        limit = (
            Price(mirror.limit_price.amount, symbol).shifted(policy.guards.max_slippage_bps).floored(instrument.tick)
        )
        if missed := instrument.below_minimum(size, limit):
            return Skip(f"below venue minimum: {missed}", ReasonCode.BELOW_MINIMUM)
        admitted = await self._admission.admit(policy, mirror.decision, size, limit, instrument)
        if isinstance(admitted, Skip):
            return admitted
        order = tracked(mirror, rests=False, terms=terms)
        return Leg(order, number, admitted.size, limit, Quantity(filled, symbol.base) + admitted.size)

    async def late_sale(
        self,
        mirror: Mirror,
        record: OrderRecord,
        terms: int,
        on_sale: Decimal,
        instrument: Instrument,
        price: Price,
        tries: int,
    ) -> Leg | NotYet:
        """Size an immediate sale of what the master has sold and the user has not. Raises MalformedMessageError."""
        symbol = mirror.decision.symbol
        held = await self._context.positions.book(symbol, MAIN)
        free = (held.size.amount if held else ZERO) - on_sale
        most = min(mirror.due - record.filled, free)
        size = Quantity(max(most, ZERO), symbol.base).floored(instrument.lot_step)
        if missed := instrument.below_minimum(size, price):
            return NotYet(f"below venue minimum: {missed}")
        limit = bound(price, instrument, self._context.policy.guards.exit_slippage_bps, 1, tries)
        order = tracked(mirror, rests=False, terms=terms)
        return Leg(order, record.leg, size, limit, Quantity(record.filled, symbol.base) + size)


def _floored(mirror: Mirror, instrument: Instrument) -> Price:
    """Return the limit on the tick, on the safe side: a purchase pays no more than the master's limit, a sale takes no less."""
    limit = mirror.limit_price
    return limit.floored(instrument.tick) if mirror.decision.side is Side.BUY else limit.ceiled(instrument.tick)
