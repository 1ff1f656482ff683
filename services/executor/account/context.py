"""An account context: everything that one account is traded with, under one lease.

Built by the context factory and taken apart by those who trade: a function that needs a few parts takes these, not the context.
It must never decide anything: an entry comes from a decision in the order stream alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.executor.account.balances.keeper import AccountKeeper
from services.executor.account.books.positions import AccountPositions
from services.executor.account.books.renaming import Renamer
from services.executor.account.faults import AccountFaults
from services.executor.account.keys.key_doctor import KeyDoctor
from services.executor.account.names import AssetNames
from services.executor.account.risk_keeper import RiskKeeper
from services.executor.mirroring.gate import MirrorGate
from services.executor.orders.set_aside import SetAside
from services.executor.streams.account_stream import AccountStream
from services.executor.turn.send_priority import SendPriority
from shared.bus.order.orders import RETENTION_MS, OrderStore
from shared.bus.ownership.lease import Lease
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.control import Control
from shared.domain.fault import Faults
from shared.domain.funds import Funds, FundsMark
from shared.domain.limits.policy import UserPolicy
from shared.domain.rename import Renames
from shared.domain.values.symbol import Symbol
from shared.execution.recovery.venue_history import VenueHistory
from shared.execution.sender import Sender
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
    """The venue's time. Nothing that money depends on uses this host's wall clock."""
    history: VenueHistory
    names: AssetNames
    aside: SetAside
    """The orders that fail unexpectedly."""
    retention_ms: int = RETENTION_MS
    crash_points: CrashPoints = field(default_factory=CrashPoints)
    priority: SendPriority = field(default_factory=SendPriority)
    """Shared by all accounts of a process."""
    books: FundsMark = field(default_factory=lambda: FundsMark(Funds.LIVE))
    alarm: ClockAlarm = field(default_factory=lambda: ClockAlarm(Faults(), lambda: None))
    """Whether this host's clock is too far from the venue's for entries; shared by all accounts of a venue."""
    faults: AccountFaults = field(default_factory=lambda: AccountFaults(Faults(), "", ""))
    """The faults of this account in the process's register; cleared with the turn."""
    doctor: KeyDoctor | None = None
    """Checks the API key; None in tests of what does not concern it."""
    mirrors: MirrorGate = field(default_factory=MirrorGate)
    """The orders that are mirrored; set by the turn."""
    stream: AccountStream | None = None
    """Follows the account by its private stream; None in tests of what does not concern it."""
    positions: AccountPositions = field(init=False)
    renamer: Renamer = field(init=False)
    risk: RiskKeeper = field(init=False)

    def __post_init__(self) -> None:
        self.account.currency = self.policy.currency
        self.positions = AccountPositions(self.user, self.venue.name, self.records, self.store, self.clock, self.faults)
        self.renamer = Renamer(self.names, self.positions, self.venue, self.records, self.faults, self.clock)
        traded = self.account.traded_prices
        self.risk = RiskKeeper(self.positions, self.records, self.store, self.clock, self.faults, traded)

    def follow(self, policy: UserPolicy) -> None:
        """Apply changed settings from the next order on."""
        self.policy = policy
        self.positions.changed.set()
        if self.account.currency != policy.currency:
            self.account.currency = policy.currency
            self.account.refresh_soon()
        if self.doctor is not None:
            self.doctor.currency = policy.currency

    async def switches(self, symbol: Symbol) -> tuple[Control, ...]:
        """Read every kill switch that applies to an order of this user for a symbol, under its own name or the master's."""
        found = await self.records.switches(self.user, symbol)
        for source, target in self.policy.symbols.map.items():
            if target == symbol:
                found += (await self.records.switches(self.user, source))[-1:]
        for name in self.renames.former(symbol):  # a switch outlives a renaming of its symbol
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
        """The renames that this turn applies."""
        return self.names.renames
