"""Commands in a Redis Cluster: each goes to the owner of its key's slot, over one connection per node.

MOVED, ASK and TRYAGAIN say that a command has not run, so it is sent again at once. Nothing else is: after any other failure a
command may have run. If one node fails, the whole call fails, although the commands of other nodes may have run.

Commands of one call on one slot run in their order, but not beside a command on several keys while their slot is being moved:
then Redis may refuse that one for a moment (TRYAGAIN) and run the later ones.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from redis.exceptions import ConnectionError as RedisConnectionError, ResponseError

from shared.bus.client.refusals import LOST
from shared.bus.client.wire import Command, Wire
from shared.bus.topology.cluster_view import ClusterView
from shared.bus.topology.command_slot import OF_ONE_KEY, slot_of, slot_of_key
from shared.bus.topology.slot_map import Address, read_redirect
from shared.bus.topology.split_reads import SPLIT, SplitRead, split

_MOVED: Final = "MOVED "
ASK: Final = "ASK "
TRY_AGAIN: Final = "TRYAGAIN"
_NOT_RUN: Final = (_MOVED, ASK, TRY_AGAIN)
MOST_ROUNDS: Final = 64
PAUSE: Final = 0.01
"""Seconds before a command whose keys are just being moved is sent again, and so much more each time."""
LONGEST_PAUSE: Final = 0.1
ASKING: Final = ("ASKING",)
_REPLICATION: Final = ("WAIT", 1, 100)
"""One replica, and the milliseconds after which the write counts as not replicated: as long as other commands wait, too."""

log = structlog.get_logger()


class ClusterWire:
    """The commands of one process. Used as `Wire` is."""

    clustered = True

    def __init__(
        self, view: ClusterView, wire_at: Callable[[Address, Callable[[], None]], Wire], timeout: float
    ) -> None:
        """`wire_at` makes the connection to a node; `timeout`: seconds for which redirected commands are sent again."""
        self._view = view
        self._wire_at = wire_at
        self._timeout = timeout
        self._wires: dict[Address, Wire] = {}
        self._loss: asyncio.Future[None] | None = None
        self._behind = False

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands and return their answers, in sequence. Raises what redis-py raises for a lost or silent server."""
        if self._view.stale:
            await self._view.look_again()
        if not self._view.silent and (node := self._node_of_all(commands)) is not None:
            try:
                answers = await self._wire(node).ask_now(commands)
            except LOST:
                self._view.lost(node)
                raise
            for answer in answers:
                if answer.__class__ is ResponseError and has_not_run(answer):
                    await self._send_again(commands, dict.fromkeys(range(len(commands)), node), answers)
                    break
            return answers
        flat: list[Command] = []
        splits: list[tuple[int, SplitRead]] = []
        for command in commands:
            if command.__class__ is tuple and command[0] in SPLIT and (parts := split(command)) is not None:
                splits.append((len(flat), parts))
                flat += parts.parts
            else:
                flat.append(command)
        answers = await self._run(flat)
        for place, parts in reversed(splits):
            answers[place : place + len(parts.parts)] = [parts.answer(answers[place : place + len(parts.parts)])]
        return answers

    def _node_of_all(self, commands: Sequence[Command]) -> Address | None:
        """Return the node of these commands if it is the same for all, and none has to be split: most calls are of this kind.

        Every command of Shoal passes here, so the most frequent ones are looked at without another call.
        """
        owners, found = self._view.slots.owners, None
        try:
            for command in commands:
                name = command[0]
                if name in OF_ONE_KEY and (key := command[1]).__class__ is str:
                    node = owners[slot_of_key(key)]
                elif name in SPLIT:
                    return None
                else:
                    node = self._view.owner(slot_of(command))
                if node is not found:
                    if found is not None and node != found:
                        return None
                    found = node
        except ResponseError:  # the answer to this one alone
            return None
        return found if found is not None and found.host else None

    async def _run(self, commands: Sequence[Command]) -> list[Any]:
        """Run commands of one slot each."""
        answers: list[Any] = [None] * len(commands)
        sent_to: dict[int, Address] = {}
        for number, command in enumerate(commands):
            try:
                sent_to[number] = self._view.owner(slot_of(command))
            except ResponseError as refused:
                answers[number] = refused
        if self._view.silent and not self._view.silent.isdisjoint(sent_to.values()):
            await self._view.refresh()
            sent_to = {number: self._view.owner(slot_of(commands[number])) for number in sent_to}
        await self._send(commands, sent_to, frozenset(), answers)
        await self._send_again(commands, sent_to, answers)
        return answers

    async def _send_again(self, commands: Sequence[Command], sent_to: dict[int, Address], answers: list[Any]) -> None:
        """Send commands that have not run to where they would, and put the answers into their places."""
        deadline = asyncio.get_running_loop().time() + self._timeout
        for attempt in range(1, MOST_ROUNDS):
            again = [number for number in sent_to if has_not_run(answers[number])]
            if not again or asyncio.get_running_loop().time() > deadline:
                return
            sent_to, asking = await self._redirect(
                commands, {number: sent_to[number] for number in again}, answers, attempt
            )
            await self._send(commands, sent_to, asking, answers)

    async def _redirect(
        self, commands: Sequence[Command], sent_to: dict[int, Address], answers: Sequence[Any], attempt: int
    ) -> tuple[dict[int, Address], frozenset[int]]:
        """Return where to send commands that have not run, and which of them the node runs only if it is asked to."""
        found: dict[int, Address] = {}
        asking: set[int] = set()
        waiting: list[int] = []
        for number, answered in sent_to.items():
            text = str(answers[number])
            if text.startswith(TRY_AGAIN):
                waiting.append(number)
                continue
            slot, found[number] = read_redirect(text, answered)
            if text.startswith(ASK):
                asking.add(number)
            else:
                self._view.moved(slot, found[number])
        if waiting:
            await asyncio.sleep(min(PAUSE * attempt, LONGEST_PAUSE))
        found.update((number, self._view.owner(slot_of(commands[number]))) for number in waiting)
        return dict(sorted(found.items())), frozenset(asking)

    async def _send(
        self, commands: Sequence[Command], to: dict[int, Address], asking: frozenset[int], answers: list[Any]
    ) -> None:
        """Send each command to its node and put the answers into their places; waits for all nodes, also if one fails."""
        by_node: dict[Address, list[int]] = {}
        for number, node in to.items():
            by_node.setdefault(node, []).append(number)
        sending = [self._send_to(node, commands, some, asking, answers) for node, some in by_node.items()]
        if len(sending) == 1:
            await sending[0]
            return
        for failure in await asyncio.gather(*sending, return_exceptions=True):
            if isinstance(failure, BaseException):
                raise failure

    async def ask_node(self, node: Address, commands: Sequence[Command]) -> list[Any]:
        """Run commands at one node, and send none again. Raises what redis-py raises for a lost or silent server."""
        try:
            return await self._wire(node).ask_now(commands)
        except LOST:
            self._view.lost(node)
            raise

    async def _send_to(
        self,
        node: Address,
        commands: Sequence[Command],
        some: Sequence[int],
        asking: frozenset[int],
        answers: list[Any],
    ) -> None:
        words: list[Command] = []
        for number in some:
            if number in asking:
                words.append(ASKING)
            words.append(commands[number])
        found = iter(await self.ask_node(node, words))
        for number in some:
            if number in asking:
                next(found)
            answers[number] = next(found)

    def node_of(self, key: str) -> str:
        """Return the name of the node that owns a key now."""
        return str(self._view.owner(slot_of_key(key)))

    async def until_lost(self, node: str = "") -> None:
        """Wait until the connection to a node is lost, by default that to any; return at once if there is none to that node."""
        if node:
            for address, wire in self._wires.items():
                if str(address) == node:
                    await wire.until_lost()
            return
        if self._loss is None or self._loss.done():
            self._loss = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._loss)

    async def servers(self) -> Mapping[str, Wire]:
        """Return the connections to all primaries, by name. Raises RedisConnectionError if a slot has none."""
        await self._view.refresh()  # a new one may have taken slots without a command that has met it
        if missing := self._view.slots.missing:
            self._view.stale = True
            raise RedisConnectionError(f"no node of the cluster serves {missing} of its slots")
        return {str(node): self._wire(node) for node in self._view.slots.primaries}

    async def replicate(self) -> None:
        """Wait, for a moment, until a replica of each node has what was written over these connections.

        Needed before something is written elsewhere that makes it unrepeatable: a node's last writes are lost when its replica
        takes over, and those of other nodes are not. Raises what redis-py raises for a lost or silent server.
        """
        nodes = [node for node, replicas in self._view.slots.replicas.items() if replicas and node in self._wires]
        answers = await asyncio.gather(*(self._wires[node].ask([_REPLICATION]) for node in nodes))
        behind = [str(node) for node, (count,) in zip(nodes, answers, strict=True) if count == 0]
        if behind and not self._behind:
            log.warning("replicas are behind: the last writes would be lost with their primary", primaries=behind)
        self._behind = bool(behind)

    async def close(self) -> None:
        """End all connections."""
        await self._view.close()
        await asyncio.gather(*(wire.close() for wire in self._wires.values()))

    def _wire(self, node: Address) -> Wire:
        wire = self._wires.get(node)
        if wire is None:
            wire = self._wires[node] = self._wire_at(node, partial(self._note_loss, node))
        return wire

    def _note_loss(self, node: Address) -> None:
        self._view.lost(node)
        if self._loss is not None and not self._loss.done():
            self._loss.set_result(None)


def has_not_run(answer: Any) -> bool:
    """Return whether an answer says that the command has not run, and where or when it would."""
    return answer.__class__ is ResponseError and str(answer).startswith(_NOT_RUN)
