"""Nodes of a cluster that speak the protocol and keep keys in memory: they redirect, as real ones do, and note what they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from shared.bus.client.push_wire import PushWire
from shared.bus.client.server import Server
from shared.bus.client.wire import Wire, Wires
from shared.bus.connection import Bus
from shared.bus.topology.cluster import ClusterWire
from shared.bus.topology.cluster_reads import ClusterReads
from shared.bus.topology.cluster_view import ClusterView
from shared.bus.topology.command_slot import SLOTS, keys_of, slot_of_key
from shared.bus.topology.many_streams import ManyStreams
from shared.bus.topology.slot_map import Address
from shared.bus.topology.stream_changes import StreamChanges
from tests.unit.bus.topology.fake_server import FakeServer

_GREETING: Final = {"CLIENT", "HELLO", "SELECT", "AUTH"}


class FakeNode(FakeServer):
    """One node. `ran` is every command that it has run, without the questions about the cluster."""

    def __init__(self, cluster: FakeCluster) -> None:
        super().__init__(self._answer_to)
        self._cluster = cluster
        self.kept: dict[str, str] = {}
        self.ran: list[tuple[str, ...]] = []
        self.epoch = 1
        self.view: Callable[[], dict[int, FakeNode]] | None = None
        """What it says of the slots, if that is not the truth."""
        self.acknowledged = 1
        """What it answers to WAIT."""

    def _answer_to(self, words: Sequence[str], before: str) -> object:
        name, asking = words[0].upper(), before == "ASKING"
        if name in _GREETING or name == "ASKING":
            return "+OK"
        if name == "CLUSTER":
            return self._of_cluster(words[1].upper())
        if refused := self._cluster.refusal(self, words, asking=asking):
            return refused
        self.ran.append(tuple(words))
        return self._run(name, words)

    def _of_cluster(self, what: str) -> object:
        if what == "INFO":
            return f"cluster_state:ok\r\ncluster_current_epoch:{self.epoch}\r\n"
        rows, begin = [], 0
        for slot, node in sorted((self.view() if self.view is not None else self._cluster.owners).items()):
            rows += [(begin, slot - 1, self._cluster.nodes[0])] * (begin < slot) + [(slot, slot, node)]
            begin = slot + 1
        rows.append((begin, SLOTS - 1, self._cluster.nodes[0]))
        return [[first, last, ["127.0.0.1", node.port, "id"], *self._cluster.replicas] for first, last, node in rows]

    def _run(self, name: str, words: Sequence[str]) -> object:
        run = {"SET": self._set, "XREAD": self._read, "XREADGROUP": self._read_group}.get(name)
        if run is not None:
            return run(words)
        answers: dict[str, object] = {
            "GET": self.kept.get(words[-1]),
            "MGET": [self.kept.get(word) for word in words[1:]],
            "EXISTS": sum(word in self.kept for word in words[1:]),
            "SCAN": ["0", list(self.kept)],
            "WAIT": self.acknowledged,
        }
        return answers.get(name, "ran")

    def _set(self, words: Sequence[str]) -> object:
        self.kept[words[1]] = words[2]
        return "+OK"

    def _read(self, words: Sequence[str]) -> object:
        streams = map(str, keys_of(tuple(words)))
        return [[stream, [["1-0", ["a", "1"]]]] for stream in streams if stream in self.kept] or None

    def _read_group(self, words: Sequence[str]) -> object:
        return [[words[-2], [["1-0", ["at", str(self.port)]]]]]


class FakeCluster:
    """Some nodes. The slots of the keys that a test names are dealt out to them; all others are the first one's."""

    def __init__(self, nodes: int, *named: str) -> None:
        self.nodes = [FakeNode(self) for _ in range(nodes)]
        self.owners: dict[int, FakeNode] = {}
        self.asked: dict[int, FakeNode] = {}
        """Slots that are being moved, and where to."""
        self.try_again: dict[int, int] = {}
        """How often a script on a slot is refused for a moment."""
        self.replicas: list[list[object]] = []
        for number, key in enumerate(named):
            self.owners[slot_of_key(key)] = self.nodes[number % nodes]

    def node_of(self, key: str) -> FakeNode:
        """Return the owner of a key."""
        return self.owners.get(slot_of_key(key), self.nodes[0])

    def move(self, key: str, to: FakeNode) -> None:
        """Move the slot of a key, with what is in it."""
        slot, source = slot_of_key(key), self.node_of(key)
        for name in [name for name in source.kept if slot_of_key(name) == slot]:
            to.kept[name] = source.kept.pop(name)
        self.owners[slot] = to
        to.epoch = max(node.epoch for node in self.nodes) + 1

    def refusal(self, node: FakeNode, words: Sequence[str], *, asking: bool) -> str:
        """Return why a node does not run a command; an empty text if it does."""
        names = [str(name) for name in keys_of(tuple(words))] if words[0] not in {"SCAN", "WAIT"} else []
        slots = {slot_of_key(name) for name in names}
        if len(slots) > 1:
            return "-CROSSSLOT Keys in request don't hash to the same slot"
        for slot in slots:
            owner, to = self.owners.get(slot, self.nodes[0]), self.asked.get(slot)
            if asking and node is to:
                return ""
            if owner is not node:
                return f"-MOVED {slot} 127.0.0.1:{owner.port}"
            if to is not None and not any(name in node.kept for name in names):
                return f"-ASK {slot} 127.0.0.1:{to.port}"
            if words[0] == "EVALSHA" and self.try_again.get(slot, 0) > 0:
                self.try_again[slot] -= 1
                return "-TRYAGAIN Multiple keys request during rehashing of slot"
        return ""

    async def start(self) -> None:
        """Start all nodes."""
        for node in self.nodes:
            await node.start()

    async def stop(self) -> None:
        """Stop all nodes."""
        for node in self.nodes:
            await node.stop()

    def connect(self, timeout: float = 10.0) -> Bus:
        """Return a bus to it, which knows the first node only."""

        def server(node: Address) -> Server:
            return Server(f"redis://{node}/0", "test")

        seed = Address("127.0.0.1", self.nodes[0].port)
        view = ClusterView([seed], lambda node: Wire(server(node), timeout))
        writer = ClusterWire(view, lambda node, lost: Wire(server(node), timeout, lost), timeout)
        changes = StreamChanges(view, lambda node, lost, pushed: PushWire(server(node), timeout, lost, pushed))
        many = ManyStreams(view, writer, changes)
        return Bus(ClusterReads(view, lambda node: Wires(server(node), timeout), many), writer)
