"""Builds account contexts: keys, nonces, books, the venue's adapter. An account that cannot be used is parked with the reason.

This decides whose money an account trades with: with `paper = true` the adapter is built for the paper exchange whatever the
others trade on, takes paper keys only, and signs nothing before the other side has identified itself as a paper exchange.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from services.executor.account.context import AccountContext
from services.executor.account.faults import AccountFaults
from services.executor.account.funds_mark import NoBooks, WrongFunds, check_funds_kind
from services.executor.account.gates import Gate, KeyGate, subject
from services.executor.account.keeper import AccountKeeper
from services.executor.account.key_memory import KeyMemory
from services.executor.account.lost_books import BooksGate
from services.executor.account.names import AssetNames
from services.executor.orders.send_hooks import ExecutorHooks
from services.executor.orders.set_aside import SetAside
from services.executor.turn.send_priority import SendPriority
from shared.bus.connection import Bus
from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.orders import OrderStore
from shared.bus.records import Records
from shared.config.errors import ConfigurationError
from shared.config.renames import RenamesFile
from shared.config.secrets import ApiKey, key_names, read_api_key
from shared.config.settings import Mode, Settings
from shared.contracts import keys
from shared.domain.fault import Faults
from shared.domain.funds import FundsMark
from shared.domain.limits.policy import FileState, UserPolicy
from shared.execution.attempt import Attempt
from shared.execution.clock import AccountClock
from shared.execution.sender import Sender
from shared.execution.timing import VENUE_TIMEOUT
from shared.execution.venue_history import VenueHistory
from shared.runtime.clock_alarm import ClockAlarm
from shared.runtime.crash_points import CrashPoints
from shared.venues.errors import Rejected
from shared.venues.factory import HttpSession, RateBudget, open_budget, open_kraken, open_public_kraken
from shared.venues.kraken.public import KrakenPublic
from shared.venues.port import Venue
from shared.venues.unusable import UnusableVenue
from shared.venues.venue_clock import VenueClock

_NO_KEY: Final = "none"
LANE_PATIENCE_MS: Final = 15_000
"""How long an order may wait for its account's lane before it is returned to be planned again."""
_KEYS_AGE: Final = 5.0
"""Seconds for which the list of all keys is cached: a thousand users are set up at once, and files change."""


@dataclass(frozen=True, slots=True)
class MeasuredTime:
    """A venue's time as this process measures it, and the alarm for a host clock that differs."""

    clock: VenueClock
    alarm: ClockAlarm


