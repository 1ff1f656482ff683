"""The composition root of the paper exchange: the one place where its parts meet."""

from __future__ import annotations

import asyncio
import random
import socket

import structlog

from services.paper_exchange.asgi import Application
from services.paper_exchange.coinbase.front import CoinbaseFront
from services.paper_exchange.coinbase.portfolios import Portfolios
from services.paper_exchange.coinbase.products import list_product
from services.paper_exchange.coinbase.streams.server import CoinbaseStreams
from services.paper_exchange.coinbase.venue import PENDING_MOST, CoinbaseVenue, coinbase_kind
from services.paper_exchange.control.gate import ControlGate, control_token
from services.paper_exchange.control.plane import control_plane
from services.paper_exchange.core.exchange import Exchange, VenueKind
from services.paper_exchange.core.faults import VenueFaults
from services.paper_exchange.core.ids import Ids, UuidIds
from services.paper_exchange.core.instrument import Instrument
from services.paper_exchange.core.latency import AT_ONCE, Latency
from services.paper_exchange.core.market.clock import Clock, SystemClock
from services.paper_exchange.core.market.market import Market
from services.paper_exchange.core.market.venue_market import VenueMarket
from services.paper_exchange.kraken.front import KrakenFront
from services.paper_exchange.kraken.pairs import BOOK_CAPS, FEES, INSTRUMENTS, list_pair
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.server import KrakenStreams
from services.paper_exchange.market_file import PaperFile, build_market, read_paper_file
from services.paper_exchange.market_loop import run_market
from services.paper_exchange.price_mirror import TIMEOUT, PriceMirror
from services.paper_exchange.server import BACKLOG, server_for
from services.paper_exchange.streaming.register import StreamRegister
from shared.config.settings import Settings
from shared.config.venue.origins import read_origin
from shared.runtime.http_guard import HttpGuard, names_of
from shared.runtime.http_server import bind, serve
from shared.runtime.supervision import endless
from shared.venues.factory import new_http_session, open_public_kraken

log = structlog.get_logger(__name__)


def build(settings: Settings, paper: PaperFile, clock: Clock, token: str = "") -> tuple[Exchange, Application]:
    """Build the exchange and its application; `token` is the control plane's, empty where that is open."""
    market = build_market(paper.market, clock, settings.shoal_config, mirrored=bool(settings.prices_url))
    rng = random.SystemRandom()
    exchange = Exchange(clock, market, kraken_kind(market, Ids(rng)))
    register = StreamRegister()
    beside = Exchange(clock, market, coinbase_kind(market, UuidIds(rng)), beside=exchange)
    names = names_of(settings.paper_host, [read_origin(settings.paper_url).host])
    coinbase = CoinbaseVenue(beside, Portfolios(PENDING_MOST if market.clock.speed else 0.0, rng))
    plane = ControlGate(control_plane(exchange, coinbase, list_market, register), token)
    control = HttpGuard(plane, names, "PAPER_URL")
    kraken = KrakenFront(exchange, paper.limits.limits())
    faults = VenueFaults(exchange.faults, exchange.kind.name)
    streams = StreamContext(exchange, kraken.tokens, kraken.trading, register, faults, clock)
    return exchange, Application(
        kraken,
        CoinbaseFront(coinbase, limited=paper.limits.coinbase),
        control,
        clock,
        kraken_streams=KrakenStreams(streams, limited=paper.limits.streams),
        coinbase_streams=CoinbaseStreams(coinbase, register, limited=paper.limits.streams),
        latency=latency_of(settings, paper),
    )


def latency_of(settings: Settings, paper: PaperFile) -> Latency:
    """Return the latency of the file, or none if the environment switches it off."""
    return paper.latency.latency() if settings.paper_latency == "on" else AT_ONCE


def kraken_kind(market: Market, ids: Ids) -> VenueKind:
    """Return Kraken over a market: its symbols and steps are the market's own."""
    instruments = {symbol: INSTRUMENTS[symbol] for symbol in market.feeds}
    return VenueKind("kraken", "AddOrder", instruments, FEES, ids, VenueMarket(market), BOOK_CAPS)


def list_market(instrument: Instrument) -> None:
    """List a pair that has got another name, at both venues."""
    list_pair(instrument)
    list_product(instrument)


async def run(settings: Settings) -> None:
    """Serve until cancelled. Raises ConfigurationError for a wrong paper.toml or a port in use."""
    paper = read_paper_file(settings.shoal_config)
    listener = bind(settings.paper_host, settings.paper_port, setting="PAPER", backlog=BACKLOG)
    try:
        token = control_token(settings, listener)
        await _serve(settings, paper, listener, token)
    finally:
        listener.close()


async def _serve(settings: Settings, paper: PaperFile, listener: socket.socket, token: str) -> None:
    exchange, application = build(settings, paper, SystemClock(), token)
    log.info(
        "paper exchange started",
        url=f"http://{settings.paper_host}:{settings.paper_port}",
        speed=exchange.market.clock.speed,
        control_plane="needs its token" if token else "open to this machine",
        prices=settings.prices_url or f"made up: {paper.market.regime}",
        pairs=len(exchange.market.feeds),
        latency_ms="none"
        if latency_of(settings, paper).off
        else f"{paper.latency.min_ms:g} to {paper.latency.max_ms:g}",
    )
    try:
        async with (
            asyncio.TaskGroup() as group
        ):  # a failing market loop ends the service instead of stopping the market
            helpers = [group.create_task(endless("the market", run_market(exchange)))]
            if settings.prices_url:
                helpers.append(group.create_task(endless("following prices", _follow(exchange, settings))))
            await serve(server_for(application), listener)
            for helper in helpers:
                helper.cancel()
    finally:
        log.info("paper exchange stopped", requests=len(exchange.journal), orders=len(exchange.journal.orders))


async def _follow(exchange: Exchange, settings: Settings) -> None:
    url = settings.prices_url
    async with new_http_session(settings.egress) as http:
        source = open_public_kraken(url=url, http=http, timeout=TIMEOUT, clock=lambda: int(exchange.clock.now() * 1000))
        await PriceMirror(exchange, source, url).run()
