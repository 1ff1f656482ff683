"""Builds account contexts: keys, nonces, books, the venue's adapter. An account that cannot be used is parked with the reason.

This decides whose money an account trades with: with `paper = true` the adapter is built for the paper exchange whatever the
others trade on, takes paper keys only, and signs nothing before the other side has identified itself as a paper exchange.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.books.funds_mark import NoBooks, WrongFunds, check_funds_kind
from services.executor.account.books.lost_books import BooksGate
from services.executor.account.context import AccountContext
from services.executor.account.faults import AccountFaults
from services.executor.account.keys.gates import Gate, KeyGate, subject
from services.executor.account.keys.key_doctor import CheckedKey, KeyDoctor
from services.executor.account.keys.key_memory import KeyMemory
from services.executor.account.keys.same_account import SameAccountGate
from services.executor.account.names import AssetNames
from services.executor.orders.send_hooks import ExecutorHooks
from services.executor.orders.set_aside import SetAside
from services.executor.streams.account_stream import AccountStream
from services.executor.streams.stream_places import StreamPlaces
from services.executor.turn.send_priority import SendPriority
from shared.bus.connection import Bus
from shared.bus.connects import ConnectBudget
from shared.bus.order.orders import OrderStore
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.records import Records
from shared.bus.users.key_claims import has_claimed
from shared.config.errors import ConfigurationError
from shared.config.keys.key_ring import KeyedAccount, KeyPendingError, KeyRing
from shared.config.keys.secrets import ApiKey, key_names, read_api_key
from shared.config.renames import RenamesFile
from shared.config.settings import Mode, Settings
from shared.config.venue.venue_settings import VENUE_FACTS
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults
from shared.domain.funds import Funds, FundsMark
from shared.domain.limits.policy import FileState, UserPolicy
from shared.execution.attempt import Attempt
from shared.execution.clock import AccountClock
from shared.execution.following.streamed_orders import StreamedOrders
from shared.execution.recovery.venue_history import VenueHistory
from shared.execution.sender import Sender
from shared.execution.timing import VENUE_TIMEOUT
from shared.runtime.clock_alarm import ClockAlarm
from shared.runtime.crash_points import CrashPoints
from shared.venues.errors import Rejected
from shared.venues.factory import HttpSession, open_account, open_budget, open_price_stream, open_public
from shared.venues.port import NonceSource, PublicSide, Venue
from shared.venues.price_stream import PriceStream
from shared.venues.unusable import UnusableVenue
from shared.venues.venue_clock import VenueClock

_NO_KEY: Final = "none"
LANE_PATIENCE_MS: Final = 15_000
"""How long an order may wait for its account's lane before it is returned to be planned again."""
_KEY_TRIES: Final = 4
_KEY_PAUSE: Final = 0.75
"""Seconds; all tries together take much less than the lease lasts, under which they are made."""
_KEYS_AGE: Final = 5.0
"""Seconds for which the list of all keys is cached: a thousand users are set up at once, and files change."""


