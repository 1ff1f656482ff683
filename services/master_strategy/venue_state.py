"""What the master's heartbeat says of its accounts: one line for all, since one process serves them under one lease."""

from __future__ import annotations

from collections.abc import Callable

from shared.bus.state.heartbeat import Heartbeat
from shared.contracts.heartbeat import Phase


class MasterState:
    """The states of all venues, in one heartbeat."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._states: dict[str, str] = {}
        self._phases: dict[str, Phase] = {}

    def of(self, venue: str) -> VenueState:
        """Return the part of one venue."""
        self._states[venue] = ""
        return VenueState(self, venue)

    def forget(self, venue: str) -> None:
        """Leave a venue out until it has a state again: the last one is of an earlier lease."""
        self._states[venue] = ""
        self._phases.pop(venue, None)

    async def publish(self, venue: str, state: str) -> None:
        """Write the heartbeat with a venue's new state."""
        self._states[venue] = state
        if len(self._states) == 1:
            await self._heartbeat.publish(state)
            return
        await self._heartbeat.publish("; ".join(f"{name}: {each}" for name, each in self._states.items() if each))

    def open(self, venue: str, phase: Phase) -> None:
        """Note that an account trades, or is mirrored. One whose strategy trades counts before one that is mirrored."""
        self._phases[venue] = phase
        self._show_phase()

    def close(self, venue: str) -> None:
        """Note that the session of an account has ended; what the others do counts. The phase of the last one stays."""
        self._phases.pop(venue, None)
        self._show_phase()

    def is_open(self, venue: str) -> bool:
        """Return whether the session of an account is open."""
        return venue in self._phases

    def _show_phase(self) -> None:
        if self._phases:
            self._heartbeat.phase = Phase.OPEN if Phase.OPEN in self._phases.values() else Phase.MIRROR


class VenueState:
    """What the heartbeat says of one venue. `connected` is called when its account has connected, `opened` after its scan."""

    def __init__(self, master: MasterState, venue: str) -> None:
        self._master = master
        self._venue = venue
        self.connected: Callable[[], object] = lambda: None
        self.opened: Callable[[], object] = lambda: None

    def forget(self) -> None:
        """Leave the venue out until it has a state again."""
        self._master.forget(self._venue)

    async def publish(self, state: str) -> None:
        """Write the heartbeat with a new state."""
        await self._master.publish(self._venue, state)

    def open(self, phase: Phase) -> None:
        """Note that the account trades, or is mirrored."""
        self.opened()
        self._master.open(self._venue, phase)

    @property
    def is_open(self) -> bool:
        """Whether the account's session has seen its fills."""
        return self._master.is_open(self._venue)

    def close(self) -> None:
        """Note that the account's session has ended."""
        self._master.close(self._venue)
