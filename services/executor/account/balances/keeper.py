"""Keeps one account's record: its balances, and whether it can trade.

Reads balances on demand and on a timer, writes them for the engine, and parks the account with a plain reason when the venue
refuses it. Its own trades are counted instead of read; while the account's private stream has shown everything since the last
reading, the readings are far apart. A balance that could not be read is unknown, never zero. A holding without a known value is
left out of the equity, which makes sizes smaller and is stated in the record; losses are not measured against an equity that
shrank in that way.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final
from uuid import uuid4

import structlog

from services.executor.account.balances.account_after_trade import AccountAfterTrade, account_after
from services.executor.account.balances.carried_balances import CarriedBalances
from services.executor.account.balances.holdings import HoldingsValuer
from services.executor.account.balances.traded_prices import TradedPrices
from services.executor.account.faults import AccountFaults
from services.executor.account.keys.gates import RETRY, Gate, GateRefusal
from services.executor.account.keys.key_memory import KeyMemory
from services.executor.turn.send_priority import SendPriority
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.state.records import Records
from shared.domain.account import Account, AccountState
from shared.domain.fault import Faults
from shared.domain.values.fees import TakerFees
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ZERO, Money, Price
from shared.domain.values.symbol import Symbol
from shared.execution.following.streamed_orders import StreamedOrders
from shared.runtime.supervision import Supervisor
from shared.runtime.wake_up import WakeUp
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import Balance, Balances, Venue, VenueOrder

_QUOTE: Final = "USD"
_EXAMPLE: Final = Symbol("BTC", _QUOTE)
"""The pair whose fee is read before the user has traded anything."""
_REFRESH: Final = 30.0
"""Seconds between readings of a quiet account: prices move its equity, and people deposit."""
_SLOW: Final = 75.0
"""The same while the account's private stream shows all that moves the balances, deposits too. The record is written every
30 s, so no entry is decided by a reading that is older than two minutes (`tests/day/limits.py`)."""
_GATES_EVERY: Final = 25.0
"""Seconds from gates that let the account pass to the next time, while trades are counted, which calls no venue: as often as a
quiet account passes them."""
_SETTLED: Final = 0.5
"""Seconds to wait after a fill, so that several fills take one reading."""
_RETRY_FIRST, _RETRY_MOST = 1.0, 60.0
_REFUSED_RETRY: Final = 60.0
"""Seconds until a refused key is tried again: its owner may have corrected it at the venue."""
_LOCKOUT: Final = 15 * 60.0 + 30.0
"""Kraken's lockout lasts about 15 min and each call restarts it (shared/venues/kraken/KRAKEN.md, K5)."""

log = structlog.get_logger()


