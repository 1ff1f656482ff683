"""The processes that a chaos run kills, freezes and starts again: two copy engines, some executors, perhaps two masters.

Ends only what it started, by its own handle. A process that ends by itself (it found no Redis at its start, say) is started
again, as compose does.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Mapping, Sequence
from typing import Final

from tests.chaos.script import Role
from tests.support.host_clock import HostClock
from tests.support.processes import Service
from tests.support.stack import Stack

MASTERS: Final = 2
ENGINES: Final = 2
EXECUTORS: Final = 5
SHARE: Final = 3
"""Each executor may serve a third of the users, so any three can do the work of all."""
_RESPAWN: Final = 1.0


class Member:
    """One process of the fleet and what is being done to it."""

    def __init__(self, name: str, service: Service, clock: HostClock) -> None:
        self.name = name
        self.service = service
        self.clock = clock
        self.frozen = False
        self.starts_at: float | None = None
        self.hook = ""

    def start(self) -> None:
        """Start it, armed with its hook if it has one."""
        self.service._environment = {**self.service._environment, "DEBUG_DIE_AT": self.hook}
        self.service.start()
        self.frozen, self.starts_at = False, None

    @property
    def alive(self) -> bool:
        """Whether it runs, frozen or not."""
        return self.service.running


class Fleet:
    """All of them."""

    def __init__(self, stack: Stack, budget: Mapping[str, str], *, masters: int = 0) -> None:
        capacity = math.ceil(len(stack.users) / SHARE)
        room = {"EXECUTOR_CAPACITY": str(capacity), **budget}
        self._groups = {
            Role.MASTER: [_member(stack, f"master-{number}", "master-strategy", budget) for number in range(masters)],
            Role.EXECUTOR: [_member(stack, f"executor-{number}", "executor", room) for number in range(EXECUTORS)],
            Role.ENGINE: [_member(stack, f"engine-{number}", "copy-engine", {}) for number in range(ENGINES)],
        }
        self.kills = self.stops = self.respawns = self.step_deaths = self.clock_steps = 0

    @property
    def members(self) -> Sequence[Member]:
        """Everybody."""
        return [member for group in self._groups.values() for member in group]

    def kill(self, *, role: Role, which: int, down: float, hook: str) -> str:
        """SIGKILL one that runs, the given one or the next, and arm its next life with a step to die at; answers whom."""
        member = self._pick(role=role, which=which, frozen_too=True)
        if member is None:
            return "nobody runs"
        member.service.send(signal.SIGKILL)
        member.service.wait(10)
        member.frozen, member.starts_at, member.hook = False, time.monotonic() + down, hook
        self.kills += 1
        return member.name

    def stop(self, *, role: Role, which: int) -> Member | None:
        """SIGSTOP one that runs."""
        member = self._pick(role=role, which=which, frozen_too=False)
        if member is not None:
            member.service.send(signal.SIGSTOP)
            member.frozen = True
            self.stops += 1
        return member

    def thaw(self, member: Member, pid: int) -> bool:
        """SIGCONT one, unless it was killed meanwhile."""
        if not member.frozen or not member.alive or member.service.pid != pid:
            return False
        member.service.send(signal.SIGCONT)
        member.frozen = False
        return True

    def step_clock(self, *, role: Role, which: int, seconds: float) -> Member:
        """Set the wall clock of one's host so many seconds off; it is one member's alone."""
        group = self._groups[role]
        member = group[which % len(group)]
        member.clock.step(seconds)
        self.clock_steps += 1
        return member

    def tend(self) -> list[str]:
        """Start again whoever is down and due; answers whom."""
        now = time.monotonic()
        started = []
        for member in self.members:
            if member.alive:
                continue
            if member.starts_at is None:
                member.starts_at = now + _RESPAWN
                if member.hook and member.service.wait(1) == -signal.SIGKILL:
                    self.step_deaths += 1
                    member.hook = ""
                else:
                    self.respawns += 1
            if now >= member.starts_at:
                member.start()
                started.append(f"{member.name} {member.hook}".rstrip())
        return started

    def restore(self) -> None:
        """Thaw and start everybody; nobody dies at a step any more."""
        for member in self.members:
            if member.hook and member.alive:
                member.service.kill()
            member.hook = ""
            member.clock.step(0)
            if member.frozen and member.alive:
                member.service.send(signal.SIGCONT)
            member.frozen = False
            if member.starts_at is not None:
                member.starts_at = 0.0
        self.tend()

    def _pick(self, *, role: Role, which: int, frozen_too: bool) -> Member | None:
        group = self._groups[role]
        ring = [group[(which + step) % len(group)] for step in range(len(group))]
        fit = [member for member in ring if member.alive and (frozen_too or not member.frozen)]
        return fit[0] if fit else None


def _member(stack: Stack, name: str, service: str, told: Mapping[str, str]) -> Member:
    """Start a process on a host of its own, whose wall clock can be stepped."""
    clock = HostClock(stack.folder / "clocks" / name)
    module = "services." + service.replace("-", "_")
    return Member(name, stack.start(service, module, LOG_FORMAT="json", **clock.environment(), **told), clock)
