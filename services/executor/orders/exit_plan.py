"""Sizes the next leg of an exit, from what is held, what the venue takes and what the account has.

It must never size more than is held from copying for the master whose exit it is, nor what an order that was set aside may have
sold.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Final

import structlog

from services.executor.account.books.positions import AccountPositions
from services.executor.account.books.renaming import is_unlisted
from services.executor.account.faults import AccountFaults
from services.executor.orders.exit_price import bound
from services.executor.orders.exit_progress import ExitProgress
from services.executor.orders.set_aside import Postponement, SetAside
from shared.bus.order.orders import OrderStore
from shared.contracts.fields import MalformedMessageError
from shared.domain.exits import ExitSize, size_exit
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import GuardPolicy
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Price, Quantity, plain
from shared.domain.values.symbol import Symbol
from shared.execution.leg import Leg, TrackedOrder
from shared.execution.record import OrderRecord
from shared.venues.errors import VenueError
from shared.venues.port import Venue, VenueOrder

NOTHING_HELD: Final = "nothing is held from copying"
BLANK: Final = OrderRecord.read({})
_FRESH_MS: Final = 10_000
"""Published prices younger than this count as the present price."""

log = structlog.get_logger()


class ExitPlanner:
    """Sizes the exits of one account."""

    def __init__(
        self,
        positions: AccountPositions,
        aside: SetAside,
        faults: AccountFaults,
        venue: Venue,
        store: OrderStore,
        clock: Callable[[], int],
    ) -> None:
        self._positions = positions
        self._aside = aside
        self._faults = faults
        self._venue = venue
        self._store = store
        self._clock = clock

    async def next_leg(
        self, decision: Decision, fraction: Decimal, entry_id: str, progress: ExitProgress, *, guards: GuardPolicy
    ) -> Leg | Skip | None:
        """Size the next leg; a Skip when nothing (more) can be sold, None when the venue could not be asked.

        `guards` say how far below the price a bounded leg may sell. Raises Postponement if all that is left may have been sold by
        an order that was set aside.
        """
        symbol = decision.symbol
        begun = progress.begun or progress.suspect
        record = OrderRecord.read(await self._store.load(decision.id)) if begun else BLANK
        try:
            position, published = await self._positions.with_price(symbol)
        except MalformedMessageError as error:
            self.report_unreadable(decision, error)
            return None
        position = None if position is None else position.book(decision.master)
        if position is None or position.size.amount == 0:
            return Skip(NOTHING_HELD, ReasonCode.NOTHING_HELD)
        free = self._aside.sellable(decision, position.size)
        if held_back := free < position.size:
            position = position.sold(position.size - free, self._clock())
        try:
            instrument = (await self._venue.instruments()).get(symbol)
            price = await self._price(symbol, published)
            spot = await progress.funds.look(self._venue, symbol.base)
        except VenueError as error:
            progress.last = str(error)
            return None
        if instrument is None or price is None:
            progress.last = f"{symbol} is not traded on {decision.venue} just now"
            with suppress(VenueError):
                await is_unlisted(self._venue, self._faults, symbol)
            return None
        has = progress.funds.has
        if record.target is None:
            close = size_exit(position, fraction, instrument, price, has=has)
        else:
            close = _rest(record, position.size, instrument, price, has)
        if isinstance(close, Skip) and held_back:
            raise Postponement
        if isinstance(close, Skip):
            return close
        rest = position.size - close.size
        progress.sized = True
        progress.dust = rest if rest.amount > 0 and instrument.below_minimum(rest, price) else None
        target = record.filled + close.size.amount if record.target is None else record.target
        if (left := progress.funds.without_crumb(close.size, spot, instrument, price)) is not None:
            target -= (close.size - left).amount
            close = ExitSize(left, close.reason)
        masters = self._masters_bound(decision, guards)
        limit = bound(price, instrument, guards.exit_slippage_bps, record.leg, progress.refusals, masters)
        order = TrackedOrder.of(decision, entry_id)
        return Leg(order, record.leg, close.size, limit, Quantity(target, symbol.base))

    def _masters_bound(self, decision: Decision, guards: GuardPolicy) -> Price | None:
        """Return the bound by the master's price at another venue, while that is fresh and of this very symbol."""
        limit = None if decision.copy is None else decision.copy.limit_price
        if limit is None or limit.symbol != decision.symbol:
            return None
        return limit if self._clock() - decision.signal_at <= guards.max_signal_age_ms else None

    async def dust_after(self, sale: VenueOrder, master: str) -> Quantity | None:
        """Return what a sale that is not booked yet leaves of a master's book if that is below the venue's minimum; else None."""
        price = sale.average_price
        try:
            position = await self._positions.of(sale.symbol)
            instrument = (await self._venue.instruments()).get(sale.symbol)
        except (MalformedMessageError, VenueError):
            return None  # only needed for the report
        if position is None or instrument is None or price is None:
            return None
        held = position.book(master).size
        if held <= sale.filled:
            return None
        rest = held - sale.filled
        return rest if instrument.below_minimum(rest, price) else None

    def report_unreadable(self, decision: Decision, error: MalformedMessageError) -> None:
        """Report that an exit waits because its position cannot be read: it must not sell what Shoal did not buy."""
        symbol = decision.symbol
        reason = f"the record cannot be read, and an exit waits for it: {error}"
        if self._faults.report(FaultKind.RECORD, reason, f"position {symbol}"):
            log.error(
                "an exit waits: the position cannot be read",
                signal_id=decision.signal_id,
                user=self._positions.user,
                symbol=str(symbol),
                reason=str(error),
            )

    async def _price(self, symbol: Symbol, known: tuple[Price, int] | None) -> Price | None:
        """Return the present price: the shared feed's if fresh, else the venue's, else the last published one."""
        if known is not None and self._clock() - known[1] <= _FRESH_MS:
            return known[0]
        try:
            asked = (await self._venue.prices([symbol])).get(symbol)
        except VenueError:
            if known is None:
                raise
            asked = None
        return asked or (known[0] if known else None)


def _rest(
    record: OrderRecord, held: Quantity, instrument: Instrument, price: Price, has: Quantity | None
) -> ExitSize | Skip:
    """Size the rest of an exit after its first leg: never above what is held now."""
    wanted = max((record.target or ZERO) - record.filled, ZERO)
    most = min(wanted, held.amount) if has is None else min(wanted, held.amount, has.amount)
    size = Quantity(most, held.asset).floored(instrument.lot_step)
    if missed := instrument.below_minimum(size, price):
        return Skip(f"dust: {missed} (the rest of an exit of {plain(record.target or ONE)})", ReasonCode.DUST)
    return ExitSize(size, f"the rest: {size}")
