"""The kill switch: what the operator has stopped, read before every send.

There are three scopes, each a switch of its own: everybody, one user, one symbol. The strictest of them counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.domain.order import Kind
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.numerals import whole


class ControlMode(StrEnum):
    """How much is stopped, from nothing to everything."""

    RUN = "run"
    PAUSE = "pause"  # no entries; exits go on, the master's and the user's own
    CLOSE_ONLY = "close_only"  # the same as pause, by an older name: read where it stands, written by nothing any more
    FLATTEN = "flatten"  # no entries; the executor closes every copied position in the switch's scope
    HALT = "halt"  # nothing is sent at all, exits included


@dataclass(frozen=True, slots=True)
class Control:
    """One switch: its mode, why it was set, by whom and when (epoch ms; 0 if that is not known)."""

    mode: ControlMode = ControlMode.RUN
    reason: str = ""
    by: str = ""
    at: int = 0

    @staticmethod
    def read(fields: Mapping[str, str]) -> Control:
        """Read a control hash; an empty one is `run`, an unreadable mode stops entries: the safe reading of a doubt."""
        text = fields.get("mode", "")
        if not text:
            return RUNNING
        by, at = fields.get("by", ""), fields.get("at", "")
        instant = whole(at) or 0
        try:
            return Control(ControlMode(text), fields.get("reason", ""), by, instant)
        except ValueError:
            return Control(ControlMode.PAUSE, f"unknown control mode {text!r}", by, instant)


RUNNING: Final = Control()
"""What a switch that nobody has set says."""
_RUN: Final = ControlMode.RUN
_HALT: Final = ControlMode.HALT
"""By names of their own, since Python 3.11 looks a member of an enum up slowly and every user's switches come past here."""


def refusal(kind: Kind, *switches: Control) -> Skip | None:
    """Return why a switch forbids sending such an order; None if none does. Exits are only stopped by `halt`."""
    for switch in switches:
        if switch.mode is not _RUN and (switch.mode is _HALT or kind is Kind.ENTRY):
            why = f"{switch.mode} is set" + (f": {switch.reason}" if switch.reason else "")
            return Skip(why, ReasonCode.KILL_SWITCH)
    return None


def flattening(*switches: Control) -> Control | None:
    """Give the switch that wants copied positions closed; None if none does, or a `halt` stands in the way of sending."""
    if any(switch.mode is ControlMode.HALT for switch in switches):
        return None
    return next((switch for switch in switches if switch.mode is ControlMode.FLATTEN), None)
