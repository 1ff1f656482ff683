"""The same few handles on every venue under contract: an account, its venue, the price, and what goes wrong next.

The Kraken bench is the adapter against the real paper exchange over HTTP; the fake bench is the fake. Whatever a numbered test
asks of one it asks of the other, so that a unit test that passes on the fake means something.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol
from uuid import uuid4

import aiohttp

from services.paper_exchange.core.market.clock import SystemClock
from services.paper_exchange.market_file import LimitsSection, MarketSection, PaperFile
from services.paper_exchange.server import server_for
from shared.config.keys.coinbase_key import parse_secret
from shared.config.settings import Settings
from shared.domain.order import Side
from shared.domain.values.instrument import PairStatus
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.runtime.http_server import serve
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.transport import CoinbaseApi, SigningKey, request_text
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.factory import HttpSession, RateBudget, Tier, new_http_session, open_coinbase, open_kraken
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue, MemoryNonces
from shared.venues.kraken.transport import KrakenApi
from shared.venues.port import Candle, OrderRequest, Venue, VenueOrder, VenueOrderStatus
from shared.venues.venue_clock import ExactTime
from tests.support.paper_app import build

BTC: Final = Symbol("BTC", "USD")
PRICE: Final = Decimal(50_000)
FUNDS: Final = {"USD": Decimal(10_000), "BTC": Decimal("0.5")}
TIMEOUT: Final = 5.0  # seconds, as shipped; faults that hang the venue last longer
SHORT: Final = 1.0  # seconds, for those that wait for the end of what hangs


def now() -> int:
    """The wall clock in epoch ms."""
    return time.time_ns() // 1_000_000


def request(client_id: str, side: Side = Side.BUY, size: str = "0.01", limit: str | None = None) -> OrderRequest:
    """Write an order for BTC that may still be sent for half a minute."""
    price = None if limit is None else Price(Decimal(limit), BTC)
    return OrderRequest(client_id, BTC, side, Quantity(Decimal(size), "BTC"), price, now() + 30_000)


def resting(limit: str, side: Side = Side.BUY, *, client_id: str = "", post_only: bool = False) -> OrderRequest:
    """Write a limit order for BTC that stays open."""
    return replace(request(client_id or str(uuid4()), side, limit=limit), rests=True, post_only=post_only)


async def end_of(venue: Venue, venue_order_id: str) -> VenueOrder:
    """Return an order once its end is final: a venue may call it ended a moment before that."""
    async with asyncio.timeout(30):
        while True:
            if (order := await venue.order(venue_order_id)).status is VenueOrderStatus.DONE:
                return order
            await asyncio.sleep(0.1)


@dataclass(frozen=True)
class Terms:
    """What a venue's pair and fees are, which the contract does not fix: it must be shown as it is."""

    tick: str
    min_size: str
    min_cost: str
    below_minimum: str
    """A size of BTC that is refused as too small."""
    fee: str
    locks_out: bool
    """Whether the venue locks a key out for a while."""


KRAKEN_TERMS: Final = Terms("0.1", "0.00005", "0.5", "0.00004", "0.004", locks_out=True)
COINBASE_TERMS: Final = Terms("0.01", "0.00000001", "1", "0.00001", "0.012", locks_out=False)


class Bench(Protocol):
    """What a numbered test may do to a venue."""

    terms: Terms

    venue: Venue
    nonces: MemoryNonces

    async def set_price(self, price: Decimal) -> None:
        """Put BTC/USD exactly here."""
        ...

    async def trouble(self, name: str, method: str = "place") -> None:
        """Have the next call of a method of the port meet this trouble."""
        ...

    async def rest_elsewhere(self, client_id: str) -> str:
        """Have another program leave an unfilled order of this client id open; gives the venue's id."""
        ...

    async def orders_at_venue(self) -> int:
        """Count the orders that the venue ever took from this account."""
        ...


