"""The sessions of the master's account at one venue, one after another: connects again after failures, with growing pauses.

A refusal by the venue parks the account with its words, and the lease is kept while parked: a standby has the same key, and
trying again too soon prolongs a lockout. Nothing that happens to one account ends the sessions of another: with several, an
unexpected failure is contained here as well. Only the loss of Redis or of the lease ends all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from services.master_strategy.clock import Clock
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.venue_state import VenueState
from shared.bus.errors import ENDS_A_TURN, BusError
from shared.bus.master.master_places import place_label
from shared.bus.ownership.lease import Lease
from shared.bus.state.records import Records
from shared.domain.account import FIRST_CONNECT, MASTER, AccountState, further_name
from shared.domain.fault import FaultKind, Faults
from shared.runtime.supervision import endless
from shared.venues.errors import Refusal, Rejected, Unavailable, VenueError

_LOCKED_FOR: Final = 900.0  # seconds; a lockout lasts 15 minutes at Kraken, and each try during it restarts it
_PARKED_FIRST: Final = 5.0  # seconds; doubled with every failure
_PARKED_LONGEST: Final = 300.0
_AWAY_FIRST: Final = 1.0
_AWAY_LONGEST: Final = 30.0
_DOUBLINGS: Final = 10  # of a pause; by then it has long been the longest, and 2.0 ** 1024 is no float
_LASTED: Final = 120.0  # seconds after which a session counts as a success, and waiting begins small again
FIRST_TRY: Final = 20.0
"""Seconds after which an account that neither connects nor fails holds up no other one, and no user."""

RunSession = Callable[[Lease], Awaitable[None]]

_log = structlog.get_logger(__name__)


class VenueSessions:
    """Runs the sessions of one venue under the master's lease. `state` is what the heartbeat says of it."""

    def __init__(
        self,
        *,
        name: str,
        run_session: RunSession,
        records: Records,
        state: VenueState,
        clock: Clock,
        health: ScanHealth | None = None,
        faults: Faults | None = None,
        alone: bool = True,
        first_try: float = FIRST_TRY,
        owner: str = MASTER,
    ) -> None:
        """`alone`: the master has no other account. Then an unexpected failure ends the process, which loses nothing by it."""
        self.name = name
        self.owner = owner
        self.tried = asyncio.Event()
        """Set once the account has connected, or has failed to, for the first time under this lease."""
        self._run_session = run_session
        self._records = records
        self._state = state
        self._clock = clock
        self._health = health
        self._faults = faults or Faults()
        self._alone = alone
        self._first_try = first_try
        self._failures = 0
        self._other_key = asyncio.Event()
        self._noted_refusal: Refusal | None = None
        self._quiet_until = 0.0
        """Steady instant: a step of the wall clock must not delay the master."""
        self._noted = (AccountState.CONNECTING, "")
        """What the last failure left in the account's record."""
        self._state.connected = self.tried.set
        self._state.opened = self._opened

    def try_other_key(self) -> None:
        """Begin the next session at once: the account has another key, to which what became of the former one does not apply."""
        if (
            self._noted_refusal is not Refusal.LOCKED
        ):  # the venue may count a lockout by account: a try would prolong it
            self._quiet_until = 0.0
            self._failures = 0
            self._other_key.set()

    async def prepare(self) -> None:
        """Record, under a new lease, that the account is to be waited for, or why it still pauses: then it is not waited for.

        Raises BusError.
        """
        self.tried.clear()
        self._state.forget()
        if further := further_name(self.owner):  # before its record, so that what waits for masters sees it
            await self._records.note_further_master(further, self.name)
        if self._quiet_until > self._clock.steady():
            await self._records.mark_account(self.owner, self.name, *self._noted)
            self.tried.set()
        elif not self._alone:
            await self._records.mark_account(self.owner, self.name, AccountState.CONNECTING, FIRST_CONNECT)

    async def serve(self, lease: Lease, after: asyncio.Event | None) -> None:
        """Run sessions for ever, from when `after` is set, in a task of its own. Raises what Redis raises."""
        if not self._alone:
            structlog.contextvars.bind_contextvars(venue=self.name)  # on each line of these sessions
        if further := further_name(self.owner):
            structlog.contextvars.bind_contextvars(master=further)
        if after is not None:
            await after.wait()
        try:
            async with asyncio.TaskGroup() as tasks:
                if self._health is not None:
                    tasks.create_task(endless("watching the scans", self._health.watch()))
                if not self._alone:
                    tasks.create_task(self._limit_first_try())
                tasks.create_task(endless("the sessions", self._sessions(lease)))
        finally:
            self._opened()  # the next leader reports what it finds

    async def _limit_first_try(self) -> None:
        """Let the others go on after a while: an account that hangs must not hold up their exits."""
        try:
            async with asyncio.timeout(self._first_try):
                await self.tried.wait()
        except TimeoutError:
            words = f"not connected after {self._first_try:g} s"
            _log.warning("the others go on without this account", venue=self.name, why=words)
            [account] = await self._records.accounts([(self.owner, self.name)])
            if account is not None and account.reason == FIRST_CONNECT:
                await self._records.mark_account(self.owner, self.name, AccountState.CONNECTING, words)
            self.tried.set()

    def _opened(self) -> None:
        self._faults.clear(FaultKind.TASK, self._subject)

    @property
    def _subject(self) -> str:
        return f"{self.owner} ({self.name})"

    @property
    def label(self) -> str:
        """What the account is called beside others."""
        return place_label(self.owner, self.name)

    async def _sessions(self, lease: Lease) -> None:
        while True:
            # Waited here, not after the failure: losing Redis meanwhile must not cut a lockout's pause short.
            await self._stay_quiet()
            await self._state.publish("connecting")
            begun = self._clock.steady()
            failures: list[Exception] = []
            try:
                await self._run_session(lease)
            except* VenueError as failed:
                failures.extend(leaves_of(failed))
            except* ENDS_A_TURN:
                raise
            except* Exception as crashed:
                if self._alone:
                    raise
                failures.extend(leaves_of(crashed))
            if self._clock.steady() - begun > _LASTED:
                self._failures = 0
            self._failures += 1
            await self._note(failures)
            self.tried.set()

    async def _stay_quiet(self) -> None:
        """Wait until the account may be tried again, or has another key."""
        self._other_key.clear()
        if (seconds := self._quiet_until - self._clock.steady()) <= 0:
            await self._clock.sleep(0.0)
            return
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._other_key.wait())]
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        finally:
            for wait in waits:
                wait.cancel()

    async def _note(self, failures: list[Exception]) -> None:
        if self._health is not None:
            self._health.failed("; ".join(map(str, failures)))
        refusals = [failure for failure in failures if isinstance(failure, Rejected)]
        self._noted_refusal = None
        if refusals:
            refused = next((each for each in refusals if each.refusal is Refusal.LOCKED), refusals[0])
            self._noted_refusal = refused.refusal
            wait = min(_PARKED_FIRST * 2 ** min(self._failures - 1, _DOUBLINGS), _PARKED_LONGEST)
            if refused.refusal is Refusal.LOCKED:
                wait = _LOCKED_FOR
            self._stay_away(wait)
            _log.error(
                f"MASTER ACCOUNT: PARKED (Broker: {self.name.upper()})", why=refused.words, again_in_s=round(wait)
            )
            await self._write(AccountState.PARKED, refused.words)
            return
        crashes = [failure for failure in failures if not isinstance(failure, VenueError)]
        failure = (crashes or failures)[0]
        wait = min(_AWAY_FIRST * 2 ** min(self._failures - 1, _DOUBLINGS), _AWAY_LONGEST)
        if isinstance(failure, Unavailable):
            wait = max(wait, failure.retry_after)
        self._stay_away(wait)
        words = str(failure)
        if crashes:
            # Its message is not ours, and records are shown: the log, which hides secrets, has it whole.
            words = str(failure) if isinstance(failure, BusError) else f"internal error: {type(failure).__name__}"
            self._faults.report(FaultKind.TASK, self._subject, words)
            _log.error("the master's session failed", venue=self.name, again_in_s=round(wait), exc_info=failure)
        else:
            _log.warning("the venue gives no answer", venue=self.name, why=words, again_in_s=round(wait))
        await self._write(AccountState.CONNECTING, words)

    async def _write(self, state: AccountState, words: str) -> None:
        self._noted = state, words
        self._state.close()
        await self._records.mark_account(self.owner, self.name, state, words)
        await self._state.publish(f"{state}: {words}")

    def _stay_away(self, seconds: float) -> None:
        self._quiet_until = self._clock.steady() + seconds


def leaves_of(group: BaseExceptionGroup[BaseException]) -> list[Exception]:
    """Return the failures in a group, without the groups."""
    found: list[Exception] = []
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            found.extend(leaves_of(each))
        elif isinstance(each, Exception):
            found.append(each)
    return found


def first_of(group: BaseExceptionGroup[BaseException]) -> str:
    """Return the texts of the failures in a group, each once."""
    return "; ".join(dict.fromkeys(str(each) for each in leaves_of(group)))
