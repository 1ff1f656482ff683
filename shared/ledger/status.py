"""The state of the whole system as recorded in Redis: which services run, which users are ready, and what is wrong.

An account's record outlives its executor, so a user counts as ready only while an executor holds the user's lease. A user whose
entries are stopped on purpose is not "ready": see `user_state.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from shared.bus.connection import Bus
from shared.bus.master_places import place_label, read_master_places
from shared.bus.memory import MemoryUse
from shared.bus.records import Records, pairs, read_account, read_key_check
from shared.bus.switched_symbols import find_switched_symbols
from shared.bus.users.routes import routed_users
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.heartbeat import Phase
from shared.contracts.risk import read_risk
from shared.domain.account import MASTER, Account, AccountState, further_name
from shared.domain.control import Control, ControlMode
from shared.domain.limits.policy import FileState, UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.ledger.key_checks import KeyState, judge_check
from shared.ledger.live_processes import LiveProcess, ServiceFault, engine_is_open, read_processes
from shared.ledger.message_service import find_message_problem
from shared.ledger.stages.rows import StageRow, read_stages
from shared.ledger.unserved_groups import describe_unserved_groups
from shared.ledger.user_state import STOPPED_STATES, EntryStop, UserState, count_users, describe, find_entry_stop
from shared.ledger.users import describe_held

_LEASES: Final = 1_000
"""Leases that one command reads."""
NO_EXECUTOR: Final = "no executor serves this user"


@dataclass(frozen=True)
class UserStatus:
    """One user: settings, each account (None: not known), the executor that serves them, and their kill switch.

    `funds` is the money of the account's books by venue, `paper` or `live`, if an executor has recorded it.
    """

    policy: UserPolicy
    accounts: tuple[tuple[str, Account | None], ...]
    owner: str
    control: Control
    funds: Mapping[str, str] = field(default_factory=dict)
    entry_stop: EntryStop | None = None
    """What stops the user's entries, if anything does."""
    holds: str = ""
    """What a user without a file still holds from copying, in words."""
    keys: Mapping[str, KeyState] = field(default_factory=dict)
    """What the checks of the user's API keys mean, by venue; only where there is something to say."""
    stage: StageRow | None = None
    """Where the user stands on the canary ladder."""
    risk: RiskState | None = None
    """The risk state of the account that is stopped the longest, for a user whom a loss can stop."""

    def under(self, everybody: Control, now: int) -> UserStatus:
        """Return the status under another switch for everybody, at `now` (epoch ms)."""
        return replace(self, entry_stop=find_entry_stop(self.control, everybody, self.risk, now))

    @cached_property
    def state(self) -> UserState:
        """Return the user's state; ready if any account is, an executor serves it and nothing stops entries."""
        states = {account.state for _, account in self.accounts if account is not None}
        if self.policy.file is FileState.GONE:
            return UserState.GONE
        if not self.policy.enabled:
            return UserState.OFF
        if self.policy.fault:
            return UserState.PARKED
        if AccountState.READY in states:
            if not self.owner:
                return UserState.UNKNOWN
            if self.entry_stop:
                return self.entry_stop.state
            return UserState.UNCHECKED if self._ready_venues <= self.unchecked.keys() else UserState.READY
        return UserState.PARKED if AccountState.PARKED in states else UserState.UNKNOWN

    @property
    def _ready_venues(self) -> set[str]:
        return {venue for venue, account in self.accounts if account and account.state is AccountState.READY}

    @property
    def unchecked(self) -> Mapping[str, str]:
        """Return, by venue, why no entry is taken because of the API key."""
        return {venue: state.unchecked for venue, state in self.keys.items() if state.unchecked}

    @property
    def unserved(self) -> str:
        """Return that no executor serves the user, with the group whose executors would."""
        return f"{NO_EXECUTOR} (group {self.policy.group})" if self.policy.group else NO_EXECUTOR

    @property
    def reason(self) -> str:
        """Return why the user is not trading; an empty text if they are."""
        state = self.state
        if state in {UserState.READY, UserState.OFF}:
            return ""
        unserved = "" if self.owner else "; no executor serves this user, so no exit is sent"
        if state is UserState.GONE:
            return f"gone, still holds: {self.holds or 'nothing'}; {self.policy.fault}{unserved}"
        if self.policy.fault:
            return f"{self.policy.fault}{unserved}"
        if state in STOPPED_STATES and self.entry_stop:
            return self.entry_stop.reason
        if not self.owner:
            return self.unserved
        if state is UserState.UNCHECKED:
            return "; ".join(f"{venue}: {why}" for venue, why in self.unchecked.items())
        said = [f"{venue}: {account.reason}" for venue, account in self.accounts if account and account.reason]
        return "; ".join(said) or "the account has not been read yet"


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
    for user in status.users:
        by_state.setdefault(user.state, []).append(user.policy.user)
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
        users=count_users([user.state for user in status.users], trading=not reasons),
        notes=_notes(status),
    )


