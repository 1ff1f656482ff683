"""The composition root of the paper exchange: the one place where its parts meet."""

from __future__ import annotations

import asyncio
import random
import sys

import structlog
import uvloop

from services.paper_exchange.asgi import Door
from services.paper_exchange.control.plane import control_plane
from services.paper_exchange.core.clock import Clock, SystemClock
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.kraken.front import KrakenFront
from services.paper_exchange.kraken.pairs import FEES, INSTRUMENTS
from services.paper_exchange.market_file import PaperFile, build_market, read_paper_file
from services.paper_exchange.server import bind, serve, server_for
from services.paper_exchange.ticker import beat
from shared.config.errors import ConfigurationError
from shared.config.logging import configure_logging
from shared.config.settings import Settings, load_settings


def build(settings: Settings, paper: PaperFile, clock: Clock) -> tuple[Exchange, Door]:
    """Put the exchange together."""
    market = build_market(paper.market, clock, settings.shoal_config)
    instruments = {symbol: INSTRUMENTS[symbol] for symbol in market.feeds}
    exchange = Exchange(clock, market, instruments, FEES, random.SystemRandom())
    return exchange, Door(KrakenFront(exchange, paper.limits.limits()), control_plane(exchange))


def main() -> int:
    """Run the paper exchange until a signal ends it; give the exit code."""
    try:
        settings = load_settings()
        configure_logging("paper-exchange", settings.log_format)
        paper = read_paper_file(settings.shoal_config)
        exchange, door = build(settings, paper, SystemClock())
        listener = bind(settings.paper_host, settings.paper_port)
    except ConfigurationError as error:
        sys.stderr.write(f"paper-exchange: {error}\n")
        return 1
    log = structlog.get_logger("paper-exchange")
    log.info(
        "paper exchange started",
        url=f"http://{settings.paper_host}:{settings.paper_port}",
        speed=paper.market.speed,
        regime=paper.market.regime,
        pairs=len(exchange.market.feeds),
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(server_for(door), listener, lambda: beat(exchange)))
    log.info("paper exchange stopped", requests=len(exchange.journal), orders=len(exchange.journal.orders))
    return 0
