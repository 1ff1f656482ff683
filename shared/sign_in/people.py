"""The people who sign in with a password, by name, and what makes their sessions end.

Every change of a person gives them a new generation, in the same step. A session carries the generation under which it began and
is dead as soon as that is no longer the current one: no list of sessions has to be kept. Only the hash of a password is here.
"""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Final

from shared.bus.connection import Bus
from shared.bus.scripts import load
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.sign_in.role import Role

FIRST: Final = "operator"
"""Name of the person whom the first start creates."""
NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}")

_WRITE: Final = load("write_person")
_FIRST: Final = load("first_person")


@dataclass(frozen=True, slots=True)
class Person:
    """A person; `password` is its Argon2id hash, `changed_at` is in epoch ms."""

    name: str
    role: Role
    password: str = field(repr=False)
    generation: str
    changed_at: int

    @property
    def holder(self) -> str:
        """Return the field of this person's generation."""
        return person_holder(self.name)


def person_holder(name: str) -> str:
    """Return the field in the hash of generations that belongs to a person's sessions."""
    return f"person:{name}"


def new_generation() -> str:
    """Return a generation: any value that has not been one before."""
    return secrets.token_hex(8)


class People:
    """Reads and writes people. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def find(self, name: str) -> Person | None:
        """Return a person; None if there is none of that name."""
        if not NAME.fullmatch(name):
            return None
        return _read(name, await self._bus.do("HGET", keys.PEOPLE, name))

    async def all(self) -> list[Person]:
        """Return everybody, by name."""
        found = pairs(await self._bus.do("HGETALL", keys.PEOPLE))
        return [person for name, text in sorted(found.items()) if (person := _read(name, text))]

    async def write(self, name: str, role: Role, hashed: str, at: int) -> None:
        """Create a person, or change role and password (its hash); all sessions of the person end."""
        record, generation = _record(role, hashed, at)
        await self._bus.run(_WRITE, [keys.PEOPLE, keys.GENERATIONS], [name, record, person_holder(name), generation])

    async def remove(self, name: str) -> None:
        """Remove a person; all their sessions end."""
        await self._bus.run(_WRITE, [keys.PEOPLE, keys.GENERATIONS], [name, "", person_holder(name), ""])

    async def create_first(self, hashed: str, at: int) -> bool:
        """Create the operator if there is no one yet; return whether this call did, so that one start of several prints."""
        record, generation = _record(Role.OPERATOR, hashed, at)
        made = await self._bus.run(
            _FIRST, [keys.PEOPLE, keys.GENERATIONS], [FIRST, record, person_holder(FIRST), generation]
        )
        return bool(made)

    async def is_empty(self) -> bool:
        """Return whether no one can sign in yet."""
        return int(await self._bus.do("HLEN", keys.PEOPLE)) == 0


def _record(role: Role, hashed: str, at: int) -> tuple[str, str]:
    generation = new_generation()
    fields = {"v": 1, "role": role, "password": hashed, "generation": generation, "changed_at": at}
    return json.dumps(fields), generation


def _read(name: str, text: object) -> Person | None:
    """Parse a record; None if there is none, or if it cannot be read: such a person cannot sign in."""
    try:
        found = json.loads(str(text or ""))
        return Person(
            name, Role(found["role"]), str(found["password"]), str(found["generation"]), int(found["changed_at"])
        )
    except (ValueError, KeyError, TypeError):
        return None