def _notes(status: SystemStatus) -> tuple[str, ...]:
    """Describe a Redis that is nearly full and messages that are not sent, groups without an executor, what is stopped on purpose
    (all users, single users, symbols), a master of several that is not ready, and API keys that are refused or unchecked.
    """
    notes = [status.memory.words] if status.memory is not None and status.memory.nearly_full else []
    notes += [status.messages] if status.messages else []
    wanted = [(user.policy.group, user.policy.user) for user in status.users if user.state is not UserState.OFF]
    notes += describe_unserved_groups(wanted, status.services)
    notes += [f"everybody: {describe(status.control)}"] if status.control.mode is not ControlMode.RUN else []
    notes += [f"{symbol}: {describe(switch)}" for symbol, switch in sorted(status.symbols.items())]
    if any(account.state is AccountState.READY for _, account in status.master):  # else it is a reason
        notes += [
            f"{name_master(venue, account.user)}: {account.state}: {account.reason}"
            for venue, account in status.master
            if account.state is not AccountState.READY
        ]
    for user in status.users:
        name = user.policy.user
        notes += [
            f"{name} at {venue}: {why}" for venue, why in user.unchecked.items() if user.state is not UserState.OFF
        ]
        notes += [f"{name} at {venue}: API key: {state.refused}" for venue, state in user.keys.items() if state.refused]
    own = [user for user in status.users if user.entry_stop and not user.entry_stop.everybody]
    return (*notes, *(f"{user.policy.user}: {user.entry_stop.reason}" for user in own if user.entry_stop))


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


async def read_user_statuses(
    bus: Bus, policies: Sequence[UserPolicy], everybody: Control, now: int, *, brief: bool = False
) -> tuple[UserStatus, ...]:
    """Read the state of these users at `now` (epoch ms), in this sequence; `brief`: without `funds`. Raises BusUnavailable."""
    policies = await routed_users(bus, policies)
    who = [(policy.user, venue) for policy in policies for venue in policy.venues]
    accounts, checks = await _accounts(bus, who, now)
    noted = [] if brief else await bus.do_all([("HGET", keys.books(user, venue), "funds") for user, venue in who])
    funds = {each: str(answer) for each, answer in zip(who, noted, strict=False) if isinstance(answer, str)}
    owners = await _owners(bus, [policy.user for policy in policies])
    controls = await bus.do_all([("HGETALL", keys.control(policy.user)) for policy in policies])
    risks = await _risks(bus, [policy for policy in policies if policy.limits.stop_out])
    gone = [policy for policy in policies if policy.file is FileState.GONE]
    stages = await read_stages(bus, policies)
    holds = {policy.user: await describe_held(bus, policy.user, policy.venues) for policy in gone}
    return tuple(
        UserStatus(
            policy=policy,
            accounts=tuple((venue, accounts[policy.user, venue]) for venue in policy.venues),
            owner=str(owner or ""),
            control=(switch := Control.read(pairs(control))),
            entry_stop=find_entry_stop(switch, everybody, risks.get(policy.user), now),
            funds={venue: funds[policy.user, venue] for venue in policy.venues if (policy.user, venue) in funds},
            holds=holds.get(policy.user, ""),
            keys={venue: checks[policy.user, venue] for venue in policy.venues if (policy.user, venue) in checks},
            stage=stages[policy.user],
            risk=risks.get(policy.user),
        )
        for policy, owner, control in zip(policies, owners, controls, strict=True)
    )


async def _accounts(
    bus: Bus, places: Sequence[tuple[str, str]], now: int
) -> tuple[Mapping[tuple[str, str], Account | None], Mapping[tuple[str, str], KeyState]]:
    """Read accounts, and what the checks of their keys mean where there is something to say: both are in one hash."""
    answers = await bus.do_all([("HGETALL", keys.account(user, venue)) for user, venue in places])
    fields = dict(zip(places, map(pairs, answers), strict=True))
    accounts = {place: read_account(*place, known) for place, known in fields.items()}
    states = {place: judge_check(accounts[place], read_key_check(known), now) for place, known in fields.items()}
    return accounts, {place: state for place, state in states.items() if state != KeyState()}


async def _owners(bus: Bus, users: Sequence[str]) -> list[str]:
    """Read which executor serves each user; empty if none does."""
    found: list[str] = []
    for first in range(0, len(users), _LEASES):
        some = users[first : first + _LEASES]
        (answer,) = await bus.do_all([("MGET", *(keys.lease(user) for user in some))])
        found += [owner or "" for owner in (answer if isinstance(answer, list) else [""] * len(some))]
    return found


async def _risks(bus: Bus, policies: Sequence[UserPolicy]) -> Mapping[str, RiskState]:
    """Read the risk state of each user: that of the account that is stopped the longest."""
    places = [(policy.user, venue) for policy in policies for venue in policy.venues]
    found: dict[str, RiskState] = {}
    answers = await bus.do_all([("HGETALL", keys.risk(user, venue)) for user, venue in places])
    for (user, _), answer in zip(places, answers, strict=True):
        try:
            state = read_risk(pairs(answer)) if answer else None
        except MalformedMessageError:
            continue  # `ops stopouts` reports it, and so does the executor
        if state is not None and (user not in found or state.stopped_until > found[user].stopped_until):
            found[user] = state
    return found
