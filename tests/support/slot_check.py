"""Checks every command that a test's own process sends: would it run in a Redis Cluster?

So the whole suite shows which keys are used in one step. A command on keys of several slots works on one server, and would end as
an error in a cluster. What Shoal does differently there is named here, and nothing else may use several slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from redis.exceptions import ResponseError

from shared.bus.client.wire import Command, Wire
from shared.bus.scripts import load
from shared.bus.topology.command_slot import OF_ONE_KEY, keys_of, slot_of_key, unpack
from shared.bus.topology.split_reads import SPLIT
from shared.contracts import keys

_SWITCHES: Final = (keys.CONTROL, keys.control_of_symbol(""))
_PRICES: Final = (keys.prices(""),)
_ELSEWHERE: Final = {"begin_send": _SWITCHES, "begin_replay": _SWITCHES, "transition": _PRICES, "settle": _PRICES}
_APART: Final = {
    word: names for name, names in _ELSEWHERE.items() for script in (load(name),) for word in (script.sha, script.text)
}
"""Scripts, and how the names begin of the keys that they have in other slots where there is one server: in a cluster
these are read before (`keys_apart.py`)."""
_ADMINISTRATION: Final = {
    "ACL",
    "DEBUG",
    "REPLICAOF",
    "SHUTDOWN",
    "SCRIPT",
    "CLUSTER",
    "SENTINEL",
    "ASKING",
    "WAIT",
    "HELLO",
}
_OF_TESTS: Final = frozenset(
    {"PEXPIRETIME", "LPUSH", "KEYS", "SADD", "SMEMBERS", "MEMORY", "COPY", "RENAME"} | _ADMINISTRATION
)
"""Commands that only tests send, or that concern one node."""


class SlotCheck:
    """Watches `Wire.ask`. `found` is what would not run in a cluster."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._ask = Wire.ask

    def begin(self) -> None:
        """Look at every command from now on."""
        check, ask = self._check, self._ask

        async def checked(wire: Wire, commands: Sequence[Command]) -> list[Any]:
            for command in commands:
                check(command)
            return await ask(wire, commands)

        Wire.ask = checked  # type: ignore[method-assign, assignment]

    def end(self) -> None:
        """Look no more."""
        Wire.ask = self._ask  # type: ignore[method-assign]

    def _check(self, command: Command) -> None:
        raw: Sequence[str | bytes | float] = command if isinstance(command, tuple) else unpack(command)
        name = _text(raw[0]).upper()
        if name in OF_ONE_KEY or name in SPLIT or name in _OF_TESTS or name == "SCAN":
            return  # most commands, quickly
        try:
            names = [_text(key) for key in keys_of(raw)]
        except ResponseError as error:
            self.found.append(str(error))
            return
        if name == "XREADGROUP" and all(key.startswith(keys.orders("")[:-1]) for key in names):
            return  # in a cluster each user has a read of their own (`stream_readers.py`)
        apart = _APART.get(_text(raw[1]), ()) if name in {"EVAL", "EVALSHA"} else ()
        together = [key for key in names if not (apart and key.startswith(apart) and "{" not in key)]
        if len({slot_of_key(key) for key in together}) > 1:
            self.found.append(f"{name} on {', '.join(together)}")


def _text(word: str | bytes | float) -> str:
    return word.decode(errors="replace") if isinstance(word, bytes) else str(word)
