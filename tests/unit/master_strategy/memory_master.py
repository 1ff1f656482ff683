"""A master's fill watcher without Redis: on a fake venue, with what it writes kept in memory, and a user who follows it.

The user is the product of the signals alone: an entry adds its size, an exit takes its fraction away.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, cast

from services.master_strategy.account.account_check import AccountCheck
from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fill_watcher import FillWatcher
from services.master_strategy.fills.own_copies import OwnCopies
from services.master_strategy.fills.scan_health import ScanHealth
from services.master_strategy.fills.signal_emitter import SignalEmitter
from shared.bus.flow.signals import SignalLog
from shared.bus.master.master_account import MasterRecords
from shared.bus.order.orders import OrderStore
from shared.bus.ownership.lease import Lease
from shared.bus.state.records import Records
from shared.domain.account import MASTER
from shared.domain.fault import Faults
from shared.domain.master_account import Baseline, MasterHolding, UncopiedOrder
from shared.domain.order import Kind, Side
from shared.domain.signal import Signal
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.money import ONE, ZERO, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.runtime.crash_points import CrashPoints
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue, MemoryNonces
from shared.venues.port import OrderRequest, TradeKind, VenueOrder
from tests.unit.master_strategy.values import BTC, NOW

EUR = Symbol.parse("BTC/EUR")
_STEP = 12_000


class _Memory:
    """Everything that the watcher writes, and answers that nothing was written before."""

    remaining = 60.0
    holder = owner = MASTER

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.ids: set[str] = set()
        self.uncopied: dict[str, UncopiedOrder] = {}
        self.holdings: dict[str, MasterHolding] = {}
        self.positions: dict[Symbol, object] = {}

    def require(self, seconds: float) -> None:
        """As the lease: held."""

    async def emit(self, signal: Signal) -> str | None:
        """As the signal log: each id once."""
        if signal.id in self.ids:
            return None
        self.ids.add(signal.id)
        self.signals.append(signal)
        return f"{len(self.signals)}-0"

    async def fill_cursor(self, user: str, venue: str) -> int | None:
        """As the signal log, before the first start."""

    async def set_fill_cursor(self, user: str, venue: str, until: int) -> None:
        """As the signal log."""

    async def load(self, order_id: str) -> Mapping[str, str]:
        """As the order store: no order is the strategy's."""
        return {}

    async def prices_of(self, venue: str, symbols: Sequence[Symbol]) -> dict[Symbol, tuple[Price, int]]:
        """As the records."""
        return {}

    async def write_position(self, user: str, venue: str, position: Any) -> None:
        """As the records."""
        self.positions[position.symbol] = position

    async def write(self, **written: Any) -> None:
        """As the master's records."""
        self.uncopied |= {row.id: row for row in written.get("uncopied", ())}
        self.holdings |= {row.coin: row for row in written.get("holdings", ())}
        self.positions |= {row.symbol: row for row in written.get("positions", ())}

    async def nothing(self, *_: Any) -> None:
        """Everything else that is written."""

    write_prices = write_instruments = write_account = nothing


class _NoCopies:
    async def owner(self, client_order_id: str, signals: Sequence[Signal]) -> str:
        return ""

    async def look_again(self) -> None:
        return None


