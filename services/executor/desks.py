"""Sets up the desks of one user: keys, nonces, the venue's adapter. A key that cannot be used gives a desk that says why."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import aiohttp

from services.executor.account import AccountKeeper
from services.executor.desk import Desk, Sent
from services.executor.history import History
from services.executor.timing import VENUE_TIMEOUT
from shared.bus.connection import Bus
from shared.bus.lease import Lease
from shared.bus.nonce import NonceCounter
from shared.bus.orders import OrderStore
from shared.bus.records import Records
from shared.config.boundary import Boundary
from shared.config.errors import ConfigurationError
from shared.config.secrets import ApiKey, read_api_key
from shared.config.settings import Settings
from shared.domain.policy import UserPolicy
from shared.venues.errors import Rejected
from shared.venues.factory import open_kraken, open_public_kraken
from shared.venues.port import Venue
from shared.venues.unusable import UnusableVenue

_NO_KEY: Final = "none"


class DeskMaker:
    """Makes the desks of a process. All of them share one HTTP session and the public side of each venue."""

    def __init__(self, settings: Settings, bus: Bus, http: aiohttp.ClientSession, clock: Callable[[], int]) -> None:
        self._settings = settings
        self._bus = bus
        self._http = http
        self._clock = clock
        self._boundary = Boundary(settings.debug_die_at)
        self._counters: dict[str, NonceCounter] = {}
        self._begun: dict[str, dict[str, Sent]] = {}
        self.public = open_public_kraken(
            url=settings.venue_url("kraken"), http=http, timeout=VENUE_TIMEOUT, clock=clock
        )

    def make(self, policy: UserPolicy, venue_name: str, lease: Lease) -> Desk:
        """Set up one account of a user under its lease; sends nothing yet."""
        try:
            key = self._key(policy.user, venue_name)
            nonces = self._counter(lease, policy.user, key.fingerprint)
            venue: Venue = self._open(key, nonces)
        except (ConfigurationError, Rejected) as error:
            nonces = self._counter(lease, policy.user, _NO_KEY)
            venue = UnusableVenue(venue_name, str(error))
        records = Records(self._bus)
        account = AccountKeeper(policy.user, venue, records, self._clock)
        return Desk(
            policy=policy,
            venue=venue,
            lease=lease,
            store=OrderStore(self._bus, lease, policy.user, venue_name, self._settings.retention_ms),
            nonces=nonces,
            records=records,
            account=account,
            clock=self._clock,
            history=History(venue, account, self._clock(), self._clock),
            begun=self._begun.setdefault(policy.user, {}),
            retention_ms=self._settings.retention_ms,
            boundary=self._boundary,
        )

    def _counter(self, lease: Lease, user: str, fingerprint: str) -> NonceCounter:
        """Make the nonce counter of a turn: above the clock, and above all that this process has used of the key."""
        last = self._counters.get(fingerprint)
        floor = max(time.time_ns() // 1_000, last.floor if last else 0)
        counter = self._counters[fingerprint] = NonceCounter(self._bus, lease, user, fingerprint, floor=floor)
        return counter

    def _key(self, user: str, venue_name: str) -> ApiKey:
        if venue_name != self.public.name:
            raise ConfigurationError(f"{venue_name} is not supported yet")
        return read_api_key(venue_name, user, self._settings.shoal_mode)

    def _open(self, key: ApiKey, nonces: NonceCounter) -> Venue:
        return open_kraken(
            url=self._settings.venue_url("kraken"),
            api_key=key.key,
            api_secret=key.secret,
            nonces=nonces,
            http=self._http,
            timeout=VENUE_TIMEOUT,
            clock=self._clock,
            public=self.public,
        )
