"""The OpenAPI document of the whole app, and every route against it: generated requests, none of which may fail the server."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings as examples
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import positive_data_acceptance

from services.api.app import build
from services.api.server import build_server
from shared.bus.connection import open_bus
from shared.config.settings import Settings
from shared.operations.request import Action
from shared.runtime.http_server import bind, serve
from shared.sign_in.access_tokens import AccessToken, AccessTokens
from shared.sign_in.role import Role
from tests.support.app_routes import all_routes
from tests.support.operating import hold
from tests.support.redis_server import RedisServer
from tests.support.shipped_config import all_at_kraken

_EXAMPLES = 10
_NOT_ASKED = [positive_data_acceptance]
"""A value of the right form may still be refused: there may be no such user, or no stop-out to lift."""
_DOCUMENTED = sorted(
    (method, path)
    for method, path in all_routes()
    if path.startswith(("/actions", "/api/", "/control-log", "/status", "/signals", "/readyz", "/healthz"))
    and method in {"GET", "POST"}
)


class RunningApi(threading.Thread):
    """The app in this process, in an event loop of its own: schemathesis asks from another one."""

    def __init__(self, redis: str, config: Path) -> None:
        super().__init__(daemon=True)
        self._redis, self._config = redis, config
        self._ready, self._end = threading.Event(), asyncio.Event()
        self.url, self.token, self.document = "", "", dict[str, Any]()

    def run(self) -> None:
        """Serve until stopped."""
        asyncio.run(self._serve())

    def stop(self) -> None:
        """End it, and wait for that."""
        self._loop.call_soon_threadsafe(self._end.set)
        self.join(30)

    def wait(self) -> None:
        """Wait until it serves."""
        assert self._ready.wait(60)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with open_bus(self._redis, "test") as bus:
            await bus.do_everywhere("FLUSHALL")
            await hold(bus, "alice", "BTC/USD", "0.02", "1000")
            found = await AccessTokens(bus).create(AccessToken("robot", Role.OPERATOR, "test", 1))
            settings = Settings(shoal_config=self._config)
            app, _ = build(bus, settings)
            listener = bind("127.0.0.1", 0, setting="API")
            server = asyncio.create_task(serve(build_server(app, settings), listener))
            self.url, self.token = f"http://127.0.0.1:{listener.getsockname()[1]}", str(found)
            self.document = app.openapi()
            self._ready.set()
            await self._end.wait()
            server.cancel()
            await asyncio.gather(server, return_exceptions=True)
            listener.close()


@pytest.fixture(scope="module")
def running(redis_server: RedisServer) -> Iterator[RunningApi]:
    """The app with its own loop."""
    with TemporaryDirectory() as folder:
        api = RunningApi(redis_server.url, all_at_kraken(Path(folder)))
        api.start()
        api.wait()
        yield api
        api.stop()


def test_every_route_of_programs_is_described_with_its_errors(running: RunningApi) -> None:
    paths = running.document["paths"]
    assert ("POST", "/actions/{action}") in _DOCUMENTED
    for method, path in _DOCUMENTED:
        operation = paths[path][method.lower()]
        assert operation["description"], path
        for status in ("401", "403", "503"):
            content = operation["responses"][status]["content"]
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}, (
                path,
                status,
            )
    assert "HTTPValidationError" not in str(running.document)
    for name in ("ConsequenceView", "DoneView", "ActionBody"):
        assert running.document["components"]["schemas"][name]["examples"], name


@pytest.mark.parametrize(("method", "path"), _DOCUMENTED)
def test_generated_requests_are_answered_as_the_document_says(running: RunningApi, method: str, path: str) -> None:
    schema = schemathesis.openapi.from_dict(running.document)
    schema.config.update(base_url=running.url)
    operation = schema[path][method]
    not_asked = [*_NOT_ASKED, *([not_a_server_error] if path == "/readyz" else [])]  # nothing is ready here: 503
    authorization = {"authorization": f"Bearer {running.token}"}

    @given(case=operation.as_strategy())
    @examples(
        max_examples=_EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        case.call_and_validate(headers=authorization, excluded_checks=not_asked)

    check()


@pytest.mark.parametrize("action", sorted(Action))
def test_generated_parameters_of_each_action(running: RunningApi, action: Action) -> None:
    schema = schemathesis.openapi.from_dict(running.document)
    schema.config.update(base_url=running.url)
    operation = schema["/actions/{action}"]["GET"]

    @given(case=operation.as_strategy())
    @examples(
        max_examples=_EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    def check(case: Any) -> None:
        case.path_parameters = {"action": action.value}
        case.call_and_validate(headers={"authorization": f"Bearer {running.token}"}, excluded_checks=_NOT_ASKED)

    check()
