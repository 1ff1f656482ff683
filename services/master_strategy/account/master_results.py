"""Keeps the sums of what the master has traded, and samples its equity each minute: what users are compared with.

The sums are a fold over the signals, with the entry id of the last one beside them, written in one step: a process that dies
anywhere goes on from there. A fee that was taken in the coin is not in a signal: it shows as a difference between the sums and
the position. It decides nothing, and no signal waits for it.
"""

from __future__ import annotations

from typing import Final

import structlog

from services.master_strategy.clock import Clock
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.flow.streams import Entry
from shared.bus.order.orders import OrderStore
from shared.bus.state.equity_samples import EquitySamples
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.contracts.trade_totals import CONTENTS, CURSOR, write_totals
from shared.domain.account import MASTER
from shared.domain.position import Position
from shared.domain.signal import Signal
from shared.domain.trade_totals import Fill, TradeTotals
from shared.domain.values.money import ZERO
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.read_results import parse_totals
from shared.ledger.performance.sampling import is_current, read_sample
from shared.ledger.reading import entries, stream_extents

_EVERY: Final = 5.0
"""Seconds between looks for new signals and for a minute without a sample."""

_log = structlog.get_logger(__name__)


class MasterResults:
    """The sums and samples of one account of the master's."""

    def __init__(
        self, bus: Bus, store: OrderStore, venue: str, clock: Clock, currency: str, owner: str = MASTER
    ) -> None:
        self._bus = bus
        self._store = store
        self._venue = venue
        self._clock = clock
        self._currency = currency
        self._owner = owner
        self._samples = EquitySamples(bus, owner, venue)
        self._failed = ""

    async def run(self) -> None:
        """Run until cancelled. Raises LeaseLost, BusUnavailable."""
        while True:
            try:
                await self.add_signals()
                await self.sample()
                self._failed = ""
            except ENDS_A_TURN:
                raise
            except (BusRefused, ArithmeticError, ValueError) as error:  # the master's trading does not depend on it
                if str(error) != self._failed:
                    _log.warning("the master's results are not kept", venue=self._venue, reason=str(error))
                self._failed = str(error)
            await self._clock.sleep(_EVERY)

    async def add_signals(self) -> None:
        """Add the signals since the cursor to the sums. Raises LeaseLost, BusUnavailable."""
        written = pairs(await self._bus.do("HGETALL", keys.totals(self._owner, self._venue)))
        cursor, contents = written.get(CURSOR, ""), written.get(CONTENTS, "")
        sums, _ = parse_totals([part for pair in written.items() for part in pair])
        if not cursor:
            sums, contents = {}, await self._begin()
        changed: dict[Symbol, TradeTotals] = {}
        async for entry in entries(self._bus, keys.SIGNALS, cursor):
            cursor = entry.id
            signal = _readable(entry)
            if signal is not None and (signal.owner, signal.venue) == (self._owner, self._venue):
                changed[signal.symbol] = sums[signal.symbol] = plus_signal(
                    sums.get(signal.symbol) or TradeTotals(signal.symbol), signal
                )
        if cursor and cursor != written.get(CURSOR, ""):
            fields = {str(symbol): write_totals(each) for symbol, each in changed.items()}
            await self._store.write_totals({**fields, CONTENTS: contents, CURSOR: cursor})

    async def sample(self) -> None:
        """Write a sample of the equity if one is due. Raises BusUnavailable."""
        now = self._clock.now()
        if not self._samples.due(now):
            return
        (account,) = await Records(self._bus).accounts([(self._owner, self._venue)])
        if account is not None and is_current(account, now):
            why = await self._samples.add(await read_sample(self._bus, account, self._currency), now)
            if why:
                raise BusRefused(why)

    async def _begin(self) -> str:
        """Return since when signals are in the sums that begin now."""
        (extent,) = await stream_extents(self._bus, [keys.SIGNALS])
        return str(extent.first[0]) if extent.removed and extent.first else "0"


def plus_signal(sums: TradeTotals, signal: Signal) -> TradeTotals:
    """Return the sums after a signal, against the position that its predecessors left."""
    at = signal.filled_at
    before = Position(signal.symbol, sums.expected_size, sums.expected_cost, at, at)
    fee = ZERO if signal.fee is None else signal.fee.amount
    fill = Fill(signal.side, signal.base_size.amount, signal.quote_size.amount, fee, ZERO)
    after = before.sold(signal.base_size, at)  # a purchase sums up without it
    return sums.after(fill, before, after, at).ended()


def _readable(entry: Entry) -> Signal | None:
    try:
        return SignalMessage.parse(entry.fields).to_domain()
    except MalformedMessageError:
        return None
