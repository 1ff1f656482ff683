"""The state of the whole system as recorded in Redis: which services run, which users are ready, and what is wrong.

Users are read as a whole (`user_states/user_status.py`), or, where there are many, in short (`user_states/stored_state.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from shared.bus.connection import Bus
from shared.bus.master.master_places import place_label, read_master_places
from shared.bus.state.memory import MemoryUse
from shared.bus.state.records import Records, pairs
from shared.bus.state.switched_symbols import find_switched_symbols
from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.domain.account import MASTER, Account, AccountState, further_name
from shared.domain.control import Control, ControlMode
from shared.domain.limits.policy import UserPolicy
from shared.ledger.live_processes import LiveProcess, ServiceFault, engine_is_open, read_processes
from shared.ledger.message_service import find_message_problem
from shared.ledger.unserved_groups import describe_unserved_groups
from shared.ledger.user_state import STOPPED_STATES, UserState, count_users, describe
from shared.ledger.user_states.user_status import UserStatus, read_user_statuses
from shared.ledger.user_states.user_summary import UserSummary


@dataclass(frozen=True, slots=True)
class SystemReadiness:
    """Whether a signal would be copied now, and why not."""

    ready: bool
    reasons: tuple[str, ...]
    master: bool
    engine: bool
    users_ready: tuple[str, ...]
    users_parked: tuple[str, ...]
    users_unknown: tuple[str, ...]
    users_held: tuple[str, ...] = ()
    """Users whose account is ready and whose entries are stopped on purpose: paused, flattening, halted, stopped out."""
    users: str = ""
    """All users counted in words: `3 users: 2 trading, 1 paused`."""
    notes: tuple[str, ...] = ()
    """What needs attention, or is stopped on purpose, and does not make the system unready."""


@dataclass(frozen=True)
class SystemStatus:
    """Everything that `status` shows, except the streams."""

    services: tuple[LiveProcess, ...]
    master: tuple[tuple[str, Account], ...]
    users: tuple[UserStatus, ...]
    engine_owner: str
    control: Control
    symbols: Mapping[str, Control] = field(default_factory=dict)
    """The kill switches of symbols that are set."""
    messages: str = ""
    """Why no messages are sent to people although they were set up; empty if there is nothing to say."""
    memory: MemoryUse | None = None
    """How full Redis is, if it says."""
    everyone: tuple[UserSummary, ...] | None = None
    """All users in short, where `users` are only some of them."""

    @property
    def summaries(self) -> tuple[UserSummary, ...]:
        """Return all users in short."""
        return tuple(user.summary for user in self.users) if self.everyone is None else self.everyone

    @property
    def mode(self) -> str:
        """Return the mode of the services: `live` if any reports it; empty while none reports a mode."""
        said = {process.mode for process in self.services}
        return next((mode for mode in ("live", "paper") if mode in said), "")

    @property
    def mirror_only(self) -> bool:
        """Whether the master's account is followed and no strategy trades it."""
        return any(process.service == "master-strategy" and process.phase is Phase.MIRROR for process in self.services)

    @cached_property
    def readiness(self) -> SystemReadiness:
        """Assess whether signals are copied."""
        return assess_readiness(self)

    @property
    def faults(self) -> tuple[ServiceFault, ...]:
        """Return the faults of all processes: blocking ones first, then by age."""
        found = [ServiceFault(process.service, fault) for process in self.services for fault in process.faults]
        return tuple(sorted(found, key=lambda each: (not each.fault.blocks, each.fault.since)))


async def read_status(bus: Bus, policies: Mapping[str, UserPolicy], now: int | None = None) -> SystemStatus:
    """Read the state of all services, the master and the configured users at `now` (epoch ms). Raises BusUnavailable."""
    now = time.time_ns() // 1_000_000 if now is None else now
    system = await read_system(bus)
    return replace(system, users=await read_user_statuses(bus, list(policies.values()), system.control, now))


async def read_system(bus: Bus) -> SystemStatus:
    """Read the state of all services and the master, without users. Raises BusUnavailable."""
    records = Records(bus)
    processes = read_processes(await records.heartbeats())
    places = await read_master_places(bus)
    masters = await records.accounts(places)
    switches = await bus.do_all(
        [("GET", keys.lease(keys.ENGINE)), ("HGETALL", keys.CONTROL), ("HGETALL", keys.NOTIFY_EXPECTED)]
    )
    return SystemStatus(
        services=processes,
        master=tuple(
            (venue, account) for (_, venue), account in zip(places, masters, strict=True) if account is not None
        ),
        users=(),
        engine_owner=str(switches[0] or ""),
        control=Control.read(pairs(switches[1])),
        messages=find_message_problem(pairs(switches[2]), processes),
    )


