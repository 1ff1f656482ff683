"""The state of a user, and what stops the entries of one whose account is ready: a kill switch or a stop-out.

It is shown wherever users are counted, so that a user for whom nothing is bought never counts as "ready". It decides nothing:
engine and executor read the switches and the risk state themselves, before every send.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from shared.domain.control import Control, ControlMode
from shared.domain.limits.risk_state import utc_minute


class UserState(StrEnum):
    """The state of a user. Stable words: `status --json`, `/status` and the metrics show them."""

    READY = "ready"  # entries and exits are copied
    PAUSED = "paused"  # no entries, by a switch
    FLATTENING = "flattening"  # no entries, and copied positions are being sold, by a switch
    HALTED = "halted"  # nothing is sent, by a switch
    STOPPED_OUT = "stopped_out"  # no entries, by a loss limit
    UNCHECKED = "unchecked"  # no entries, because the API key has not passed its check
    PARKED = "parked"  # the account cannot be used
    UNKNOWN = "unknown"  # not served, or not read yet
    GONE = "gone"  # holds a copied position, and has no file any more
    OFF = "off"  # disabled in the user's file


STOPPED_STATES: Final = frozenset({UserState.PAUSED, UserState.FLATTENING, UserState.STOPPED_OUT, UserState.HALTED})
"""States of a user whose account is ready and whose entries are stopped on purpose."""
_BY_MODE: Final = {
    ControlMode.HALT: UserState.HALTED,
    ControlMode.FLATTEN: UserState.FLATTENING,
    ControlMode.CLOSE_ONLY: UserState.PAUSED,
    ControlMode.PAUSE: UserState.PAUSED,
}
_WORDS: Final = {UserState.STOPPED_OUT: "stopped out", UserState.OFF: "disabled"}
_ORDER: Final = tuple(UserState)


@dataclass(frozen=True, slots=True)
class EntryStop:
    """What stops a user's entries, and why; with who set it and since when, if known."""

    state: UserState
    reason: str
    everybody: bool = False
    """Whether it stops all users, and not this user alone."""


class StopOutRecord(Protocol):
    """Until when a loss stops a user's entries (epoch ms), and why."""

    @property
    def stopped_until(self) -> int:
        """Return the end; one that has passed stops nothing."""

    @property
    def stopped_reason(self) -> str:
        """Return the reason."""


def state_under(settled: UserState, stop: EntryStop | None, *, served: bool) -> UserState:
    """Return the state of a user who is `settled` while an executor serves them and nothing stops entries."""
    if settled not in {UserState.READY, UserState.UNCHECKED}:
        return settled
    if not served:
        return UserState.UNKNOWN
    return stop.state if stop else settled


def find_entry_stop(user: Control, everybody: Control, risk: StopOutRecord | None, now: int) -> EntryStop | None:
    """Return what stops a user's entries at `now` (epoch ms), the strictest switch first; None if nothing does."""
    for mode, state in _BY_MODE.items():
        if user.mode is mode:
            return EntryStop(state, describe(user))
        if everybody.mode is mode:
            return EntryStop(state, f"everybody: {describe(everybody)}", everybody=True)
    if risk is not None and now < risk.stopped_until:
        return EntryStop(
            UserState.STOPPED_OUT, f"{risk.stopped_reason or 'a loss limit'}, until {utc_minute(risk.stopped_until)}"
        )
    return None


def describe(switch: Control) -> str:
    """Describe a switch that is set: `pause: lunch (anna, since 2026-11-26 16:40 UTC)`."""
    said = f"{switch.mode}: {switch.reason}" if switch.reason else f"{switch.mode} is set"
    known = [switch.by] if switch.by else []
    if switch.at:
        known.append(f"since {utc_minute(switch.at)}")
    return f"{said} ({', '.join(known)})" if known else said


def count_users(states: Collection[UserState], *, trading: bool) -> str:
    """Count users by state: `3 users: 2 trading, 1 paused`; `trading` is whether a signal would reach ready users."""
    words = {**_WORDS, UserState.READY: "trading" if trading else "ready"}
    counted = [(state, sum(each is state for each in states)) for state in _ORDER]
    parts = ", ".join(f"{count} {words.get(state, state)}" for state, count in counted if count)
    total = f"{len(states)} user{'' if len(states) == 1 else 's'}"
    return f"{total}: {parts}" if parts else "no users"
