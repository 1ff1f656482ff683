"""A master of real parts at the paper exchange, in virtual time and without sockets.

Cycle, exit watch, trader, emitter, Redis, the Kraken adapter with its signed requests, and the exchange behind its front: only
the bytes' way over the wire is left out. The test says what the market does, candle by candle.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from services.master_strategy.trading.cycle import Cycle
from services.master_strategy.trading.exit_watch import ExitWatch
from services.paper_exchange.control.messages import NewAccount
from services.paper_exchange.control.registry import create
from services.paper_exchange.core.account import Account
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.order import Order
from services.paper_exchange.kraken.front import KrakenFront, Request
from services.paper_exchange.market_file import PaperFile
from services.paper_exchange.wire import Reply
from shared.bus.ownership.nonce import NonceCounter
from shared.config.settings import Settings
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.venues.factory import HttpSession, RateBudget, open_kraken
from shared.venues.fake import FakeVenue
from shared.venues.http.connection import HttpAnswer
from shared.venues.port import Candle, Venue
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.master_strategy.rig import Rig, Run, until
from tests.support.paper_app import build
from tests.unit.master_strategy.values import BTC

KEY: Final = "PAPERMASTER"
SECRET: Final = b64encode(b"a secret of the paper exchange").decode()
_SECOND: Final = 1_000
_LATEST: Final = 700
"""Candles that a venue lists at most (Kraken: 720)."""


class _Clock:
    """The exchange's wall clock is the master's: an order's deadline means the same to both."""

    def __init__(self, time: SteppedTime) -> None:
        self._time = time

    def now(self) -> float:
        return self._time.now / 1000


class _Wire:
    """What the adapter takes for a session of connections: each request is answered by the exchange's front, at once."""

    def __init__(self, front: KrakenFront) -> None:
        self._front = front

    def origin(self, url: str) -> _Wire:
        """Return the one origin there is."""
        del url
        return self

    def drop_idle(self) -> None:
        """There is no connection."""

    async def ask(
        self, verb: str, target: str, headers: Mapping[str, str], body: bytes | None = None, *, timeout: float
    ) -> HttpAnswer:
        """Have the exchange answer."""
        del timeout
        at, given = urlsplit(target), {name.lower(): value for name, value in headers.items()}
        request = Request(
            verb,
            at.path,
            at.query.encode(),
            given.get("api-key", ""),
            given.get("api-sign", "").encode(),
            b"application/x-www-form-urlencoded",
            body or b"",
        )
        reply = self._front.answer(request)
        assert isinstance(reply, Reply)
        return HttpAnswer(reply.status, [], reply.body)


class _Listed:
    """The account's venue, which lists the candles that the test has let pass: the exchange's market stands still in between."""

    def __init__(self, venue: Venue, candles: Mapping[Symbol, Sequence[Candle]]) -> None:
        self._venue = venue
        self._candles = candles

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def candles(self, symbol: Symbol, minutes: int) -> Sequence[Candle]:
        """Return the committed candles."""
        del minutes
        return self._candles[symbol][-_LATEST:]