def assess_readiness(status: SystemStatus) -> SystemReadiness:
    """Assess whether master, engine and at least one user are ready, with a reason for each that is not."""
    reasons = []
    master = any(account.state is AccountState.READY for _, account in status.master)
    if not master:
        said = "; ".join(
            f"{place_label(each.user, venue)}: {each.state} {each.reason}".rstrip() for venue, each in status.master
        )
        reasons.append(f"the master account is not ready ({said or 'it has not been read yet'})")
    elif not any(process.service == "master-strategy" for process in status.services):
        master = False
        reasons.append("the master account is not ready (master-strategy has no heartbeat)")
    engine, why = _engine(status)
    if not engine:
        reasons.append(why)
    by_state: dict[UserState, list[str]] = {}
    everyone = status.summaries
    for user in everyone:
        by_state.setdefault(user.state, []).append(user.user)
    ready = tuple(by_state.get(UserState.READY, ()))
    stopped = tuple(sorted(name for state in STOPPED_STATES for name in by_state.get(state, ())))
    halted = by_state.get(UserState.HALTED, [])
    if not ready and not stopped:
        reasons.append("no user is ready")
    elif halted and len(halted) == len(ready) + len(stopped):
        reasons.append("all users are halted: exits are not sent either")
    reasons += [each.text for each in status.faults if each.fault.blocks]
    return SystemReadiness(
        ready=not reasons,
        reasons=tuple(reasons),
        master=master,
        engine=engine,
        users_ready=ready,
        users_parked=tuple(by_state.get(UserState.PARKED, []) + by_state.get(UserState.UNCHECKED, [])),
        users_unknown=tuple(by_state.get(UserState.UNKNOWN, ())),
        users_held=stopped,
        users=count_users([user.state for user in everyone], trading=not reasons),
        notes=_notes(status, everyone),
    )


def _notes(status: SystemStatus, everyone: Sequence[UserSummary]) -> tuple[str, ...]:
    """Describe a Redis that is nearly full and messages that are not sent, groups without an executor, what is stopped on purpose
    (all users, single users, symbols), a master of several that is not ready, and API keys that are refused or unchecked.
    """
    notes = [status.memory.words] if status.memory is not None and status.memory.nearly_full else []
    notes += [status.messages] if status.messages else []
    wanted = [(user.group, user.user) for user in everyone if user.state is not UserState.OFF]
    notes += describe_unserved_groups(wanted, status.services)
    notes += [f"everybody: {describe(status.control)}"] if status.control.mode is not ControlMode.RUN else []
    notes += [f"{symbol}: {describe(switch)}" for symbol, switch in sorted(status.symbols.items())]
    if any(account.state is AccountState.READY for _, account in status.master):  # else it is a reason
        notes += [
            f"{name_master(venue, account.user)}: {account.state}: {account.reason}"
            for venue, account in status.master
            if account.state is not AccountState.READY
        ]
    notes += [note for user in everyone for note in user.key_notes]
    return (*notes, *(f"{user.user}: {user.stop_note}" for user in everyone if user.stop_note))


def name_master(venue: str, owner: str = MASTER) -> str:
    """Return what a master's account is called: after its venue, and a further one there after its name."""
    return f"master {further_name(owner) or venue}"


def _engine(status: SystemStatus) -> tuple[bool, str]:
    engines = [process for process in status.services if process.service == keys.ENGINE]
    if any(map(engine_is_open, engines)):
        return True, ""
    said = ", ".join(sorted({process.state for process in engines}))
    return False, f"the copy engine is not open ({said or 'it has no heartbeat'})"


async def read_symbol_switches(bus: Bus) -> Mapping[str, Control]:
    """Read the kill switches of symbols that are set; a few commands for all symbols that are traded. Raises BusUnavailable."""
    return await read_switches_of(bus, await find_switched_symbols(bus))


async def read_switches_of(bus: Bus, symbols: Iterable[str]) -> Mapping[str, Control]:
    """Read the kill switches of these symbols that are set. Raises BusUnavailable."""
    names = sorted(symbols)
    answers = await bus.do_all([("HGETALL", keys.control_of_symbol(name)) for name in names])
    found = {name: Control.read(pairs(answer)) for name, answer in zip(names, answers, strict=True)}
    return {symbol: switch for symbol, switch in found.items() if switch.mode is not ControlMode.RUN}
