"""An account context: everything that one account is traded with, under one lease.

There is no way from here to an entry without a decision from the order stream: a context only knows how to carry decisions out.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from services.executor.account.faults import AccountFaults
from services.executor.account.keeper import AccountKeeper
from services.executor.account.names import AssetNames
from services.executor.account.risk_book import RiskBook
from services.executor.orders.set_aside import SetAside
from services.executor.turn.send_priority import SendPriority
from shared.bus.lease import Lease
from shared.bus.orders import RETENTION_MS, OrderStore
from shared.bus.records import Records
from shared.contracts import keys
from shared.domain.control import Control
from shared.domain.fault import Faults
from shared.domain.funds import Books, Funds
from shared.domain.limits.policy import UserPolicy
from shared.domain.rename import Renames
from shared.domain.values.symbol import Symbol
from shared.execution.sender import Sender
from shared.execution.venue_history import VenueHistory
from shared.runtime.clock_alarm import ClockAlarm
from shared.runtime.crash_points import CrashPoints
from shared.venues.port import Venue
from shared.venues.venue_clock import VenueTime


@dataclass(slots=True)
class AccountContext:
    """The parts of one account's trading."""

    policy: UserPolicy
    sender: Sender
    records: Records
    account: AccountKeeper
    clock: VenueTime
    """The venue's time. Nothing that money hangs on goes by this host's wall clock."""
    history: VenueHistory
    names: AssetNames
    retention_ms: int = RETENTION_MS
    crash_points: CrashPoints = field(default_factory=CrashPoints)
    priority: SendPriority = field(default_factory=SendPriority)
    """Shared by all accounts of a process."""
    books: Books = field(default_factory=lambda: Books(Funds.LIVE))
    alarm: ClockAlarm = field(default_factory=lambda: ClockAlarm(Faults(), lambda: None))
    """Whether this host's clock is too far from the venue's for entries; shared by all accounts of a venue."""
    booking: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held from reading a position or the risk state to writing it: symbols are traded side by side."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a position or a setting has changed: whoever guards the positions looks at once."""
    faults: AccountFaults = field(default_factory=lambda: AccountFaults(Faults(), "", ""))
    """What is wrong with this account, in the process's register; it ends with the turn."""
    aside: SetAside = field(default_factory=lambda: SetAside(""))
    """The orders that fail for a reason that nobody foresaw."""
    risk: RiskBook = field(init=False)

    def __post_init__(self) -> None:
        self.account.currency = self.policy.currency
        self.risk = RiskBook(
            self.user, self.venue.name, self.records, self.store, self.clock, self.booking, self.faults
        )

    def follow(self, policy: UserPolicy) -> None:
        """Go by changed settings from the next order on."""
        self.policy = policy
        self.changed.set()
        if self.account.currency != policy.currency:
            self.account.currency = policy.currency
            self.account.refresh_soon()

    async def switches(self, symbol: Symbol) -> tuple[Control, ...]:
        """Read every kill switch that concerns an order of this user's for a symbol, under its own name or the master's."""
        found = await self.records.switches(self.user, symbol)
        for source, target in self.policy.symbols.map.items():
            if target == symbol:
                found += (await self.records.switches(self.user, source))[-1:]
        for name in self.renames.former(symbol):  # a switch outlives the renaming of what it is about
            found += (await self.records.switches(self.user, name))[-1:]
        return found

    def switch_keys(self, symbol: Symbol) -> list[str]:
        """Return the keys of these switches."""
        names = [source for source, target in self.policy.symbols.map.items() if target == symbol]
        names += self.renames.former(symbol)
        return [keys.CONTROL, keys.control(self.user), *map(keys.control_of_symbol, [symbol, *names])]

    @property
    def user(self) -> str:
        """The user's id."""
        return self.policy.user

    @property
    def venue(self) -> Venue:
        """The account at the venue."""
        return self.sender.venue

    @property
    def store(self) -> OrderStore:
        """The account's orders in Redis."""
        return self.sender.store

    @property
    def lease(self) -> Lease:
        """The lease of this turn."""
        return self.sender.lease

    @property
    def renames(self) -> Renames:
        """The names that this turn goes by."""
        return self.names.renames