@dataclass
class PaperRig(Rig):
    """The rig whose account is at the paper exchange."""

    cash: Decimal = Decimal(1_000)
    symbols: Sequence[Symbol] = (BTC,)
    listed: dict[Symbol, list[Candle]] = field(default_factory=dict)
    """The candles that have ended, oldest first."""

    def __post_init__(self) -> None:
        """Open the exchange and the account, with the market standing still."""
        super().__post_init__()
        self.listed = {symbol: [] for symbol in self.symbols}
        market = PaperFile.model_validate({"market": {"speed": 0, "pairs": list(map(str, self.symbols))}})
        exchange, door = build(Settings(shoal_config=Path()), market, _Clock(self.time))
        self.exchange: Exchange = exchange
        self._front: KrakenFront = door._kraken
        wish = {"user": "master", "venue": "kraken", "balances": {"USD": str(self.cash)}, "tier": "unlimited"}
        made = create(exchange, NewAccount.model_validate({**wish, "api_key": KEY, "api_secret": SECRET}))
        self.paper: Account = made.account

    def open_venue(self, nonces: NonceCounter) -> FakeVenue:
        """Connect a process to the account, by the adapter."""
        venue = open_kraken(
            url="http://127.0.0.1:1",
            api_key=KEY,
            api_secret=SECRET,
            nonces=nonces,
            http=cast("HttpSession", _Wire(self._front)),
            timeout=5.0,
            clock=self.time.clock().now,
            budget=RateBudget(None),
        )
        return cast("FakeVenue", _Listed(venue, self.listed))

    @property
    def orders(self) -> Sequence[Order]:
        """Return what the exchange accepted, oldest first."""
        return list(self.exchange.journal.orders)


@dataclass
class Market:
    """Lets candles pass in front of a master: within each the price goes to the low, the high, the low again, and the close.

    Those are the prices, and the order of them, that a backtest assumes, one symbol after the other. The price moves tick by tick
    as far as the master's own plan can see: it stops at each trigger that it passes.
    """

    rig: PaperRig
    run: Run
    cycle: Cycle
    watch: ExitWatch
    strategy: str
    prices: dict[Symbol, Decimal] = field(default_factory=dict)
    by_plan: int = 0
    """Sales that the exit plan made."""

    async def candles(self, candles: Mapping[Symbol, Candle], *, last: bool) -> None:
        """Let a candle of each symbol pass, and the master decide at their close; after the last ones there is no next open."""
        await self.run.lease.renew()  # its time is the wall clock's
        for symbol, candle in candles.items():
            for end in (candle.open, candle.low, candle.high, candle.low):
                await self._move(symbol, end)
            self._set(symbol, candle.close)
        if last:
            return
        await self.run.mirror.refresh()
        for symbol, candle in candles.items():
            self.rig.listed[symbol].append(candle)
        await self.cycle.turn()
        await self._settled()

    def _plan(self, symbol: Symbol) -> ExitPlan | None:
        return self.run.book.own.position(self.strategy, symbol).plan

    async def _move(self, symbol: Symbol, end: Decimal) -> None:
        while (on_the_way := self._trigger(symbol, end)) is not None:
            self._set(symbol, on_the_way)
            before = self._plan(symbol)
            await self._look(symbol)
            if self._plan(symbol) == before:
                break  # it cannot be sold: what is left of it is too small
        self._set(symbol, end)
        await self._look(symbol)

    def _trigger(self, symbol: Symbol, end: Decimal) -> Decimal | None:
        """Return the first tick on the way at which the plan sells; None if there is none."""
        plan, tick, price = self._plan(symbol), self.run.mirror.instruments[symbol].tick, self.prices.get(symbol)
        if plan is None or price is None:
            return None
        stop = plan.stop.quantize(tick, ROUND_FLOOR)
        if end <= stop:
            return min(stop, price)
        target = plan.targets[0].price.quantize(tick, ROUND_CEILING) if plan.targets else None
        return max(target, price) if target is not None and end >= target else None

    async def _look(self, symbol: Symbol) -> None:
        if self._plan(symbol) is None:
            return
        sold = len(self.rig.orders)
        prices = await self.run.venue.prices([symbol])
        await self.run.records.write_prices(self.run.venue.name, prices.values(), self.rig.time.now)
        await self.watch.look()
        await self._settled()
        self.by_plan += len(self.rig.orders) - sold

    def _set(self, symbol: Symbol, price: Decimal) -> None:
        self.rig.time.now += _SECOND
        self.prices[symbol] = price
        self.rig.exchange.set_price(str(symbol), price)

    async def _settled(self) -> None:
        await until(lambda: not self.run.book.under_way)
        self.rig.time.now += _SECOND
