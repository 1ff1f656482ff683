"""A whole Shoal on its own ports: Redis, the paper exchange, and whichever services a test starts.

The test plays the master by writing `shoal:signals`, or starts the real one. Judged is what the exchange saw.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast
from uuid import uuid4

import redis

from shared.config.venue.venue_settings import VENUE_FACTS
from shared.contracts import keys
from tests.support.paper_control import WORDS, PaperControl, VenueWords
from tests.support.ports import free_port
from tests.support.processes import AT_ONCE, Service, wait_for
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinel import SentinelSet
from tests.support.redis_server import RedisServer

_PATIENCE: Final = 60.0
_NOBODY: Final = 9
"""A port of this machine on which nothing answers."""
POLLED: Final = (
    "query-funds",
    "query-open-orders",
    "query-closed-orders",
    "modify-orders",
    "cancel-orders",
    "query-ledger",
)
"""The rights of a key of Kraken whose account is polled: it may do everything but open private streams."""


class Stack(PaperControl):
    """Everything of one test; use it as a context.

    `venue` is where users trade of whom nothing else is said, and what a call means that names no venue.
    """

    def __init__(
        self,
        folder: Path,
        users: Sequence[str] = (),
        *,
        user_settings: str = "",
        price_speed: float = 0,
        venue: str = "kraken",
        venues: Mapping[str, Sequence[str]] | None = None,
        latency: bool = False,
        latency_ms: float = 0,
        streams: bool = True,
        servers: RedisCluster | SentinelSet | None = None,
    ) -> None:
        """`servers`: what Shoal runs on instead of one server, `redis`, which is not started then.

        `venues`: where users trade who do not trade at `venue`; `latency`: the exchange has the one of its file.

        `latency_ms`: each request and its answer take so long together, half of it each way; not with `latency`. Without
        `streams` all accounts are polled.
        """
        super().__init__(free_port(), folder)
        self.users = list(users)
        self._streams = streams
        self.venue = venue
        self._venues = dict(venues or {})
        self.redis = RedisServer(folder / "redis")
        self._servers = servers
        self.services: list[Service] = []
        self.keys_at: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in WORDS}
        self.keys = self.keys_at[venue]
        self._user_settings = user_settings
        self._price_speed = price_speed
        self._latency = latency or latency_ms > 0
        self._latency_ms = latency_ms
        self.config = folder / "config"

    def __enter__(self) -> Self:
        (self.config / "users").mkdir(parents=True)
        for user in self.users:
            self.write_user(user, self._user_settings)
        if self._latency_ms:
            with (self.config / "paper.toml").open("a") as file:
                file.write(f"\n[latency]\nmin_ms = {self._latency_ms}\nmax_ms = {self._latency_ms}\n")
        self.servers.start()
        self.client: redis.Redis = self.servers.client()
        paper = self.start("paper-exchange", "services.paper_exchange")
        try:
            wait_for(lambda: self.answers("/paper/clock") or not paper.running, _PATIENCE, "the paper exchange answers")
            assert paper.running, paper.log()
            self.post("/paper/clock", {"speed": self._price_speed})
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        for service in reversed(self.services):
            service.kill()
        self.client.close()
        self.servers.stop()

    @property
    def servers(self) -> RedisServer | RedisCluster | SentinelSet:
        """What Shoal runs on."""
        return self._servers or self.redis

    def venues_of(self, user: str) -> Sequence[str]:
        """Return the venues where a user, or the master, trades: as said, or else where an account was opened."""
        opened = tuple(name for name, owners in self.keys_at.items() if user in owners)
        return self._venues.get(user) or opened or (self.venue,)

    def words(self, user: str) -> VenueWords:
        """Return the words of the one venue where a user trades."""
        (venue,) = self.venues_of(user)
        return WORDS[venue]

    def write_user(self, user: str, settings: str = "") -> None:
        """Write a user's file; the line with the venues is put in front where it is needed."""
        venues = list(self._venues.get(user, (self.venue,)))
        line = "" if venues == ["kraken"] else f"venues = {json.dumps(venues)}\n"
        (self.config / "users" / f"{user}.toml").write_text(line + settings)

    def environment(self) -> dict[str, str]:
        """What every service of this stack is told."""
        found = {
            **({"PAPER_LATENCY": "on"} if self._latency else AT_ONCE),
            "REDIS_URL": self.servers.url,
            "SHOAL_CONFIG": str(self.config),
            "PAPER_URL": f"http://127.0.0.1:{self.paper_port}",
            "PAPER_PORT": str(self.paper_port),
        }
        if not self._streams:  # Kraken refuses them by the rights of the keys
            found["COINBASE_STREAM_URL"] = f"ws://127.0.0.1:{_NOBODY}"
        for venue, owners in self.keys_at.items():
            for owner, (key, secret) in owners.items():
                stem = VENUE_FACTS[venue].key_stem(owner)
                found[f"{stem}_KEY"] = key
                found[f"{stem}_SECRET"] = secret
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

    def open_account(
        self,
        user: str,
        *,
        venue: str = "",
        tier: str = "",
        key_type: str = "",
        permissions: Sequence[str] = (),
        **balances: str | int,
    ) -> None:
        """Open a paper account, by default where the user trades; its key goes into the environment of services started later.

        `key_type`: ecdsa (the default) or ed25519, at a venue that hands out either. `permissions`: of the key; by
        default all but the right to withdraw.
        """
        if not venue:
            for each in self._venues.get(user, (self.venue,)):
                self.open_account(user, venue=each, tier=tier, key_type=key_type, permissions=permissions, **balances)
            return
        body: dict[str, Any] = {"user": user, "venue": venue}
        if venue == "kraken":  # a key of Kraken is any text; others come from the exchange
            body["api_key"] = f"PAPER{secrets.token_hex(12)}"
            body["api_secret"] = base64.b64encode(secrets.token_bytes(64)).decode()
        if venue == "kraken" and not self._streams:
            permissions = permissions or POLLED
        body |= {name: given for name, given in (("tier", tier), ("key_type", key_type)) if given}
        if permissions:
            body["permissions"] = list(permissions)
        funds = {asset: str(amount) for asset, amount in balances.items()}
        made = self.post("/paper/accounts", {**body, "balances": funds})
        self.keys_at[venue][user] = (made["api_key"], made["api_secret"])

    def signal(
        self,
        symbol: str = "BTC/USD",
        *,
        kind: str = "entry",
        size: str = "0.01",
        price: str = "60000",
        fraction: str = "",
        venue: str = "",
        **more: str,
    ) -> str:
        """Write one signal as a master would, by default of the stack's venue; answers its id."""
        now = str(int(time.time() * 1000))
        signal_id = str(uuid4())
        fields = {
            "v": "1",
            "id": signal_id,
            "venue": venue or self.venue,
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

    def signal_at_each(self, symbol: str = "BTC/USD", **more: str) -> dict[str, str]:
        """Write the same signal as a master of each venue would; answers their ids by venue."""
        return {venue: self.signal(symbol, venue=venue, **more) for venue in WORDS}

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
        """Wait until users' accounts are ready, at each of their venues."""
        for user in users:
            for venue in self.venues_of(user):
                account = keys.account(user, venue)
                wait_for(
                    lambda account=account: self.client.hget(account, "state") == "ready",  # type: ignore[misc]
                    seconds,
                    f"{user} is ready at {venue}",
                )

    def account(self, user: str, venue: str = "") -> dict[str, str]:
        """Read what is recorded of an account: its state and the reason; by default of the user's one venue."""
        (only,) = [venue] if venue else self.venues_of(user)
        return cast("dict[str, str]", self.client.hgetall(keys.account(user, only)))

    def held(self, user: str, venue: str = "") -> dict[str, str]:
        """Read what is held from copying, symbol by symbol; by default at the user's one venue."""
        (only,) = [venue] if venue else self.venues_of(user)
        found = cast("dict[str, str]", self.client.hgetall(keys.positions(user, only)))
        return {symbol: json.loads(record)["base_size"] for symbol, record in found.items()}