@dataclass
class MemoryMaster:
    """The account of a person who trades by hand, and the watcher that sees it."""

    baseline: Baseline = Baseline.SEPARATE
    now: int = NOW
    account: FakeAccount = field(default_factory=lambda: FakeAccount({"USD": Decimal(10**7), "EUR": Decimal(10**7)}))
    market: FakeMarket = field(default_factory=lambda: FakeMarket({BTC: Decimal(60_000), EUR: Decimal(55_000)}))
    faults: Faults = field(default_factory=Faults)
    memory: _Memory = field(default_factory=_Memory)

    def __post_init__(self) -> None:
        self.account.taker_fee = ZERO
        self.market.instruments[EUR] = replace(seed_instruments("kraken")[BTC], symbol=EUR)

        async def sleep(seconds: float) -> None:
            self.now += int(seconds * 1000)
            await asyncio.sleep(0)

        clock, memory = Clock(now=lambda: self.now, sleep=sleep), cast("Any", self.memory)
        self.venue = FakeVenue(self.market, self.account, clock=clock.now, nonces=MemoryNonces())
        self.mirror = AccountMirror(self.venue, cast("Records", memory), clock, symbols=[BTC], currency="USD")
        self.book = MasterBook("kraken", {})
        self.health = ScanHealth(self.faults, clock, "kraken")
        check = AccountCheck(
            book=self.book,
            mirror=self.mirror,
            records=cast("MasterRecords", memory),
            clock=clock,
            venue="kraken",
            baseline=self.baseline,
            apart={},
        )
        emitter = SignalEmitter(
            venue=self.venue,
            signals=cast("SignalLog", memory),
            records=cast("Records", memory),
            master=cast("MasterRecords", memory),
            lease=cast("Lease", memory),
            book=self.book,
            mirror=self.mirror,
            check=check,
            copies=cast("OwnCopies", _NoCopies()),
            clock=clock,
            freshness_ms=30_000,
            faults=self.faults,
            crash_points=CrashPoints(),
        )
        self.watcher = FillWatcher(
            venue=self.venue,
            store=cast("OrderStore", memory),
            signals=cast("SignalLog", memory),
            master=cast("MasterRecords", memory),
            emitter=emitter,
            book=self.book,
            check=check,
            copies=cast("OwnCopies", _NoCopies()),
            clock=clock,
            currency="USD",
            strategies=["sma-cross"],
            faults=self.faults,
            health=self.health,
        )

    async def start(self) -> None:
        """Connect, and see what is there."""
        await self.mirror.connect()
        await self.watcher.scan()

    async def trade(
        self, side: Side, size: str | Decimal, symbol: Symbol = BTC, kind: TradeKind = TradeKind.SPOT
    ) -> VenueOrder:
        """Trade by hand, at market."""
        self.now += 1_000
        request = OrderRequest("", symbol, side, Quantity(Decimal(size), symbol.base), None, self.now + 60_000)
        before = dict(self.account.balances)
        accepted = await self.venue.place(request, MemoryNonces(10**15 + self.now).begin)
        self._raise_nonce()
        (index,) = [i for i, o in enumerate(self.account.orders) if o.venue_order_id == accepted.venue_order_id]
        if kind is TradeKind.MARGIN:
            self.account.balances = before
        self.account.orders[index] = replace(self.account.orders[index], trade=kind)
        return self.account.orders[index]

    async def rest(self, side: Side, size: str) -> str:
        """Place an order that stays open; give the venue's id."""
        self.account.rests = True
        order = await self.trade(side, size)
        self.account.rests = False
        return order.venue_order_id

    def fill(self, venue_order_id: str, part: str | Decimal) -> None:
        """Fill a part of an open order."""
        self.now += 1_000
        price = Price(self.market.prices[BTC], BTC)
        self.account.fill_part(venue_order_id, Quantity(Decimal(part), "BTC"), price)

    def end(self, venue_order_id: str) -> None:
        """End an open order."""
        self.now += 1_000
        self.account.end(venue_order_id, self.now)

    async def scan(self) -> None:
        """Let one scan's time go by, with the account read as it is due."""
        self.now += _STEP
        await self.mirror.refresh_if_due()
        await self.watcher.scan()

    async def settle(self, scans: int = 8) -> None:
        """Let so much time go by that everything has come to rest."""
        for _ in range(scans):
            await self.scan()

    @property
    def signals(self) -> list[Signal]:
        """The signals so far."""
        return self.memory.signals

    def user(self, symbol: Symbol = BTC) -> Decimal:
        """What a user of the master's size holds of a symbol by now."""
        held: dict[Symbol, Decimal] = defaultdict(Decimal)
        for signal in self.signals:
            if signal.kind is Kind.ENTRY:
                held[signal.symbol] += signal.base_size.amount
            else:
                held[signal.symbol] *= ONE - (signal.fraction or ONE)
        return held[symbol]

    def _raise_nonce(self) -> None:
        self.venue._nonces = MemoryNonces(self.account.last_nonce)  # a person's key has a counter of its own
