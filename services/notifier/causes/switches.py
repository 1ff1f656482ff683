"""Reads the kill switches: of everybody, of users, and of symbols that the log of changes has ever named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.notifier.rules.cause import Cause
from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.bus.state.records import read_control
from shared.bus.state.switched_symbols import find_switched_symbols
from shared.config.notifications import Event
from shared.contracts import keys
from shared.domain.control import Control, ControlMode
from shared.domain.values.symbol import Symbol

_PAGE: Final = 500
_EVERYBODY: Final = "everybody"
_MEANING: Final = {
    ControlMode.PAUSE: "no entries; exits go on",
    ControlMode.CLOSE_ONLY: "no entries; exits go on",
    ControlMode.FLATTEN: "no entries, and copied positions are being sold",
    ControlMode.HALT: "nothing is sent at all, exits included",
}


class SymbolSwitches:
    """Which symbols have a switch: looked for once at the start, then by the log of changes from there on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._names: set[str] = set()
        self._after = ""

    async def read(self) -> Mapping[str, Control]:
        """Read the switches of symbols. Raises BusUnavailable."""
        await self._follow_log()
        names = sorted(self._names)
        answers = await self._bus.do_all([("HGETALL", keys.control_of_symbol(name)) for name in names])
        return {name: read_control(answer) for name, answer in zip(names, answers, strict=True)}

    async def _follow_log(self) -> None:
        if not self._after:
            rows = await self._bus.do("XREVRANGE", keys.CONTROL_LOG, "+", "-", "COUNT", 1)
            self._after = str(rows[0][0]) if rows else "0-0"
            self._names = set(await find_switched_symbols(self._bus))
        while True:
            rows = await self._bus.do("XRANGE", keys.CONTROL_LOG, f"({self._after}", "+", "COUNT", _PAGE)
            entries = read_entries(keys.CONTROL_LOG, rows)
            for entry in entries:
                self._after = entry.id
                if _is_symbol(entry.fields.get("of", "")):
                    self._names.add(entry.fields["of"])
            if len(entries) < _PAGE:
                return


def of_switch(scope: str, switch: Control, *, symbol: bool = False) -> list[Cause]:
    """Return the cause of a switch that is set; `scope` is a user or a symbol, empty for everybody."""
    if switch.mode is ControlMode.RUN:
        return []
    option = f" --{'symbol' if symbol else 'user'} {scope}" if scope else ""
    by = f", by {switch.by}" if switch.by else ""
    why = f" ({switch.reason})" if switch.reason else ""
    return [
        Cause(
            event=Event.KILL_SWITCH,
            key=f"{scope or _EVERYBODY}|{switch.mode}",
            who=scope or _EVERYBODY,
            what=f"{switch.mode}{why}{by}: {_MEANING.get(switch.mode, '')}",
            since=switch.at or None,
            todo=f"when it may go on: ops resume{option}",
            group="symbols" if symbol else "users" if scope else f"{_EVERYBODY} {switch.mode}",
            settle_ms=0,
            gone_words=f"{switch.mode} cleared",
        )
    ]


def _is_symbol(text: str) -> bool:
    try:
        Symbol.parse(text)
    except ValueError:
        return False
    return True
