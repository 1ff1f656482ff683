"""Shoal as the bench runs it: its own Redis, AOF synced on every write, one server or a cluster; the real engine and executors.

One thing differs from what ships, as in the chaos runs: how often a key may call is left to the venue to judge, because the
shipped budget (Kraken's own: one order in half a second for longer) would be all that is measured. The bench plays the master.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast
from uuid import uuid4

from shared.contracts import keys
from shared.contracts.records import AccountRecord
from shared.domain.account import MASTER, Account as MasterAccount, AccountState
from shared.domain.values.money import Money
from tests.bench.accounts import Account, environment
from tests.bench.usage import cpu_ns
from tests.chaos.run import UNBUDGETED
from tests.support.processes import ROOT, Service, wait_for
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_server import RedisServer

_EQUITY: Final = Decimal(100_000)
_SIZE: Final = Decimal("0.1")
_PRICE: Final = Decimal(60_000)
_OWN_COMMANDS: Final = frozenset({"xlen", "info"})
"""What only the bench sends while it measures."""


class System:
    """Redis, engine and executors for users at one venue; use it as a context. It is entered when all users are ready."""

    def __init__(
        self,
        folder: Path,
        venue_url: str,
        accounts: Sequence[Account],
        executors: int = 1,
        *,
        root: Path | None = None,
        nodes: int = 1,
    ) -> None:
        """`root` is the checkout whose services run; this one's if it is not given. More than one node are a Redis Cluster."""
        self.accounts = list(accounts)
        self.venue = self.accounts[0].venue
        self.engine: Service
        self.executors: list[Service] = []
        self._folder = folder
        self._venue_url = venue_url
        self._count = executors
        self._root = root or ROOT
        place = folder / "redis"
        self._redis = RedisServer(place) if nodes == 1 else RedisCluster(place, nodes)
        self.client: Any

    def __enter__(self) -> Self:
        users = self._folder / "config" / "users"
        users.mkdir(parents=True)
        for account in self.accounts:
            (users / f"{account.user}.toml").write_text(
                "" if self.venue == "kraken" else f'venues = ["{self.venue}"]\n'
            )
        self._redis.start()
        self.client = self._redis.client()
        try:
            self._start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in (self.engine, *self.executors):
            service.kill()
        self.client.close()
        self._redis.stop()

    def signal(self, *, entry: bool) -> tuple[str, int]:
        """Emit one signal as a master does, a buy or its close; answers its id and the instant before (monotonic ns)."""
        signal_id = str(uuid4())
        now = str(time.time_ns() // 1_000_000)
        fields = {
            "v": "1",
            "id": signal_id,
            "venue": self.venue,
            "symbol": "BTC/USD",
            "side": "buy" if entry else "sell",
            "kind": "entry" if entry else "exit",
            "base_size": str(_SIZE),
            "quote_size": str(_SIZE * _PRICE),
            "price": str(_PRICE),
            "fraction": "" if entry else "1",
            "position_before": "0" if entry else str(_SIZE),
            "position_after": str(_SIZE) if entry else "0",
            "master_equity": str(_EQUITY),
            "master_order_id": signal_id,
            "source": "strategy",
            "strategy": "bench",
            "stop_loss": "",
            "take_profit": "",
            "filled_at": now,
            "emitted_at": now,
        }
        flat = [part for pair in fields.items() for part in pair]
        began = time.monotonic_ns()
        self.client.execute_command("XADD", keys.SIGNALS, "*", *flat)
        return signal_id, began

    def pids(self) -> dict[str, list[int]]:
        """Return the processes whose CPU time counts, by name."""
        return {
            "engine": [self.engine.pid],
            "executor": [service.pid for service in self.executors],
            "redis": [server.pid for server in self._servers()],
        }

    def cpu(self) -> dict[str, int]:
        """Return the CPU time that these processes have used, in ns, by name."""
        return {name: sum(map(cpu_ns, pids)) for name, pids in self.pids().items()}

    def commands(self) -> dict[str, int]:
        """Return how often Redis has run each command, in scripts or not, but for the bench's own."""
        found: Counter[str] = Counter()
        for server in self._servers():
            with server.client() as client:
                stats = cast("dict[str, dict[str, int]]", client.info("commandstats"))
            found.update({name.removeprefix("cmdstat_"): each["calls"] for name, each in stats.items()})
        return {name: calls for name, calls in found.items() if name not in _OWN_COMMANDS}

    def connections(self) -> int:
        """Return how many connections the servers have, but for the bench's own."""
        found = 0
        for server in self._servers():
            with server.client() as client:
                names = [str(each["name"]) for each in cast("list[dict[str, str]]", client.client_list())]
            found += sum(":" in name for name in names)  # service:use
        return found

    def unreported(self, reports: int) -> list[str]:
        """Name the users of whom fewer reports than that are there."""
        pipe = self.client.pipeline(transaction=False)
        for account in self.accounts:
            pipe.xlen(keys.reports(account.user))
        return [
            account.user for account, count in zip(self.accounts, pipe.execute(), strict=True) if int(count) < reports
        ]

    def outcomes(self) -> dict[str, int]:
        """Count the outcomes of all reports."""
        counted: dict[str, int] = {}
        for account in self.accounts:
            rows = cast("list[tuple[str, dict[str, str]]]", self.client.xrange(keys.reports(account.user)))
            for _, fields in rows:
                counted[fields["outcome"]] = counted.get(fields["outcome"], 0) + 1
        return counted

    def logs(self) -> str:
        """Return what the services have written."""
        return "".join(service.log() for service in (self.engine, *self.executors))

    def _servers(self) -> list[RedisServer]:
        return self._redis.nodes if isinstance(self._redis, RedisCluster) else [self._redis]

    def _start(self) -> None:
        amount = Money(_EQUITY, "USD")
        master = MasterAccount(
            MASTER, self.venue, AccountState.READY, "", amount, amount, Decimal("0.004"), time.time_ns() // 1_000_000
        )
        record = AccountRecord.from_domain(master).fields()
        self.client.hset(keys.account(MASTER, self.venue), mapping=record)
        self.client.hset(keys.heartbeat("master-strategy", "bench"), mapping={"v": "1", "state": "trading"})
        common = {
            "REDIS_URL": self._redis.url,
            "SHOAL_CONFIG": str(self._folder / "config"),
            f"{self.venue.upper()}_URL": self._venue_url,
            "LOG_FORMAT": "json",
        }
        self.engine = Service("engine", "services.copy_engine", common, self._folder / "engine.log", root=self._root)
        share = math.ceil(len(self.accounts) / self._count)
        for number in range(self._count):
            mine = self.accounts[number * share : (number + 1) * share]
            told = {**common, **environment(mine), "EXECUTOR_CAPACITY": str(share), **UNBUDGETED}
            if self._count > 1:
                told["EXECUTOR_USERS"] = ",".join(account.user for account in mine)
            log = self._folder / f"executor-{number}.log"
            self.executors.append(Service("executor", "services.executor", told, log, root=self._root).start())
        self.engine.start()
        try:
            wait_for(self._ready, 60 + len(self.accounts) / 10, "all users are ready")
        except AssertionError as error:
            raise RuntimeError(f"{error}; {self.logs()[-2000:]}") from None

    def _ready(self) -> bool:
        pipe = self.client.pipeline(transaction=False)
        for account in self.accounts:
            pipe.hget(keys.account(account.user, self.venue), "state")
        if any(state != "ready" for state in pipe.execute()):
            return False
        return any("running" in str(value) for value in self._heartbeats("copy-engine"))

    def _heartbeats(self, service: str) -> list[str]:
        names = list(self.client.scan_iter(keys.heartbeat(service, "*"), count=1000))
        # A string in checkouts from before the heartbeat was a hash.
        strings = {name for name in names if self.client.type(name) == "string"}
        return [str(self.client.get(name) if name in strings else self.client.hget(name, "state")) for name in names]