@dataclass
class FakeBench:
    """The fake under contract."""

    venue: Venue
    nonces: MemoryNonces
    fake: FakeVenue
    terms: Terms = KRAKEN_TERMS

    async def set_price(self, price: Decimal) -> None:
        self.fake.market.prices[BTC] = price
        self.fake.account.meet(Price(price, BTC), now())

    async def trouble(self, name: str, method: str = "place") -> None:
        failures: Mapping[str, tuple[Exception, bool]] = {
            "reply lost": (OutcomeUnknown("reply lost"), True),
            "lost on the way": (OutcomeUnknown("lost on the way"), False),
            "rate limit": (Unavailable("rate limit", 1.0), False),
            "key revoked": (Rejected("invalid key", Refusal.AUTH), False),
            "lockout": (Rejected("lockout", Refusal.LOCKED), False),
        }
        if name == "pair halted":
            self.fake.market.instruments[BTC] = replace(
                self.fake.market.instruments[BTC], status=PairStatus.CANCEL_ONLY
            )
        elif name == "partial fill":
            self.fake.account.fill_share = Decimal("0.4")
        elif name == "fill during cancel":
            self.fake.account.fills_on_cancel = True
        else:
            error, after_accept = failures[name]
            self.fake.fail(method, error, after_accept=after_accept)

    async def rest_elsewhere(self, client_id: str) -> str:
        self.fake.account.rests = True
        accepted = await self.fake.place(request(client_id), self.nonces.begin)
        return accepted.venue_order_id

    async def orders_at_venue(self) -> int:
        return len(self.fake.account.orders)


@dataclass
class PaperExchange:
    """The paper exchange on a port of its own, in this process, with a market that stands still."""

    url: str
    http: HttpSession
    steering: aiohttp.ClientSession
    """For everything that is not the venue's."""

    async def post(self, path: str, **body: Any) -> Any:
        """Steer it."""
        async with self.steering.post(f"{self.url}/paper/{path}", json=body) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def get(self, path: str, **query: str) -> Any:
        """Read its journal."""
        async with self.steering.get(f"{self.url}/paper/{path}", params=query) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def fault(self, fault: str, **options: Any) -> None:
        """Arm a fault."""
        await self.post("faults", fault=fault, **options)

    async def cure(self) -> None:
        """Disarm all faults."""
        async with self.steering.delete(f"{self.url}/paper/faults") as response:
            assert response.status == 200, await response.text()

    async def account(self, user: str, **options: Any) -> dict[str, str]:
        """Create an account and its key."""
        balances = {asset: str(amount) for asset, amount in FUNDS.items()}
        wish = {"user": user, "venue": "kraken", "balances": balances, "tier": "unlimited"} | options
        created: dict[str, str] = await self.post("accounts", **wish)
        return created


@asynccontextmanager
async def paper_exchange(config: Path) -> AsyncIterator[PaperExchange]:
    """Run one until the block ends."""
    market = MarketSection(speed=0, spread_bps=0, pairs=("BTC/USD", "ETH/USD", "DOGE/USD"))
    paper = PaperFile(market=market, limits=LimitsSection())
    _, door = build(Settings(shoal_config=config, paper_latency="off"), paper, SystemClock())
    # With the protocol named, asyncio switches Nagle's algorithm off; without, each answer takes 40 ms longer.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    serving = asyncio.create_task(serve(server_for(door), listener))
    try:
        async with new_http_session() as http, aiohttp.ClientSession() as steering:
            exchange = PaperExchange(f"http://127.0.0.1:{listener.getsockname()[1]}", http, steering)
            await exchange.post("price", symbol=str(BTC), price=str(PRICE))
            yield exchange
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


@dataclass
class KrakenBench:
    """The Kraken adapter under contract."""

    venue: Venue
    nonces: MemoryNonces
    paper: PaperExchange
    api: KrakenApi
    user: str
    key: str
    terms: Terms = KRAKEN_TERMS

    async def set_price(self, price: Decimal) -> None:
        await self.paper.post("price", symbol=str(BTC), price=str(price))

    async def trouble(self, name: str, method: str = "place") -> None:
        fault = {
            "reply lost": "processed_then_reply_dropped",
            "lost on the way": "drop_before_process",
            "rate limit": "order_rate_limited",
            "key revoked": "key_revoked_mid_run",
            "lockout": "temporary_lockout",
            "pair halted": "pair_halted",
            "partial fill": "partial_fill_then_cancel",
            "fill during cancel": "fill_during_cancel",
        }[name]
        if fault == "pair_halted":
            await self.paper.fault(fault, symbol=str(BTC))
            return
        path = {
            "place": "AddOrder",
            "validate": "AddOrder",
            "balances": "BalanceEx",
            "order": "QueryOrders",
            "cancel": "CancelOrder",
        }[method]
        await self.paper.fault(fault, user=self.user, method=path, count=1)

    async def rest_elsewhere(self, client_id: str) -> str:
        params = {"pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01", "price": "10000"}
        reply = await self.api.private("AddOrder", {**params, "cl_ord_id": client_id}, await self.nonces.next())
        assert reply.texts == ()
        return str(reply.result["txid"][0])

    async def orders_at_venue(self) -> int:
        return len(await self.paper.get("orders", user=self.user))

    async def verdicts(self) -> list[tuple[str, str]]:
        """Give (method, verdict) of every private request in the order of arrival."""
        rows = await self.paper.get("requests", api_key=self.key)
        return [(row["method"], row["verdict"]) for row in rows]


