"""The kill switch: what the operator has stopped, read before every send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.order import Kind


class ControlMode(StrEnum):
    """How much is stopped, from nothing to everything."""

    RUN = "run"
    PAUSE = "pause"  # no entries
    CLOSE_ONLY = "close_only"  # no entries; exits go on
    HALT = "halt"  # nothing is sent at all, exits included


@dataclass(frozen=True, slots=True)
class Control:
    """One switch: its mode, and why it was set."""

    mode: ControlMode = ControlMode.RUN
    reason: str = ""

    @staticmethod
    def read(fields: Mapping[str, str]) -> Control:
        """Read a control hash; an empty one is `run`, an unreadable mode stops entries: the safe reading of a doubt."""
        text = fields.get("mode", "")
        if not text:
            return Control()
        try:
            return Control(ControlMode(text), fields.get("reason", ""))
        except ValueError:
            return Control(ControlMode.PAUSE, f"unknown control mode {text!r}")


def refusal(kind: Kind, *switches: Control) -> str:
    """Say which switch forbids sending such an order; an empty text if none. Exits are only stopped by `halt`."""
    for switch in switches:
        stops = switch.mode is ControlMode.HALT or (kind is Kind.ENTRY and switch.mode is not ControlMode.RUN)
        if stops:
            return f"{switch.mode} is set" + (f": {switch.reason}" if switch.reason else "")
    return ""
