"""The kill switch: what the operator has stopped, read before every send.

There are three scopes, each with a switch of its own: all users, one user, one symbol. The strictest one wins.
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
    PAUSE = "pause"  # no entries; exits continue, both the master's and the user's own
    CLOSE_ONLY = "close_only"  # the older name of pause: still read, no longer written
    FLATTEN = "flatten"  # no entries; the executor closes every copied position in the switch's scope
    HALT = "halt"  # nothing is sent at all, exits included


@dataclass(frozen=True, slots=True)
class Control:
    """One switch: its mode, why it was set, by whom and when (epoch ms; 0 if unknown)."""

    mode: ControlMode = ControlMode.RUN
    reason: str = ""
    by: str = ""
    at: int = 0

    @staticmethod
    def read(fields: Mapping[str, str]) -> Control:
        """Parse a control hash. An empty one is `run`; a mode that cannot be read stops entries, which errs on the safe side."""
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
"""A switch that was never set."""
_RUN: Final = ControlMode.RUN
_HALT: Final = ControlMode.HALT
_KILL_SWITCH: Final = ReasonCode.KILL_SWITCH
"""Bound once, because Python 3.11 looks up enum members slowly and this runs for every switch of every user."""


def refusal(kind: Kind, *switches: Control) -> Skip | None:
    """Return why a switch forbids sending such an order; None if none does. Exits are only stopped by `halt`."""
    for switch in switches:
        if switch.mode is not _RUN and (switch.mode is _HALT or kind is Kind.ENTRY):
            why = f"{switch.mode} is set" + (f": {switch.reason}" if switch.reason else "")
            return Skip(why, _KILL_SWITCH)
    return None


def flattening(*switches: Control) -> Control | None:
    """Return the switch that wants copied positions closed; None if there is none or a `halt` forbids sending."""
    if any(switch.mode is ControlMode.HALT for switch in switches):
        return None
    return next((switch for switch in switches if switch.mode is ControlMode.FLATTEN), None)
