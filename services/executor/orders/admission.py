"""The limits once more, right before an entry is sent: as of now, and including entries that have not settled yet.

The engine judged the entry by what was recorded when it decided: two signals in quick succession would both find the room that is
there for one. Here each admitted entry reserves its room until it has ended; by then its cost has been taken off the cash, before
the balances are read again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.books.positions import AccountPositions
from services.executor.account.keys.key_doctor import KeyDoctor
from shared.bus.state.records import Records, risk_fields
from shared.contracts.fields import MalformedMessageError
from shared.contracts.risk import read_risk
from shared.domain.account import Account
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk import AccountSnapshot, AllowedSize, admit, balance_unknown
from shared.domain.limits.risk_state import RiskState, utc_day
from shared.domain.order import Decision
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol

_EMPTY: Final = Portfolio()
_HOLD_LAG_MS: Final = 10_000
"""How long after an order was taken a balance is read that certainly lacks what it holds."""


@dataclass(frozen=True, slots=True)
class _Reservation:
    symbol: Symbol
    master: str
    size: Quantity
    cost: Money
    fee: Decimal
    """The taker fee of its pair."""
    held_since: int | None = None
    """When (epoch ms) the venue had taken it as an order that rests: balances read later are less by what it holds."""


class Admission:
    """The entries of one account that have been admitted and have not ended, and the room that they leave."""

    def __init__(
        self,
        account: AccountKeeper,
        positions: AccountPositions,
        records: Records,
        clock: Callable[[], int],
        doctor: KeyDoctor | None = None,
    ) -> None:
        self._account = account
        self._positions = positions
        self._records = records
        self._clock = clock
        self._doctor = doctor
        self._lock = asyncio.Lock()
        self._reserved: dict[str, _Reservation] = {}

    async def admit(
        self,
        policy: UserPolicy,
        decision: Decision,
        size: Quantity,
        limit: Price,
        instrument: Instrument,
        scale: Decimal = ONE,
    ) -> AllowedSize | Skip:
        """Admit an entry in full, reduced, or not at all; what is admitted stays reserved until `release`.

        `scale` is the share of the entry's stage, by which the limits are scaled.
        """
        if self._doctor is not None and (unchecked := self._doctor.refusal()) is not None:
            return unchecked
        async with self._lock:
            self._reserved.pop(decision.id, None)
            others = list(self._reserved.values())  # before the records are read, so that no entry is missed in between
            try:
                standing = await self._standing(policy, decision, others)
            except MalformedMessageError as error:
                return Skip(f"limits cannot be judged: {error}", ReasonCode.RECORD_UNREADABLE)
            if standing is None:
                return balance_unknown("")
            found = admit(size, limit, policy, standing, instrument, self._clock(), scale, master=decision.master)
            if isinstance(found, AllowedSize):
                self.reserve(decision, found.size, limit)
            return found

    def reserve(self, decision: Decision, size: Quantity, limit: Price) -> None:
        """Reserve the room of an entry that may have been sent."""
        fee = self._account.fees.of(decision.symbol)
        self._reserved[decision.id] = _Reservation(decision.symbol, decision.master, size, size * limit, fee)

    def held_at_venue(self, decision: Decision, since: int) -> None:
        """Note that the venue holds the cost of an order that rests since then (epoch ms): it must not be subtracted twice."""
        if (known := self._reserved.get(decision.id)) is not None and known.held_since is None:
            self._reserved[decision.id] = replace(known, held_since=since)

    def release(self, decision: Decision) -> None:
        """Release the room: the entry has ended, and what it bought is recorded."""
        self._reserved.pop(decision.id, None)

    async def _standing(
        self, policy: UserPolicy, decision: Decision, others: Sequence[_Reservation]
    ) -> AccountSnapshot | None:
        limits = policy.limits
        account = self._account.after_trades()
        if account is None:
            return None
        account = _less(account, decision.symbol.quote, others, self._account.answered_at)
        account = account._replace(taker_fee=self._account.fees.of(decision.symbol))
        book = _EMPTY
        shared = policy.followed_master(decision.master) is not None
        if limits.need_positions or shared:
            held = _with(others, await self._positions.readable(), self._clock())
            prices = (
                await self._records.prices_of(self._positions.venue, list(held)) if limits.need_prices or shared else {}
            )
            book = Portfolio(held, {symbol: price for symbol, (price, _) in prices.items()})
        else:
            await self._readable(decision.symbol)
        risk = await self._risk(policy.currency, len(others)) if limits.need_risk else None
        return AccountSnapshot(account, book, risk)

    async def _readable(self, symbol: Symbol) -> None:
        """Check that the position to which a purchase is added can be read. Raises MalformedMessageError."""
        try:
            (await self._positions.recent()).position(str(symbol))
        except MalformedMessageError as error:
            raise MalformedMessageError(f"the position of {symbol} cannot be read: {error}") from None

    async def _risk(self, currency: str, unsettled: int) -> RiskState:
        now = self._clock()
        fields = risk_fields((await self._positions.recent()).risk)
        found = read_risk(fields) if fields else RiskState.fresh(currency, now)
        return replace(found, day=utc_day(now), trades_today=found.trades_on(now) + unsettled)


def _with(others: Iterable[_Reservation], held: Mapping[Symbol, Position], now: int) -> Mapping[Symbol, Position]:
    """Add the reserved entries to what is held, as if all of them had filled."""
    positions = dict(held)
    for each in others:
        before = positions.get(each.symbol) or Position.flat(each.symbol, now)
        book = before.book(each.master).bought(each.size, each.cost, now)
        positions[each.symbol] = before.with_book(each.master, book)
    return positions


def _less(account: Account, currency: str, others: Sequence[_Reservation], read_at: int) -> Account:
    """Subtract the reserved entries, with their fees, from the cash, unless balances read at `read_at` (epoch ms) lack them."""
    if not others or account.cash is None or account.cash.currency != currency:
        return account
    counted = (each for each in others if each.held_since is None or read_at < each.held_since + _HOLD_LAG_MS)
    spent = sum((each.cost.amount * (ONE + each.fee) for each in counted if each.cost.currency == currency), ZERO)
    return account._replace(cash=Money(account.cash.amount - spent, currency))
