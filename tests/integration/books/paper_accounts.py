"""The master's and alice's accounts at the paper exchange, and the processes that serve them, over one stepped time."""

from __future__ import annotations

import time as steady_time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Final

from services.copy_engine.decisions.markets import Markets
from services.paper_exchange.core.account import Account
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.market_file import PaperFile
from shared.bus.flow.streams import Entry
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.state.records import Records
from shared.config.settings import Settings
from shared.contracts.messages import SignalMessage
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VenueName
from shared.venues.fake import FakeAccount, FakeVenue
from shared.venues.port import OrderRequest
from tests.integration.books.core_venue import CoreVenue
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.executor import rig as executor
from tests.integration.master_strategy import rig as master
from tests.support.newcomers import Turn
from tests.support.paper_app import build

SYMBOLS: Final = (Symbol("BTC", "USD"), Symbol("ETH", "USD"), Symbol("DOT", "USD"))


@dataclass
class ExchangeClock:
    """The exchange's clock: the stepped time."""

    time: SteppedTime

    def now(self) -> float:
        """Return the instant, in seconds since the epoch."""
        return self.time.now / 1000


def open_exchange(time: SteppedTime, venue: str) -> Exchange:
    """Return a new exchange whose market stands still until a test moves it."""
    paper = PaperFile.model_validate({"market": {"speed": 0, "pairs": [str(symbol) for symbol in SYMBOLS]}})
    exchange, _ = build(Settings(shoal_config=Path()), paper, ExchangeClock(time))
    return next(each for each in exchange.venues if each.kind.name == venue)


def open_books(exchange: Exchange, user: str, cash: str) -> Account:
    """Open an account with some cash."""
    name = exchange.kind.name
    books = exchange.accounts[user, name] = Account(user, name, "unlimited")
    books.transfer(exchange.ids.make("L"), exchange.clock.now(), "USD", Decimal(cash))
    return books


@dataclass
class _AtTheCore:
    """What a rig needs to connect to an account of the exchange in place of the fake's."""

    exchange: Exchange
    books: Account
    fee_in_base: Callable[[OrderRequest], bool] = lambda order: False
    opened: list[CoreVenue] = field(default_factory=list)

    def connect(self, account: FakeAccount, clock: Callable[[], int], nonces: NonceCounter) -> CoreVenue:
        """Connect a process."""
        account.replays = self.exchange.kind.name == VenueName.COINBASE
        venue = CoreVenue(self.exchange, self.books, account, clock, nonces, self.fee_in_base)
        self.opened.append(venue)
        return venue


@dataclass
class UserRig(executor.Rig):
    """Alice's executor, at the exchange."""

    core: _AtTheCore | None = None

    def open_venue(self, nonces: NonceCounter) -> FakeVenue:
        """Connect to alice's account."""
        assert self.core is not None
        return self.core.connect(self.account, self.clock, nonces)


@dataclass
class MasterRig(master.Rig):
    """The master's process, at the exchange."""

    core: _AtTheCore | None = None

    def open_venue(self, nonces: NonceCounter) -> FakeVenue:
        """Connect to the master's account."""
        assert self.core is not None
        return self.core.connect(self.account, self.time, nonces)


AtTheCore = _AtTheCore


class EngineTurn(Turn):
    """The engine a step at a time, with the markets that are published."""

    async def _process(self, entry: Entry) -> None:
        signal = SignalMessage.parse(entry.fields).to_domain()
        markets = Markets(Records(self.bus), self.clock, steady_time.monotonic)
        await self.fanout.distribute(entry, signal, self.users, markets)
        await self.group.ack("shoal:signals", entry.id)