@dataclass
class CoinbaseBench:
    """The Coinbase adapter under contract."""

    venue: Venue
    nonces: MemoryNonces
    """Only `begin` is used: there are no nonces."""
    paper: PaperExchange
    api: CoinbaseApi
    user: str
    key: str
    terms: Terms = COINBASE_TERMS

    async def set_price(self, price: Decimal) -> None:
        await self.paper.post("price", symbol=str(BTC), price=str(price))

    async def trouble(self, name: str, method: str = "place") -> None:
        fault = {
            "reply lost": "processed_then_reply_dropped",
            "lost on the way": "drop_before_process",
            "rate limit": "rate_limited",
            "key revoked": "key_revoked_mid_run",
            "pair halted": "pair_halted",
            "partial fill": "partial_fill_then_cancel",
            "fill during cancel": "fill_during_cancel",
        }[name]
        if fault == "pair_halted":
            await self.paper.fault(fault, symbol=str(BTC), venue="coinbase")
            return
        path = {
            "place": "CreateOrder",
            "validate": "PreviewOrder",
            "balances": "ListAccounts",
            "order": "GetOrder",
            "cancel": "CancelOrders",
        }[method]
        lasting = fault == "key_revoked_mid_run"  # one 401 is no refusal of a key
        await self.paper.fault(fault, user=self.user, method=path, **({} if lasting else {"count": 1}))

    async def rest_elsewhere(self, client_id: str) -> str:
        body = request_text(
            {
                "client_order_id": client_id,
                "product_id": "BTC-USD",
                "side": "BUY",
                "order_configuration": {"limit_limit_gtc": {"base_size": "0.01", "limit_price": "10000"}},
            }
        )
        reply = await self.api.send("/orders", body)
        assert reply.body is not None
        assert reply.body["success"] is True
        return str(reply.body["success_response"]["order_id"])

    async def orders_at_venue(self) -> int:
        return len(await self.paper.get("orders", user=self.user))

    async def verdicts(self) -> list[tuple[str, str]]:
        """Give (method, verdict) of every private request in the order of arrival."""
        rows = await self.paper.get("requests", api_key=self.key)
        return [(row["method"], row["verdict"]) for row in rows]


def fake_bench(*, replays: bool = False) -> FakeBench:
    """Make a fake with the funds and prices that all benches begin with."""
    candles = [Candle(60_000 * n, PRICE, PRICE, PRICE, PRICE, Decimal(1)) for n in range(1, 4)]
    market = FakeMarket({BTC: PRICE}, candles={BTC: candles})
    nonces = MemoryNonces()
    venue = FakeVenue(market, FakeAccount(dict(FUNDS), replays=replays), clock=now, nonces=nonces)
    return FakeBench(venue, nonces, venue)


async def kraken_bench(
    paper: PaperExchange,
    user: str = "alice",
    *,
    budget: Tier | None = None,
    timeout: float = TIMEOUT,  # the adapter's
    **options: Any,
) -> KrakenBench:
    """Open a new account of the paper exchange through the adapter."""
    created = await paper.account(user, **options)
    nonces = MemoryNonces(time.time_ns() // 1000)
    key, secret = created["api_key"], created["api_secret"]
    venue = open_kraken(
        url=paper.url,
        api_key=key,
        api_secret=secret,
        nonces=nonces,
        http=paper.http,
        timeout=timeout,
        clock=now,
        budget=RateBudget(budget),
    )
    api = KrakenApi(url=paper.url, http=paper.http, timeout=timeout, api_key=key, api_secret=secret)
    return KrakenBench(venue, nonces, paper, api, user, key)


async def coinbase_bench(
    paper: PaperExchange,
    user: str = "alice",
    *,
    timeout: float = TIMEOUT,  # the adapter's
    **options: Any,
) -> CoinbaseBench:
    """Open a new account of the paper exchange through the adapter."""
    created = await paper.account(user, venue="coinbase", **options)
    key, secret = created["api_key"], created["api_secret"]
    venue = open_coinbase(
        url=paper.url,
        api_key=key,
        api_secret=secret,
        http=paper.http,
        timeout=timeout,
        clock=now,
        budget=CoinbaseBudget(),
    )
    signing = SigningKey(key, parse_secret(secret))
    api = CoinbaseApi(url=paper.url, http=paper.http, timeout=timeout, clock=ExactTime(now), key=signing)
    return CoinbaseBench(venue, MemoryNonces(), paper, api, user, key)
