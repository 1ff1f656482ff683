"""Which node owns which slots of a cluster, by the answer to CLUSTER SLOTS.

The map may be out of date at any time; a wrong owner answers MOVED and runs nothing, so it only costs a round trip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from shared.bus.topology.command_slot import SLOTS


class Address(NamedTuple):
    """Where a node listens."""

    host: str
    port: int

    def __str__(self) -> str:
        """Return it as `host:port`, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


_NOWHERE: Final = Address("", 0)


@dataclass(slots=True)
class SlotMap:
    """The primary of each slot, and which primaries have replicas."""

    owners: list[Address] = field(default_factory=lambda: [_NOWHERE] * SLOTS)
    replicas: dict[Address, tuple[Address, ...]] = field(default_factory=dict)
    """By primary; an empty tuple for one without."""

    @property
    def primaries(self) -> list[Address]:
        """Every primary that owns slots."""
        return list(self.replicas)

    @property
    def missing(self) -> int:
        """How many slots have no owner: commands on their keys cannot run."""
        return self.owners.count(_NOWHERE)

    def move(self, slot: int, to: Address) -> None:
        """Record that a slot has moved."""
        self.owners[slot] = to
        self.replicas.setdefault(to, ())


def read_slots(answer: Any, asked: Address) -> SlotMap:
    """Parse the answer of the node `asked` to CLUSTER SLOTS. Raises ValueError for another form.

    A row is first slot, last slot, primary, replicas; a node is host, port, id and what depends on the version. Without a host
    the one that was asked is meant.
    """
    found = SlotMap()
    try:
        for first, last, *nodes in answer:
            primary, *replicas = (_address(node, asked) for node in nodes)
            found.owners[int(first) : int(last) + 1] = [primary] * (int(last) - int(first) + 1)
            found.replicas[primary] = tuple(replicas)
    except (TypeError, IndexError) as error:
        raise ValueError(f"it is not an answer to CLUSTER SLOTS: {error}") from None
    if len(found.owners) != SLOTS:
        raise ValueError("it is not an answer to CLUSTER SLOTS: a slot is out of range")
    return found


def read_redirect(text: str, answered: Address) -> tuple[int, Address]:
    """Parse `MOVED 3999 host:port` or `ASK ...`, the answer of the node `answered`. Raises ValueError."""
    _, slot, place = text.split(" ", 2)
    host, _, port = place.rpartition(":")
    return int(slot), Address(host or answered.host, int(port))


def _address(node: Sequence[Any], asked: Address) -> Address:
    return Address(str(node[0] or asked.host), int(node[1]))
