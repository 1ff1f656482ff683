"""A Redis Cluster for tests: primaries, each with as many replicas as asked for; it can lose nodes and move slots."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from shared.bus.topology.command_slot import SLOTS, slot_of_key
from tests.support.ports import free_port
from tests.support.processes import wait_for
from tests.support.redis_server import RedisServer

_NODE_TIMEOUT_MS: Final = 2_000
"""After which a silent node counts as failed: a seventh of the usual, so that a test need not wait for it."""
_PATIENCE: Final = 60.0
_OPEN: Final = re.compile(r"\[(\d+)-[<>]-")


class RedisCluster:
    """The nodes of one cluster; `nodes[i::primaries]` are the i-th primary and its replicas at the start."""

    def __init__(
        self, folder: Path, primaries: int = 3, replicas: int = 0, options: Mapping[str, str] | None = None
    ) -> None:
        """`options` are added to the settings of each node."""
        self.folder = folder
        self._primaries = primaries
        self._fresh = True
        self.nodes = [
            RedisServer(
                folder / f"node-{number}",
                options={
                    "cluster-enabled": "yes",
                    "cluster-port": str(free_port()),
                    "cluster-node-timeout": str(_NODE_TIMEOUT_MS),
                    "cluster-require-full-coverage": "no",
                    "cluster-allow-replica-migration": "no",
                    "repl-diskless-sync-delay": "0",
                    **(options or {}),
                },
            )
            for number in range(primaries * (1 + replicas))
        ]

    @property
    def url(self) -> str:
        """The URL that services take as REDIS_URL."""
        return f"redis+cluster://{','.join(f'127.0.0.1:{node.port}' for node in self.nodes)}/"

    @property
    def port(self) -> int:
        """The port of the node that has the signals."""
        return self.owner_of("shoal:signals").port

    def client(self) -> Any:
        """Return a client of the whole cluster, which tries nothing twice that may have run."""
        return redis.RedisCluster(
            host="127.0.0.1",
            port=next(node.port for node in self.nodes if node.running),
            decode_responses=True,
            socket_timeout=5,
            retry=Retry(NoBackoff(), 0),
        )

    def start(self) -> None:
        """Start every node that does not run; the first time they are made a cluster. Returns when every slot is served."""
        try:
            for node in self.nodes:
                if not node.running:
                    node.start()
            if self._fresh:
                self._fresh = False
                self._join()
            self.wait_served()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.kill()

    def kill(self) -> None:
        """End all nodes as a power cut would."""
        self.stop()

    def wait_served(self) -> None:
        """Wait until every node that runs names a running owner of every slot, and the same one."""
        wait_for(self._is_served, _PATIENCE, "every slot of the cluster is served")

    def wait_replicated(self) -> None:
        """Wait until every replica follows its primary."""
        wait_for(self.in_step, _PATIENCE, "the replicas follow")

    def in_step(self) -> bool:
        """Return whether every node runs, every slot is served, and every replica follows its primary."""
        if not all(node.running for node in self.nodes) or not self._is_served():
            return False
        primaries = self.primaries()
        return all(
            self.ask(node, "INFO", "replication").get("master_link_status") == "up"
            for node in self.nodes
            if node not in primaries
        )

    def ask(self, node: RedisServer, *command: object) -> Any:
        """Run one command at one node."""
        with redis.Redis(port=node.port, decode_responses=True, socket_timeout=5) as client:
            return client.execute_command(*command)

    def owners(self) -> list[RedisServer | None]:
        """Return the owner of each slot, as the running nodes say."""
        found: list[RedisServer | None] = [None] * SLOTS
        by_port = {node.port: node for node in self.nodes}
        some = next(node for node in self.nodes if node.running)
        for first, last, primary, *_ in self.ask(some, "CLUSTER", "SLOTS"):
            found[first : last + 1] = [by_port.get(primary[1])] * (last - first + 1)
        return found

    def owner_of(self, key: str) -> RedisServer:
        """Return the node that has a key."""
        found = self.owners()[slot_of_key(key)]
        assert found is not None
        return found

    def primaries(self) -> list[RedisServer]:
        """Return the nodes that own slots."""
        found = self.owners()
        return [node for node in self.nodes if node in found]

    def fail_over(self, node: RedisServer) -> None:
        """Kill a primary and wait until another node serves its slots. It stays away."""
        owned = [slot for slot, owner in enumerate(self.owners()) if owner is node]
        node.kill()
        wait_for(
            lambda: all(owner is not None and owner.running for owner in map(self.owners().__getitem__, owned)),
            _PATIENCE,
            "a replica has taken over",
        )
        self.wait_served()

    def move(self, slots: Iterable[int], to: RedisServer, *, dwell: float = 0.0) -> None:
        """Move slots to another primary, key by key, as `redis-cli --cluster reshard` does; `dwell`: seconds in the middle."""
        ids = {each.port: str(self.ask(each, "CLUSTER", "MYID")) for each in self.nodes if each.running}
        owners = self.owners()
        for slot in slots:
            source = owners[slot]
            if source is None or source is to:
                continue
            self.ask(to, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source.port])
            self.ask(source, "CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to.port])
            first = True
            while names := self.ask(source, "CLUSTER", "GETKEYSINSLOT", slot, 1 if first else 10):
                self.ask(source, "MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", *names)
                if first and dwell:
                    time.sleep(dwell)  # commands on several keys of the slot are refused meanwhile
                first = False
            for node in (to, source, *self.primaries()):
                with suppress(redis.RedisError):
                    self.ask(node, "CLUSTER", "SETSLOT", slot, "NODE", ids[to.port])

    def move_keys(self, names: Iterable[str], to: RedisServer, *, dwell: float = 0.0) -> None:
        """Move the slots of keys."""
        self.move(sorted({slot_of_key(name) for name in names}), to, dwell=dwell)

    def finish_moves(self) -> None:
        """Bring the slots whose move was broken off back to their owners, as `redis-cli --cluster fix` does.

        Until then commands on several keys of such a slot are refused: some of its keys are at each of the two nodes.
        """
        owners, ids = self.owners(), {each: str(self.ask(each, "CLUSTER", "MYID")) for each in self.primaries()}
        for slot in sorted({slot for node in ids for slot in self._open_slots(node)}):
            owner = owners[slot]
            assert owner is not None
            for node in ids.keys() - {owner}:
                if not self.ask(node, "CLUSTER", "COUNTKEYSINSLOT", slot):
                    continue
                self.ask(node, "CLUSTER", "SETSLOT", slot, "IMPORTING", ids[owner])  # or it would run no MIGRATE
                while names := self.ask(node, "CLUSTER", "GETKEYSINSLOT", slot, 10):
                    self.ask(node, "MIGRATE", "127.0.0.1", owner.port, "", 0, 5_000, "KEYS", *names)
            for node in ids:
                self.ask(node, "CLUSTER", "SETSLOT", slot, "STABLE")

    def _open_slots(self, node: RedisServer) -> list[int]:
        """Return the slots that a node believes to be moving: `[93-<-id]` and `[93->-id]` in its own line."""
        lines = str(self.ask(node, "CLUSTER NODES"))
        return [int(slot) for line in lines.splitlines() if "myself" in line for slot in _OPEN.findall(line)]

    def _join(self) -> None:
        first, count = self.nodes[0], self._primaries
        for number, node in enumerate(self.nodes):
            self.ask(node, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if node is not first:
                self.ask(first, "CLUSTER", "MEET", "127.0.0.1", node.port, node.options["cluster-port"])
        edges = [SLOTS * number // count for number in range(count + 1)]
        for node, begin, end in zip(self.nodes, edges, edges[1:], strict=False):
            self.ask(node, "CLUSTER", "ADDSLOTSRANGE", begin, end - 1)
        for number, node in enumerate(self.nodes[count:]):
            primary = str(self.ask(self.nodes[number % count], "CLUSTER", "MYID"))
            wait_for(lambda node=node, to=primary: self._replicates(node, to), _PATIENCE, "a replica knows its primary")  # type: ignore[misc]
        self.wait_served()
        self.wait_replicated()

    def _replicates(self, node: RedisServer, primary: str) -> bool:
        try:
            self.ask(node, "CLUSTER", "REPLICATE", primary)
        except redis.ResponseError:  # it has not heard of it yet
            return False
        return True

    def _is_served(self) -> bool:
        running = {node.port for node in self.nodes if node.running}
        views = []
        for node in self.nodes:
            if not node.running:
                continue
            with suppress(redis.RedisError):
                if "cluster_state:ok" not in str(self.ask(node, "CLUSTER", "INFO")):
                    return False
                rows = self.ask(node, "CLUSTER", "SLOTS")
                views.append(sorted((first, last, primary[1]) for first, last, primary, *_ in rows))
        if len(views) < len(running) or any(view != views[0] for view in views):
            return False
        covered = sum(last - first + 1 for first, last, _ in views[0])
        return covered == SLOTS and all(port in running for _, _, port in views[0])
