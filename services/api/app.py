"""The composition root of the API: it reads Redis and shows what it finds, to those who may see it."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from fastapi import FastAPI

from services.api.access.build import add_access
from services.api.access.open_access import refuse_unless_local
from services.api.access.sign_in.desk import create_first_operator
from services.api.actions.routes import build_action_routes
from services.api.metrics import Metrics
from services.api.openapi import add_openapi
from services.api.outcome_counter import OutcomeCounter
from services.api.problems import add_error_handlers
from services.api.read_models import ReadModels
from services.api.routes import build_routes
from services.api.server import build_server
from services.api.web.build import add_web
from shared.bus.connection import Bus, open_bus
from shared.bus.state.heartbeat import Heartbeat, instance_name
from shared.bus.state.records import Records
from shared.bus.users.settings_source import user_source
from shared.config.settings import Settings
from shared.domain.fault import Faults
from shared.operations.actions.port import Ground
from shared.operations.desk import ActionDesk
from shared.runtime.http_server import bind, serve
from shared.runtime.mode_line import log_mode
from shared.runtime.supervision import Supervisor

_DESCRIPTION: Final = "The state of a running Shoal, and what an operator may do to it."

_FIRST_OPERATOR: Final = 5.0
"""Seconds for which a start waits for Redis to take the first operator; after that it is tried again while the API runs."""

log = structlog.get_logger()


def build(bus: Bus, settings: Settings) -> tuple[FastAPI, OutcomeCounter]:
    """Build the application, and the task that feeds its counters. Raises ConfigurationError if there is no folder of users."""
    models = ReadModels(bus, settings.shoal_config, user_source(settings, bus))
    metrics = Metrics(per_user=settings.api_metrics_per_user == "on")
    app = FastAPI(title="Shoal", description=_DESCRIPTION, docs_url=None, redoc_url=None)
    add_access(app, bus, settings)
    add_error_handlers(app)
    app.include_router(build_routes(models, metrics))
    desk = ActionDesk(Ground(bus, settings.shoal_config, models.policies, _now_ms, settings.shoal_config_source))
    app.include_router(build_action_routes(desk, bus, models.forget))
    app.state.prices, app.state.keep_ready = add_web(app, bus, models, settings.shoal_config, desk)
    add_openapi(app)
    return app, OutcomeCounter(bus, models, metrics)


async def main(settings: Settings) -> None:
    """Serve until cancelled. Raises ConfigurationError for a port in use or an unusable Redis or folder of users."""
    listener = bind(settings.api_host, settings.api_port, setting="API")
    try:
        refuse_unless_local(settings, listener)
        async with open_bus(settings.redis_url, "api", settings.durability) as bus:
            app, counter = build(bus, settings)
            faults = Faults(_now_ms)
            heartbeat = Heartbeat(Records(bus), "api", instance_name(), faults, _now_ms, settings.shoal_mode)
            await heartbeat.publish("running")
            log_mode(settings)
            async with asyncio.TaskGroup() as group:
                keep_up = Supervisor(faults).keep_up
                background = [
                    group.create_task(keep_up("heartbeat", heartbeat.run)),
                    group.create_task(keep_up("counting outcomes", counter.run)),
                    group.create_task(keep_up("sampling prices", app.state.prices.run)),
                    group.create_task(keep_up("keeping users up to date", app.state.keep_ready.run)),
                ]
                if settings.api_sign_in == "on":
                    first = group.create_task(create_first_operator(bus))
                    background.append(first)
                    await asyncio.wait(
                        {first}, timeout=_FIRST_OPERATOR
                    )  # so that the password stands above the address
                log.info("API started", url=f"http://{settings.api_host}:{settings.api_port}")
                await serve(build_server(app, settings), listener)
                for task in background:
                    task.cancel()
    finally:
        listener.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