class AccountContextFactory:
    """Builds the contexts of a process. They share one HTTP session, and the public side and the time of each venue."""

    def __init__(
        self, settings: Settings, bus: Bus, http: HttpSession, wall: Callable[[], int], faults: Faults | None = None
    ) -> None:
        """`wall` is this host's clock (epoch ms), against which the venues' clocks are measured."""
        self._settings = settings
        self._bus = bus
        self._http = http
        self._wall = wall
        self._faults = faults or Faults(wall)
        self._crash_points = CrashPoints(settings.debug_die_at)
        self._priority = SendPriority()
        self._keys: dict[str, KeyMemory] = {}
        self._attempts: dict[str, dict[str, Attempt]] = {}
        self.renames = RenamesFile(settings.shoal_config, self._faults)
        self._key_names: tuple[float, Mapping[str, Sequence[str]]] = (0.0, {})
        self.time = self._venue_time("kraken")
        self._paper_time = self._venue_time("the paper exchange")
        self.public = self._open_public(settings.venue_url("kraken"), self.time.clock)
        self._paper_public = self._open_public(settings.paper_url, self._paper_time.clock)

    async def make(self, policy: UserPolicy, venue_name: str, lease: Lease) -> AccountContext:
        """Build the context of one account under its lease; sends nothing yet. Raises LeaseLost, BusUnavailable."""
        store = OrderStore(self._bus, lease, policy.user, venue_name, self._settings.retention_ms)
        funds = self._settings.funds(paper=policy.paper)
        books = FundsMark(funds)
        records = Records(self._bus)
        of_venue = self._paper_time if self._apart(paper=policy.paper) else self.time
        gates: list[Gate] = []
        no_books = False
        try:
            key = self._key(policy, venue_name)
            await self._refuse_strange(policy, key)
            memory = self._memory(key.fingerprint)
            nonces = self._counter(memory, lease, policy.user, key.fingerprint)
            venue: Venue = self._open(key, nonces, memory.budget, paper=policy.paper)
            opened = await check_funds_kind(self._bus, store, policy.user, venue_name, funds, key.fingerprint)
            gates.append(KeyGate(self._bus, lease, key.fingerprint, self._faults).check)
            if isinstance(opened, WrongFunds):
                venue = UnusableVenue(venue_name, opened.reason)
            elif isinstance(opened, NoBooks):
                no_books = True
                known = BooksGate(policy.user, venue, records, store, funds, of_venue.clock, self._faults)
                gates.append(known.check)
            else:
                books = opened
        except (ConfigurationError, Rejected) as error:
            memory = self._memory(_NO_KEY)
            nonces = self._counter(memory, lease, policy.user, _NO_KEY)
            venue = UnusableVenue(venue_name, str(error))
        faults = AccountFaults(self._faults, policy.user, venue_name)
        account = AccountKeeper(policy.user, venue, records, of_venue.clock, memory, self._priority, faults, gates)
        account.books_lost = no_books  # until the venue was asked
        clock = AccountClock(of_venue.clock)
        sender = Sender(
            user=policy.user,
            venue=venue,
            store=store,
            permit=nonces,
            lease=lease,
            clock=clock,
            account=account,
            patience_ms=LANE_PATIENCE_MS,
            attempts=self._attempts.setdefault(policy.user, {}),
            hooks=ExecutorHooks(self._priority, self._crash_points, faults),
        )
        names = AssetNames(venue, self.renames.of(venue_name))
        return AccountContext(
            policy=policy,
            sender=sender,
            records=records,
            account=account,
            clock=of_venue.clock,
            history=VenueHistory(venue, account, clock),
            names=names,
            retention_ms=self._settings.retention_ms,
            crash_points=self._crash_points,
            priority=self._priority,
            books=books,
            alarm=of_venue.alarm,
            faults=faults,
            aside=SetAside(policy.user, names, self._faults),
        )

    def look_at_clocks(self) -> None:
        """Report a host clock that differs from a venue's, and clear the report of one that no longer does."""
        for known in (self.time, self._paper_time):
            known.alarm.look()

    def forget_faults(self, user: str) -> None:
        """Clear the faults of a user whose turn has ended: the next owner reports what it finds."""
        for fault in self._faults.standing:
            if fault.subject.startswith(subject(user, "")):
                self._faults.clear(fault.kind, fault.subject)

    async def _refuse_strange(self, policy: UserPolicy, key: ApiKey) -> None:
        """Refuse a key that may be another user's, unless this user has traded with it before.

        A user without a file, or with an id that another one's spelling shares, cannot claim the variable. Raises
        ConfigurationError.
        """
        if policy.file not in {FileState.SHARED, FileState.GONE}:
            return
        if not await self._bus.do("EXISTS", keys.nonce(policy.user, key.fingerprint)):
            raise ConfigurationError(f"{policy.fault}; nor do exits go on: the key may be another user's")

    def _counter(self, memory: KeyMemory, lease: Lease, user: str, fingerprint: str) -> NonceCounter:
        """Return the nonce counter of a turn: above the clock, and above every nonce that this process has used with the key.

        The wall clock is enough: it must only exceed the nonces used before Redis lost the counter, and it never lowers one. If
        the clock was set back meanwhile, the nonces of this process count.
        """
        floor = max(time.time_ns() // 1_000, memory.nonces.floor if memory.nonces else 0)
        memory.nonces = NonceCounter(self._bus, lease, user, fingerprint, floor=floor)
        return memory.nonces

    def _memory(self, fingerprint: str) -> KeyMemory:
        """Return what this process remembers about a key."""
        if fingerprint not in self._keys:
            self._keys[fingerprint] = KeyMemory(open_budget(self._settings.venue_tier(self.public.name)))
        return self._keys[fingerprint]

    def _key(self, policy: UserPolicy, venue_name: str) -> ApiKey:
        if venue_name != self.public.name:
            raise ConfigurationError(f"{venue_name} is not supported yet")
        mode = self._settings.shoal_mode
        return read_api_key(venue_name, policy.user, mode, paper=policy.paper, names=self._names())

    def _names(self) -> Mapping[str, Sequence[str]]:
        """Return the variables of each key, cached for a moment."""
        read_at, names = self._key_names
        if not names or time.monotonic() - read_at > _KEYS_AGE:
            names = key_names()
            self._key_names = (time.monotonic(), names)
        return names

    def _open(self, key: ApiKey, nonces: NonceCounter, budget: RateBudget, *, paper: bool) -> Venue:
        apart = self._apart(paper=paper)
        return open_kraken(
            url=self._settings.paper_url if apart else self._settings.venue_url("kraken"),
            api_key=key.key,
            api_secret=key.secret,
            nonces=nonces,
            http=self._http,
            timeout=VENUE_TIMEOUT,
            clock=(self._paper_time if apart else self.time).clock,
            public=self._paper_public if apart else self.public,
            budget=budget,
            paper=apart,
        )

    def _apart(self, *, paper: bool) -> bool:
        return paper and self._settings.shoal_mode is Mode.LIVE  # in paper mode all trade in one place

    def _venue_time(self, venue: str) -> MeasuredTime:
        clock = VenueClock(venue, wall=self._wall)
        return MeasuredTime(clock, ClockAlarm(self._faults, clock.offset))

    def _open_public(self, url: str, clock: VenueClock) -> KrakenPublic:
        return open_public_kraken(url=url, http=self._http, timeout=VENUE_TIMEOUT, clock=clock)
