"""Keeps an account's risk state: trades of the day, profit of copying, stop-outs. Only the executor writes it.

A change by an order is written in the same step as its end, a change by prices at each look. Both hold the booking lock, so
that no look counts a profit as unrealised and as realised at once.

A stop-out may sell everything, so it must never follow from missing data: while a position has no price or cannot be read, the
profit stays as of the last look.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from services.executor.account.balances.traded_prices import TradedPrices
from services.executor.account.books.positions import AccountPositions
from services.executor.account.faults import AccountFaults
from shared.bus.order.orders import OrderStore
from shared.bus.state.records import Records, risk_fields
from shared.contracts.fields import MalformedMessageError
from shared.contracts.risk import read_risk, write_risk
from shared.domain.account import Account
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import StopOutAction, UserPolicy
from shared.domain.limits.risk_state import RiskState, realized_by, utc_minute
from shared.domain.order import Side
from shared.domain.portfolio import RESIDUE, Portfolio
from shared.domain.position import Holdings, Position
from shared.domain.values.money import Money, Price
from shared.domain.values.symbol import Symbol
from shared.execution.totals import delivered_quantity, paid_fee
from shared.venues.port import VenueOrder

_WRITE_EVERY: Final = 10.0
"""Seconds between written looks while only prices change."""
_PRICE_AGE_MS: Final = 60_000
_LOSSES: Final = "losses"
_RISK: Final = "risk state"

log = structlog.get_logger()


class RiskKeeper:
    """The risk state of one account."""

    def __init__(
        self,
        positions: AccountPositions,
        records: Records,
        store: OrderStore,
        clock: Callable[[], int],
        faults: AccountFaults,
        traded: TradedPrices,
    ) -> None:
        self._user = positions.user
        self._venue = positions.venue
        self._positions = positions
        self._records = records
        self._store = store
        self._clock = clock
        self._traded = traded
        self._state: RiskState | None = None
        self._known: tuple[Mapping[str, str], RiskState] | None = None
        """The fields that were written or read last, and what they say."""
        self._as_of = -1
        self._written_at = 0.0
        self._settled = False
        """Whether an order's end has written the state since the last look at a new reading of the account that did."""
        self._faults = faults

    def stopped(self, now: int) -> str:
        """Return why entries are stopped, as of the last look; an empty text if they are not."""
        state = self._state
        if state is None or not state.stopped(now):
            return ""
        return f"stopped out until {utc_minute(state.stopped_until)}: {state.stopped_reason}"

    def closes_all(self, now: int) -> str | None:
        """Return why everything must be closed, if a stop-out in force requires it."""
        state = self._state
        if state is None or not state.stopped(now) or state.stopped_action is not StopOutAction.CLOSE_ALL:
            return None
        return f"until {utc_minute(state.stopped_until)}, {state.stopped_reason}"

    def after_fill(
        self, order: VenueOrder, before: Position, currency: str, written: object
    ) -> Mapping[str, str] | None:
        """Return the state after an order that traded, to be written with its end; None if the present one cannot be read.

        `before` is the position without the order, `written` the state's hash as read. To be called under the booking lock.
        """
        state = self._read(currency, written)
        if state is None:
            return None
        now, self._settled = self._clock(), True
        if order.side is Side.BUY:
            self._state = state.after_fill(now, entry=True)
        else:
            made = realized_by(before, delivered_quantity(order), order.cost, paid_fee(order))
            self._state = state.after_fill(now, realized=Money(made.amount, state.currency))
        return self._changed(self._state, written)

    async def after_removal(
        self, before: Position, left: Position, currency: str, written: object
    ) -> Mapping[str, str] | None:
        """Return the state after a part of a position was found gone: sold or moved by the owner, which is no loss of copying.

        Its profit at the present price counts as realised, so that the removal changes no profit. `written` is the state's hash
        as read. Under the booking lock.
        """
        state = self._read(currency, written)
        published = (await self._records.prices_of(self._venue, [before.symbol])).get(before.symbol)
        if state is None or published is None:
            return None
        price = published[0]  # of any age: the last look valued the position by it
        made = (before.size - left.size) * price - (before.cost - left.cost)
        self._state = state.after_fill(self._clock(), realized=Money(made.amount, state.currency))
        return self._changed(self._state, written)

    async def look(self, policy: UserPolicy, account: Account | None, held: Mapping[Symbol, Position]) -> None:
        """Update the profit of copying; written with each reading of the account, at a stop-out, and at intervals.

        A reading that follows an order's end waits for the interval: the end has just written the state.

        Raises LeaseLost, BusUnavailable.
        """
        fresh = account is not None and account.as_of != self._as_of
        stopped_before = self._state is not None and self._state.stopped(self._clock())
        due = time.monotonic() - self._written_at >= _WRITE_EVERY
        new = fresh and (due or not self._settled)
        if not new and not (held and policy.limits.stop_out) and not stopped_before:
            return
        async with self._positions.booking:
            books = await self._positions.recent()
            holdings = books.holdings()
            state = self._read(policy.currency, books.risk)
            if state is None:
                return
            lifted = await self._is_lifted(state)
            if lifted:
                state = state.lifted()
            unrealized = await self._unrealized(state, policy.currency, holdings)
            equity = account.equity if fresh and account is not None else None
            after = state.at(self._clock(), unrealized, equity, policy.limits)
            stopped = after.stopped_by != state.stopped_by and after.stopped_until > self._clock()
            self._state = after
            writes = stopped or lifted or due or new
            if writes:
                fields = self._fields(after)
                await self._store.write_risk(fields, self._entry(after) if stopped else None)
                self._positions.recorded.wrote(books, risk=fields)
                self._written_at, self._settled = time.monotonic(), self._settled and not fresh
        if account is not None and writes:
            self._as_of = account.as_of
        if lifted:
            log.warning("stop-out lifted by an operator", user=self._user, venue=self._venue)
        if stopped:
            log.warning(
                "STOPPED OUT", user=self._user, until=utc_minute(after.stopped_until), reason=after.stopped_reason
            )

    async def _is_lifted(self, state: RiskState) -> bool:
        """Return whether an operator has ended exactly this stop-out."""
        if not state.stopped(self._clock()):
            return False
        return await self._records.lift_request(self._user, self._venue) == str(state.stopped_until)

    def _entry(self, state: RiskState) -> Mapping[str, str]:
        return {
            "v": "1",
            "user": self._user,
            "venue": self._venue,
            "rules": ",".join(state.stopped_by),
            "action": state.stopped_action or "",
            "reason": state.stopped_reason,
            "at": str(self._clock()),
            "until": str(state.stopped_until),
        }

    async def _unrealized(self, state: RiskState, currency: str, holdings: Holdings) -> Money:
        """Return the value of what is held from copying, less its cost; as of the last look while a part cannot be valued."""
        prices = await self._prices(holdings.positions)
        missing = [
            f"no price of {symbol}"
            for symbol, position in holdings.positions.items()
            if symbol not in prices and position.cost.amount >= RESIDUE
        ]
        missing += [f"the position of {name} cannot be read" for name in holdings.unreadable]
        if missing:
            reason = f"losses cannot be measured: {', '.join(missing)}"
            if self._faults.report(FaultKind.EQUITY, reason, _LOSSES):
                log.warning("no stop-out is looked for", user=self._user, reason=reason)
            return Money((state.pnl - state.realized).amount, currency)
        self._faults.clear(FaultKind.EQUITY, _LOSSES)
        return Portfolio(holdings.positions, prices).unrealized(currency)

    async def _prices(self, positions: Mapping[Symbol, Position]) -> Mapping[Symbol, Price]:
        """Read the prices of positions: fresh ones, or of any age after the position's last fill.

        A failing feed must change no profit: the last price counts on. A price from before the last fill gives way to the fill's.
        """
        oldest = self._clock() - _PRICE_AGE_MS
        published = await self._records.prices_of(self._venue, list(positions))
        return {
            symbol: price
            for symbol, (price, at) in self._traded.among(published, positions).items()
            if at >= min(oldest, positions[symbol].updated_at)
        }

    def _changed(self, state: RiskState, written: object) -> Mapping[str, str]:
        """Return the fields of a state that differ from those that were read: an order changes a few."""
        before = risk_fields(written)
        return {name: value for name, value in self._fields(state).items() if before.get(name) != value}

    def _fields(self, state: RiskState) -> Mapping[str, str]:
        fields = write_risk(state)
        self._known = (fields, state)
        return fields

    def _read(self, currency: str, written: object) -> RiskState | None:
        found: RiskState | None = None
        fields = risk_fields(written)
        try:
            if fields:
                if self._known is None or self._known[0] != fields:
                    self._known = (dict(fields), read_risk(fields))  # a copy: the books in memory are changed
                found = self._known[1]
        except MalformedMessageError as error:
            # The record is left as it is: the engine skips entries meanwhile, and a stop-out in it must not be erased.
            if self._faults.report(FaultKind.RECORD, f"the risk state cannot be read: {error}", _RISK):
                log.error("the risk state cannot be read", user=self._user, reason=str(error))
            return None
        self._faults.clear(FaultKind.RECORD, _RISK)
        # A Redis that lost its data does not lift a stop-out that this process remembers.
        return found or self._state or RiskState.fresh(currency, self._clock())