@dataclass(frozen=True, slots=True)
class OpenVenue:
    """A venue at one address: its public side, its time as this process measures it, the alarm for a host clock that differs."""

    url: str
    stream_url: str
    public: PublicSide
    clock: VenueClock
    alarm: ClockAlarm
    places: StreamPlaces
    """Who of this process's users connects to its private streams."""


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
        self.priority = SendPriority()
        """The orders of this process that are about to leave."""
        self._keys: dict[tuple[str, str], KeyMemory] = {}
        self._attempts: dict[str, dict[str, Attempt]] = {}
        self.renames = RenamesFile(settings.shoal_config, self._faults)
        self.key_ring = KeyRing()
        self._key_names: tuple[float, Mapping[str, Sequence[str]]] = (0.0, {})
        self._venues: dict[tuple[str, str], OpenVenue] = {}

    async def make(self, policy: UserPolicy, venue_name: str, lease: Lease) -> AccountContext:
        """Build the context of one account under its lease; sends nothing yet. Raises LeaseLost, BusUnavailable."""
        store = OrderStore(self._bus, lease, policy.user, venue_name, self._settings.retention_ms)
        funds = self._settings.funds(paper=policy.paper)
        books = FundsMark(funds)
        records = Records(self._bus)
        of_venue = self.paper_venue(venue_name) if self._apart(paper=policy.paper) else self.venue(venue_name)
        nonces: NonceCounter | None = None
        fingerprint = _NO_KEY
        gates: list[Gate] = []
        no_books = False
        try:
            key = await self._key(policy, venue_name)
            await self._refuse_strange(policy, key, venue_name)
            fingerprint = key.fingerprint
            memory = self._memory(venue_name, fingerprint)
            nonces = self._counter(memory, lease, policy.user, venue_name, key.fingerprint)
            venue: Venue = self._open(venue_name, key, nonces, memory, paper=policy.paper)
            opened = await check_funds_kind(self._bus, store, policy.user, venue_name, funds, key.fingerprint)
            same = SameAccountGate(self._bus, policy.user, venue, store, fingerprint, of_venue.clock, self._faults)
            gates += self._key_gates(lease, fingerprint, None if isinstance(opened, WrongFunds) else same.check)
            if isinstance(opened, WrongFunds):
                venue = UnusableVenue(venue_name, opened.reason)
            elif isinstance(opened, NoBooks):
                no_books = True
                known = BooksGate(policy.user, venue, records, store, funds, of_venue.clock, self._faults)
                gates.append(known.check)
            else:
                books = opened
        except (ConfigurationError, Rejected) as error:
            memory = self._memory(venue_name, _NO_KEY)
            nonces = self._counter(memory, lease, policy.user, venue_name, _NO_KEY)
            venue = UnusableVenue(venue_name, str(error))
        faults = AccountFaults(self._faults, policy.user, venue_name)
        checked = CheckedKey(policy.user, fingerprint, strict=funds is Funds.LIVE)
        doctor = KeyDoctor(checked, self._bus, venue, of_venue.clock, of_venue.clock.offset, faults, policy.currency)
        if not isinstance(venue, UnusableVenue):
            gates.append(doctor.gate)
        clock = AccountClock(of_venue.clock)
        attempts = self._attempts.setdefault(policy.user, {})
        streamed = StreamedOrders(
            policy.user,
            clock.steady,
            is_own=attempts.__contains__,
            missed=lambda: faults.count(FaultKind.VENUE_STREAM),
        )
        account = AccountKeeper(
            policy.user, venue, records, of_venue.clock, memory, self.priority, faults, gates, stream=streamed
        )
        account.books_lost = no_books  # until the venue was asked
        streamed.funds_changed = account.refresh_soon
        stream = AccountStream(streamed, venue, account, of_venue.places, self._bus, of_venue.clock, policy.user)
        hooks = ExecutorHooks(self.priority, self._crash_points, faults)
        hooks.sent = stream.orders.note
        sender = Sender(
            user=policy.user,
            venue=venue,
            store=store,
            permit=nonces,
            lease=lease,
            clock=clock,
            account=account,
            patience_ms=LANE_PATIENCE_MS,
            attempts=attempts,
            hooks=hooks,
            stream=streamed,
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
            priority=self.priority,
            books=books,
            alarm=of_venue.alarm,
            faults=faults,
            aside=SetAside(policy.user, names, self._faults),
            doctor=doctor,
            stream=stream,
        )

    def _key_gates(self, lease: Lease, fingerprint: str, same_account: Gate | None) -> list[Gate]:
        """Return the gates of a key in their order: no call with another process's key, and no claim of another account's."""
        claim = KeyGate(self._bus, lease, fingerprint, self._faults)
        return [claim.look, *([same_account] if same_account is not None else []), claim.check]

    def venue(self, name: str) -> OpenVenue:
        """Return a venue as this process's mode has it; opened when it is first asked for. Raises Rejected."""
        known = self._settings.venue(name)
        return self._open_venue(name, name, known.url, known.stream_url)

    def paper_venue(self, name: str) -> OpenVenue:
        """Return a venue of the paper exchange, for users with `paper = true` in live mode. Raises Rejected."""
        url = self._settings.paper_url
        return self._open_venue(name, f"the paper exchange's {name}", url, VENUE_FACTS[name].stream_url(url))

    def price_stream(self, name: str) -> PriceStream:
        """Return a new stream of the last prices of a venue as this process's mode has it. Connects to nothing yet."""
        at = self.venue(name)
        url = VENUE_FACTS[name].stream_url(at.url, public=True)
        return open_price_stream(url=url, http=self._http, public=at.public, clock=at.clock)

    def connects(self, name: str) -> ConnectBudget:
        """Return the budget of connects to a venue's streams from where this process connects."""
        return ConnectBudget(self._bus, name, source=self._settings.egress.name)

    def look_at_clocks(self) -> None:
        """Report a host clock that differs from a venue's, and clear the report of one that no longer does."""
        for known in self._venues.values():
            known.alarm.look()

    def forget_faults(self, user: str) -> None:
        """Clear the faults of a user whose turn has ended: the next owner reports what it finds."""
        for fault in self._faults.standing:
            if fault.subject.startswith(subject(user, "")):
                self._faults.clear(fault.kind, fault.subject)

    async def _refuse_strange(self, policy: UserPolicy, key: ApiKey, venue_name: str) -> None:
        """Refuse a key that may be another user's, unless this user has traded with it before.

        A user without a file, or with an id that another one's spelling shares, cannot claim the variable. Raises
        ConfigurationError.
        """
        if policy.file not in {FileState.SHARED, FileState.GONE}:
            return
        if VENUE_FACTS[venue_name].takes_nonces:
            traded = await self._bus.do("EXISTS", keys.nonce(policy.user, key.fingerprint))
        else:
            traded = await has_claimed(self._bus, key.fingerprint, policy.user)
        if not traded:
            raise ConfigurationError(f"{policy.fault}; nor do exits go on: the key may be another user's")

    def _counter(
        self, memory: KeyMemory, lease: Lease, user: str, venue_name: str, fingerprint: str
    ) -> NonceCounter | None:
        """Return the nonce counter of a turn: above the clock, and above every nonce that this process has used with the key.

        None at a venue without nonces.

        The wall clock is enough: it must only exceed the nonces used before Redis lost the counter, and it never lowers one. If
        the clock was set back meanwhile, the nonces of this process count.
        """
        if not VENUE_FACTS[venue_name].takes_nonces:
            return None
        floor = max(time.time_ns() // 1_000, memory.nonces.floor if memory.nonces else 0)
        memory.nonces = NonceCounter(self._bus, lease, user, fingerprint, floor=floor)
        return memory.nonces

    def _memory(self, venue_name: str, fingerprint: str) -> KeyMemory:
        """Return what this process remembers about a key."""
        known = self._keys.get((venue_name, fingerprint))
        if known is None:
            tier = self._settings.venue_tier(venue_name)
            known = self._keys[venue_name, fingerprint] = KeyMemory(open_budget(venue_name, tier))
        return known

    def has_other_key(self, policy: UserPolicy, venue_name: str, *, works: bool) -> bool:
        """Return whether a new turn would sign with another key. `works`: the venue accepts the present one. Reads files."""
        account, read = self._keyed(policy, venue_name)
        return self.key_ring.is_outdated(account, read, works=works)

    def why_key_waits(self, policy: UserPolicy, venue_name: str) -> str:
        """Return why a changed key is not used yet; an empty string if none is waited for."""
        return self.key_ring.why_waiting(self._keyed(policy, venue_name)[0])

    async def _key(self, policy: UserPolicy, venue_name: str) -> ApiKey:
        """Return the key of an account; waits a moment for files that are being written. Raises ConfigurationError."""
        account, read = self._keyed(policy, venue_name)
        for _ in range(_KEY_TRIES - 1):
            with suppress(KeyPendingError):
                return self.key_ring.take(account, read)
            await asyncio.sleep(_KEY_PAUSE)
        return self.key_ring.take(account, read)

    def _keyed(self, policy: UserPolicy, venue_name: str) -> tuple[KeyedAccount, Callable[[], ApiKey]]:
        mode, paper = self._settings.shoal_mode, policy.paper
        return KeyedAccount(venue_name, policy.user, paper), lambda: read_api_key(
            venue_name, policy.user, mode, paper=paper, names=self._names()
        )

    def _names(self) -> Mapping[str, Sequence[str]]:
        """Return the variables of each key, cached for a moment."""
        read_at, names = self._key_names
        if not names or time.monotonic() - read_at > _KEYS_AGE:
            names = key_names()
            self._key_names = (time.monotonic(), names)
        return names

    def _open(self, name: str, key: ApiKey, nonces: NonceSource | None, memory: KeyMemory, *, paper: bool) -> Venue:
        apart = self._apart(paper=paper)
        at = self.paper_venue(name) if apart else self.venue(name)
        return open_account(
            name,
            url=at.url,
            stream_url=at.stream_url,
            api_key=key.key,
            api_secret=key.secret,
            nonces=nonces,
            http=self._http,
            timeout=VENUE_TIMEOUT,
            clock=at.clock,
            budget=memory.budget,
            public=at.public,
            paper=apart,
        )

    def _apart(self, *, paper: bool) -> bool:
        return paper and self._settings.shoal_mode is Mode.LIVE  # in paper mode all trade in one place

    def _open_venue(self, name: str, title: str, url: str, stream_url: str) -> OpenVenue:
        known = self._venues.get((name, title))
        if known is None:
            clock = VenueClock(title, wall=self._wall)
            public = open_public(
                name, url=url, http=self._http, timeout=VENUE_TIMEOUT, clock=clock, faults=self._faults
            )
            alarm = ClockAlarm(self._faults, clock.offset)
            known = OpenVenue(url, stream_url, public, clock, alarm, StreamPlaces(self.connects(name)))
            self._venues[name, title] = known
        return known
