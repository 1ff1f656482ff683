"""A whole Shoal on its own ports: Redis, the paper exchange, and whichever services a test starts.

The test plays the master by writing `shoal:signals`, or starts the real one. Judged is what the exchange saw.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
import urllib.request
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast
from uuid import uuid4

import redis

from shared.contracts import keys
from tests.support.processes import Service, wait_for
from tests.support.redis_server import RedisServer, free_port

_PATIENCE: Final = 60.0


class Stack:
    """Everything of one test; use it as a context."""

    def __init__(
        self, folder: Path, users: Sequence[str] = (), *, user_settings: str = "", price_speed: float = 0
    ) -> None:
        self.folder = folder
        self.users = list(users)
        self.paper_port = free_port()
        self.redis = RedisServer(folder / "redis")
        self.services: list[Service] = []
        self.keys: dict[str, tuple[str, str]] = {}
        self._user_settings = user_settings
        self._price_speed = price_speed
        self.config = folder / "config"

    def __enter__(self) -> Self:
        (self.config / "users").mkdir(parents=True)
        for user in self.users:
            self.write_user(user, self._user_settings)
        self.redis.start()
        self.client = redis.Redis(port=self.redis.port, decode_responses=True)
        self.start("paper-exchange", "services.paper_exchange")
        wait_for(lambda: self._answers("/paper/clock"), _PATIENCE, "the paper exchange answers")
        self.post("/paper/clock", {"speed": self._price_speed})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in reversed(self.services):
            service.kill()
        self.client.close()
        self.redis.stop()

    def write_user(self, user: str, settings: str = "") -> None:
        """Write a user's file."""
        (self.config / "users" / f"{user}.toml").write_text(settings)

    def environment(self) -> dict[str, str]:
        """What every service of this stack is told."""
        found = {
            "REDIS_URL": self.redis.url,
            "SHOAL_CONFIG": str(self.config),
            "PAPER_URL": f"http://127.0.0.1:{self.paper_port}",
            "PAPER_PORT": str(self.paper_port),
        }
        for owner, (key, secret) in self.keys.items():
            who = "MASTER" if owner == "master" else f"USER_{owner.upper().replace('-', '_')}"
            found[f"KRAKEN_{who}_API_KEY"] = key
            found[f"KRAKEN_{who}_API_SECRET"] = secret
        return found

    def start(self, name: str, module: str, *args: str, **more: str) -> Service:
        """Start a service by hand, as the design promises it can be."""
        count = sum(service.name == name for service in self.services)
        log = self.folder / f"{name}-{count}.log"
        service = Service(name, module, {**self.environment(), **more}, log, *args).start()
        self.services.append(service)
        return service

    def engine(self) -> Service:
        """Start a copy engine."""
        return self.start("copy-engine", "services.copy_engine")

    def executor(self, users: Sequence[str] = (), capacity: int = 1) -> Service:
        """Start an executor, for pinned users or for whoever it can claim."""
        return self.start(
            "executor", "services.executor", EXECUTOR_USERS=",".join(users), EXECUTOR_CAPACITY=str(capacity)
        )

    def open_account(self, user: str, *, tier: str = "", **balances: str | int) -> None:
        """Open a paper account; its key goes into the environment of services started later."""
        self.keys[user] = (f"PAPER{secrets.token_hex(12)}", base64.b64encode(secrets.token_bytes(64)).decode())
        key, secret = self.keys[user]
        body = {"user": user, "venue": "kraken", "api_key": key, "api_secret": secret}
        if tier:
            body["tier"] = tier
        self.post("/paper/accounts", {**body, "balances": {asset: str(amount) for asset, amount in balances.items()}})

    def price(self, symbol: str, price: str) -> None:
        """Set the market price of a symbol; the market stands still where the test has set its speed to 0."""
        self.post("/paper/price", {"symbol": symbol, "price": price})

    def fault(self, fault: str, **more: Any) -> None:
        """Throw a fault switch of the exchange."""
        self.post("/paper/faults", {"fault": fault, **more})

    def clear_faults(self) -> list[dict[str, Any]]:
        """Turn every fault off; answers the switches as they stood, with how often each fired."""
        switches: list[dict[str, Any]] = list(self.get("/paper/faults"))
        url = f"http://127.0.0.1:{self.paper_port}/paper/faults"
        urllib.request.urlopen(urllib.request.Request(url, method="DELETE"), timeout=10).close()  # built right here
        return switches

    def signal(
        self,
        symbol: str = "BTC/USD",
        *,
        kind: str = "entry",
        size: str = "0.01",
        price: str = "60000",
        fraction: str = "",
        **more: str,
    ) -> str:
        """Write one signal as a master would; answers its id."""
        now = str(int(time.time() * 1000))
        signal_id = str(uuid4())
        fields = {
            "v": "1",
            "id": signal_id,
            "venue": "kraken",
            "symbol": symbol,
            "side": "buy" if kind == "entry" else "sell",
            "kind": kind,
            "base_size": size,
            "quote_size": str(Decimal(size) * Decimal(price)),
            "price": price,
            "fraction": fraction,
            "position_before": "0",
            "position_after": size,
            "master_equity": "10000",
            "master_order_id": signal_id,
            "source": "strategy",
            "strategy": "test",
            "stop_loss": "",
            "take_profit": "",
            "filled_at": now,
            "emitted_at": now,
            **more,
        }
        self.client.xadd(keys.SIGNALS, fields)  # type: ignore[arg-type]  # redis-py wants its own union of value types
        return signal_id

    def reports(self, user: str) -> list[dict[str, str]]:
        """Read what was reported for a user."""
        return self._entries(keys.reports(user))

    def orders(self, user: str) -> list[dict[str, str]]:
        """Read what was decided for a user."""
        return self._entries(keys.orders(user))

    def _entries(self, stream: str) -> list[dict[str, str]]:
        rows = cast("list[tuple[str, dict[str, str]]]", self.client.xrange(stream))
        return [fields for _, fields in rows]

    def wait_reports(self, user: str, count: int, seconds: float = _PATIENCE) -> list[dict[str, str]]:
        """Wait until so many outcomes are there."""
        wait_for(
            lambda: len(self.reports(user)) >= count, seconds, f"{count} reports of {user}, not {self.reports(user)}"
        )
        return self.reports(user)

    def wait_ready(self, *users: str, seconds: float = _PATIENCE) -> None:
        """Wait until users' accounts are ready."""
        for user in users:
            wait_for(
                lambda user=user: self.client.hget(keys.account(user, "kraken"), "state") == "ready",  # type: ignore[misc]
                seconds,
                f"{user} is ready",
            )

    def venue_orders(self, user: str) -> list[dict[str, Any]]:
        """Read every order that the exchange ever accepted from a user."""
        return list(self.get(f"/paper/orders?user={user}"))

    def keep_journal(self) -> None:
        """Write what the exchange saw beside the logs: for whoever looks for the cause of a failure."""
        journal = {"orders": self.get("/paper/orders"), "requests": self.get("/paper/requests")}
        (self.folder / "journal.json").write_text(json.dumps(journal))

    def invalid_nonces(self) -> list[dict[str, Any]]:
        """Read the requests that the exchange refused for their nonce."""
        return [row for row in self.get("/paper/requests") if "nonce" in str(row["verdict"]).lower()]

    def get(self, path: str) -> Any:
        """Ask the exchange's control plane."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.paper_port}{path}", timeout=10) as answer:
            found = json.loads(answer.read())
        return (
            found["orders"]
            if isinstance(found, dict) and "orders" in found and path.startswith("/paper/orders")
            else found
        )

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Tell the exchange's control plane."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.paper_port}{path}",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  # the URL is built right here
            return json.loads(answer.read() or b"null")

    def _answers(self, path: str) -> bool:
        try:
            self.get(path)
        except OSError:
            return False
        return True