class AccountKeeper:
    """Keeps the record of one account current."""

    def __init__(
        self,
        user: str,
        venue: Venue,
        records: Records,
        clock: Callable[[], int],
        key: KeyMemory,
        priority: SendPriority | None = None,
        faults: AccountFaults | None = None,
        gates: Sequence[Gate] = (),
        *,
        stream: StreamedOrders | None = None,
    ) -> None:
        self._user = user
        self._stream = stream
        self._venue = venue
        self._records = records
        self._clock = clock
        self._key = key
        self._priority = priority or SendPriority()
        self._gates = gates
        self.fees = TakerFees(venue.name, [_EXAMPLE])
        """The account's taker fees by pair."""
        self.traded_prices = TradedPrices(clock)
        faults = faults or AccountFaults(Faults(), user, venue.name)
        self._valuer = HoldingsValuer(user, venue, records, clock, faults, self.traded_prices)
        self._ready = asyncio.Event()
        self._parked = asyncio.Event()
        self._known = asyncio.Event()
        self._wanted = WakeUp()
        self._quiet_until = 0.0
        self.reason = "not connected yet"
        self.books_lost = False
        """Whether it is not known what the account holds from copying: no exit may then be skipped as one of nothing."""
        self.currency = _QUOTE
        """The currency of cash and equity."""
        self.supervisor = Supervisor()
        self.latest: Account | None = None
        """The account as this process has written it last."""
        self._marks: dict[Symbol, Price] = {}
        """The prices by which its equity contains coins."""
        self._balances = CarriedBalances()
        self._passed_at = -math.inf
        """Steady instant at which every gate let the account pass."""
        self._refusals = 0
        self._version = 0
        """Grows with each write of the record that was computed from the balances."""
        self._requests = 1
        self._served = 0
        """The last request for a reading that was answered: while it is not the last one, the balances must be read."""
        self.connected_at = 0
        """When the venue had answered the first call of this turn (epoch ms): everything signed before it is void there."""
        self.connected_steady = 0.0
        """The same by the steady clock, in seconds."""

    @property
    def ready(self) -> bool:
        """Whether the account can trade now."""
        return self._ready.is_set()

    @property
    def silent(self) -> bool:
        """Whether the venue is not called for now, because it refused the key: a call could prolong that."""
        return time.monotonic() < self._quiet_until

    async def until_ready(self) -> None:
        """Wait until it can trade."""
        await self._ready.wait()

    async def until_parked(self) -> None:
        """Wait until it is parked."""
        await self._parked.wait()

    async def until_known(self) -> None:
        """Wait until it is either ready or parked."""
        await self._known.wait()

    def after_trade(self, order: VenueOrder) -> AccountAfterTrade | None:
        """Return the account after an order that is about to be booked, to be written in the same step.

        None if it does not follow from the last record: then `traded` has the record written soon.
        """
        account, known = self.latest, self._balances
        if account is None or known.unwritten or self.fees.unknown or not self._may_carry_on():
            return None
        if not known.moved_by(order):
            return AccountAfterTrade(account, self._version)
        after = account_after(account, known.now()[0], order, self._marks.get(order.symbol))
        return None if after is None else AccountAfterTrade(after, self._version, order.average_price)

    def traded(self, order: VenueOrder, written: AccountAfterTrade | None = None) -> None:
        """Note an order that was booked: its effect on the balances counts before the next reading, and so does its price.

        `written` is the account that was written with it. Without that, or if another record was written meanwhile, the record
        is written soon.
        """
        if not order.filled.amount:
            return
        self._balances.traded(order, self._clock())
        self.traded_prices.note(order)
        if written is None or written.version != self._version:
            self._wanted.set()
            return
        self._version += 1
        self.latest = written.account
        self._balances.note_all_written()
        if written.valued_at is not None:
            self._marks[order.symbol] = written.valued_at

    def after_trades(self) -> Account | None:
        """Return the account as last written, adjusted for the trades since; None before the first reading."""
        return self._balances.after_trades(self.latest)

    def for_losses(self) -> Account | None:
        """Return the account for measuring losses: without an equity while the price of a listed pair is missing.

        A loss is measured as a share of the equity. A missing price would make that share too large, and a stop-out must never
        sell because data is missing.
        """
        account = self.latest
        return account._replace(equity=None) if account is not None and self._valuer.unpriced else account

    @property
    def answered_at(self) -> int:
        """When the venue had answered the last reading of the balances (epoch ms); the record may be of later."""
        return self._balances.answered_at

    def refresh_soon(self) -> None:
        """Request a reading; several requests in a row take one."""
        self._requests += 1
        self._wanted.set()

    async def park(self, words: str, refusal: Refusal | None = None) -> None:
        """Stop trading this account for a reason. `refusal`, if the venue refused, determines how long it is not called."""
        if refusal is not None:
            self._refusals += 1
            quiet = _LOCKOUT if refusal is Refusal.LOCKED else _REFUSED_RETRY
            self._quiet_until = max(self._quiet_until, time.monotonic() + quiet)
            self._key.probed = False
        new = words != self.reason or not self._parked.is_set()
        self._ready.clear()
        self._wanted.set()  # a parked account is read again sooner than a ready one
        self.reason = words
        await self._records.mark_account(self._user, self._venue.name, AccountState.PARKED, words)
        self._parked.set()
        self._known.set()
        if new:
            log.warning(
                f"USER: {self._user}: PARKED (Broker: {self._venue.name.upper()})", user=self._user, reason=words
            )

    async def run(self) -> None:
        """Connect, then keep the record current until cancelled. Raises only what the bus and the lease raise."""
        wait = _RETRY_FIRST
        name = f"account reader of {self._user}"
        while True:
            if (quiet := self._quiet_until - time.monotonic()) > 0:
                await asyncio.sleep(quiet)
            await self._priority.yield_to_sends()
            if self._quiet_until > time.monotonic():  # an order that went first was refused
                continue
            self._wanted.clear()
            pause = _REFRESH
            try:
                pause = await self._read_if_admitted()
                wait = _RETRY_FIRST
                self.supervisor.worked(name)
            except Rejected as error:
                await self.park(error.words, error.refusal)
            except (Unavailable, OutcomeUnknown) as error:
                if self.ready:
                    log.warning("balances could not be read", user=self._user, reason=error.words)
                else:
                    # Not at the first failure, which may be brief: a parked account misses entries.
                    if wait > _RETRY_FIRST or self._parked.is_set():
                        await self.park(f"cannot connect: {error.words}")
                    pause, wait = wait, min(wait * 2, _RETRY_MOST)
            except ENDS_A_TURN:
                raise
            except Exception as error:  # one failed reading must not end the turn: exits depend on it
                log.exception("reading the account failed", user=self._user)
                await self._note_failure(name, error)
            await self._pause(pause)

    async def _read_if_admitted(self) -> float:
        """Read the account, or park it if a gate refuses; return the seconds until the next reading."""
        try:
            await (self.carry_on() if self._may_carry_on() else self.read())
        except GateRefusal as error:
            self.books_lost = self.books_lost or error.books_lost
            await self.park(error.reason)
            return RETRY
        known = self._balances
        return _REFRESH if self._slow else min(_REFRESH, max(known.read_at + _REFRESH - self._steady(), _SETTLED))

    async def _note_failure(self, name: str, error: Exception) -> None:
        self.supervisor.failed(name, error)
        if not self.ready and not isinstance(error, BusRefused):  # then the record could not be written either
            await self.park(f"cannot be read: {type(error).__name__}: {error}")

    async def read(self) -> None:
        """Read the account once and write its record. Raises a VenueError (the old record stays), or GateRefusal."""
        await self._pass_gates()
        self.books_lost = False
        requests, refusals, read_at = self._requests, self._refusals, self._steady()
        asked_at = self._clock()
        balances = await self._venue.balances(patient=self.ready)
        answered_at = self._clock()
        self.connected_at = self.connected_at or answered_at
        self.connected_steady = self.connected_steady or time.monotonic()
        await self._probe()
        instruments = await self._venue.instruments()
        await self._ask_fee(instruments)
        account = await self._valued(balances, instruments)
        if self._refusals != refusals:
            return  # the key was refused since: the account stays parked
        self._balances.note_reading(balances, read_at=read_at, asked_at=asked_at, answered_at=answered_at)
        self._served = requests
        await self._write(account)
        if self._balances.unwritten:
            self._wanted.set()
        if self._refusals != refusals:
            return  # while it was written
        self.reason = ""
        self._parked.clear()
        self._ready.set()
        self._known.set()

    async def carry_on(self) -> None:
        """Write the record by the last reading and the trades since, at the prices of now. Raises a VenueError, GateRefusal."""
        if self._steady() >= self._passed_at + _GATES_EVERY:
            await self._pass_gates()
        balances, trades = self._balances.now()
        instruments = await self._venue.instruments()
        if self.fees.unknown:
            await self._ask_fee(instruments)
        account = await self._valued(balances, instruments)
        if self._balances.now()[1] != trades:  # a trade was written meanwhile, which this does not contain
            self._wanted.set()
        elif self.ready:  # else it was parked meanwhile, and stays so until it is read
            self._balances.note_written(trades)
            await self._write(account)

    async def _write(self, account: Account) -> None:
        """Write an account as it was just valued; once more soon if a trade was written meanwhile, before it or after it."""
        self.latest, self._marks = account, dict(self._valuer.marks)
        self._version = version = self._version + 1
        await self._records.write_account(account)
        if self._version != version:
            self._wanted.set()
        self._version += 1

    async def _pass_gates(self) -> None:
        for gate in self._gates:
            await gate()
        self._passed_at = self._steady()

    def _may_carry_on(self) -> bool:
        """Return whether the last reading and the trades since are the balances of now, as far as is known.

        What else moves them shows in a stream, or in the next reading, which trades do not put off.
        """
        known = self._balances
        if not known.known or not self.ready or self._requests != self._served:
            return False
        return self._steady() < known.read_at + (_SLOW if self._slow else _REFRESH)

    @property
    def _slow(self) -> bool:
        """Whether readings are far apart: the stream has shown all that moves the balances since the last one."""
        stream, known = self._stream, self._balances
        return stream is not None and stream.covers(known.read_at) and stream.shows_funds and known.sure

    def _steady(self) -> float:
        return time.monotonic() if self._stream is None else self._stream.steady()

    async def _valued(self, balances: Balances, instruments: Mapping[Symbol, Instrument]) -> Account:
        """Return the account with these balances, at the prices of now."""
        currency = self.currency
        valued = await self._valuer.value(balances, currency, instruments)
        cash = balances.get(currency, Balance(currency, ZERO, ZERO))
        return Account(
            user=self._user,
            venue=self._venue.name,
            state=AccountState.READY,
            reason=f"the equity is counted low: {valued.missing}" if valued.missing else "",
            equity=valued.at_least,
            cash=Money(cash.free, currency),
            taker_fee=self.fees.dearest,
            as_of=self._clock(),
            served=self._stream.served if self._stream is not None else "",
        )

    async def _probe(self) -> None:
        """Make the lookups once that resolving an order needs: a key without these permissions is parked before it buys."""
        if self._key.probed:
            return
        await self._venue.find(str(uuid4()), since=self._clock())
        self._key.probed = True

    async def _ask_fee(self, instruments: Mapping[Symbol, Instrument]) -> None:
        """Read the fee of one pair, of each traded pair in turn; the adapter calls the venue hourly."""
        symbol = self.fees.next()
        if symbol is not None and symbol in instruments:
            self.fees.learn(symbol, await self._venue.taker_fee(symbol))
        elif symbol is not None:
            self.fees.forget(symbol)

    async def _pause(self, seconds: float) -> None:
        if not self.ready:
            await asyncio.sleep(seconds)
            return
        if await self._wanted.wait(seconds):  # on request: balances show a trade a moment later
            await asyncio.sleep(_SETTLED)
