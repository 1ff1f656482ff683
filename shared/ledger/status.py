"""Who runs, who is ready, and what stands in the way: the state of the whole system as Redis tells it.

An account's record outlives its executor, so a user counts as ready only while somebody holds his lease.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shared.bus.connection import Bus
from shared.bus.records import Records, pairs
from shared.contracts import keys
from shared.contracts.heartbeat import HeartbeatRecord, read_counts, read_faults
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.fault import Fault
from shared.domain.policy import FileState, UserPolicy
from shared.ledger.users import describe_held

VENUES: Final = ("kraken", "coinbase")
_CLOSED: Final = ("starting", "waiting", "standby", "failed")
"""How the state of an engine begins that carries no signals."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A process that gave a sign of life lately, its state in words, and what is wrong in it.

    `since` is when that state began (epoch ms); `counts` says how often each kind of fault has occurred in it.
    """

    service: str
    instance: str
    state: str
    since: int | None = None
    version: str = ""
    faults: tuple[Fault, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceFault:
    """Something that stands wrong in a process of a service."""

    service: str
    fault: Fault

    @property
    def text(self) -> str:
        """Describe it in one line."""
        return f"{self.service}: {self.fault.subject}: {self.fault.reason}"


@dataclass(frozen=True, slots=True)
class UserStatus:
    """One user: what was set, what is known of each account (None: nothing), who serves him and his kill switch.

    `funds` says by venue of which money the account's books are, `paper` or `live`, where an executor has noted it.
    """

    policy: UserPolicy
    accounts: tuple[tuple[str, Account | None], ...]
    owner: str
    control: Control
    funds: Mapping[str, str] = field(default_factory=dict)
    held: str = ""
    """What a user without a file still holds from copying, in words."""

    @property
    def state(self) -> str:
        """Return `off`, `gone`, `ready`, `parked` or `unknown`; ready if any account is and somebody serves it."""
        states = {account.state for _, account in self.accounts if account is not None}
        if self.policy.file is FileState.GONE:
            return "gone"
        if not self.policy.enabled:
            return "off"
        if self.policy.fault:
            return "parked"
        if AccountState.READY in states:
            return "ready" if self.owner else "unknown"
        return "parked" if AccountState.PARKED in states else "unknown"

    @property
    def reason(self) -> str:
        """Say why the user is not ready; an empty text if he is."""
        if self.state in {"ready", "off"}:
            return ""
        unserved = "" if self.owner else "; no executor serves this user, so no exit goes out"
        if self.state == "gone":
            return f"gone, still holds: {self.held or 'nothing'}; {self.policy.fault}{unserved}"
        if self.policy.fault:
            return f"{self.policy.fault}{unserved}"
        if not self.owner:
            return "no executor serves this user"
        said = [f"{venue}: {account.reason}" for venue, account in self.accounts if account and account.reason]
        return "; ".join(said) or "the account has not been read yet"


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a signal would be copied now, and if not, why not."""

    ready: bool
    reasons: tuple[str, ...]
    master: bool
    engine: bool
    users_ready: tuple[str, ...]
    users_parked: tuple[str, ...]
    users_unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SystemStatus:
    """Everything that `status` shows beside the streams."""

    services: tuple[Sign, ...]
    master: tuple[tuple[str, Account], ...]
    users: tuple[UserStatus, ...]
    engine_owner: str
    control: Control

    @property
    def readiness(self) -> Readiness:
        """Judge whether the flow is open."""
        return judge(self)

    @property
    def faults(self) -> tuple[ServiceFault, ...]:
        """Return what stands wrong in any process: what blocks first, then the oldest."""
        found = [ServiceFault(sign.service, fault) for sign in self.services for fault in sign.faults]
        return tuple(sorted(found, key=lambda each: (not each.fault.blocks, each.fault.since)))


async def read_status(bus: Bus, policies: Mapping[str, UserPolicy]) -> SystemStatus:
    """Read the state of all services, the master and the configured users. Raises BusUnavailable."""
    records = Records(bus)
    signs = read_signs(await records.heartbeats())
    masters = await records.accounts([(MASTER, venue) for venue in VENUES])
    switches = await bus.do_all([("GET", keys.lease(keys.ENGINE)), ("HGETALL", keys.CONTROL)])
    return SystemStatus(
        services=signs,
        master=tuple((venue, account) for venue, account in zip(VENUES, masters, strict=True) if account is not None),
        users=await _users(bus, records, list(policies.values())),
        engine_owner=str(switches[0] or ""),
        control=Control.read(pairs(switches[1])),
    )


def read_signs(heartbeats: Mapping[str, HeartbeatRecord]) -> tuple[Sign, ...]:
    """Read heartbeats, which are records by `<service>:<instance>`."""
    found = []
    for name, record in sorted(heartbeats.items()):
        service, _, instance = name.partition(":")
        faults, counts = read_faults(record.faults), read_counts(record.fault_counts)
        found.append(Sign(service, instance, record.state, record.since, record.version, faults, counts))
    return tuple(found)


def judge(status: SystemStatus) -> Readiness:
    """Say whether master, engine and at least one user are ready, with a reason for each that is not."""
    reasons = []
    master = any(account.state is AccountState.READY for _, account in status.master)
    if not master:
        said = "; ".join(f"{venue}: {each.state} {each.reason}".rstrip() for venue, each in status.master)
        reasons.append(f"the master account is not ready ({said or 'nothing is known of it'})")
    elif not any(sign.service == "master-strategy" for sign in status.services):
        master = False
        reasons.append("the master account is not ready (master-strategy gives no sign of life)")
    engine, why = _engine(status)
    if not engine:
        reasons.append(why)
    by_state: dict[str, list[str]] = {}
    for user in status.users:
        by_state.setdefault(user.state, []).append(user.policy.user)
    ready = tuple(by_state.get("ready", ()))
    if not ready:
        reasons.append("no user is ready")
    reasons += [each.text for each in status.faults if each.fault.blocks]
    return Readiness(
        ready=not reasons,
        reasons=tuple(reasons),
        master=master,
        engine=engine,
        users_ready=ready,
        users_parked=tuple(by_state.get("parked", ())),
        users_unknown=tuple(by_state.get("unknown", ())),
    )


def engine_is_open(state: str) -> bool:
    """Say whether an engine in this state carries signals."""
    return not state.startswith(_CLOSED)


def _engine(status: SystemStatus) -> tuple[bool, str]:
    engines = [sign for sign in status.services if sign.service == keys.ENGINE]
    if any(engine_is_open(sign.state) for sign in engines):
        return True, ""
    said = ", ".join(sorted({sign.state for sign in engines}))
    return False, f"the copy engine is not open ({said or 'it gives no sign of life'})"


async def _users(bus: Bus, records: Records, policies: Sequence[UserPolicy]) -> tuple[UserStatus, ...]:
    who = [(policy.user, venue) for policy in policies for venue in policy.venues]
    accounts = dict(zip(who, await records.accounts(who), strict=True))
    noted = await bus.do_all([("HGET", keys.books(user, venue), "funds") for user, venue in who])
    funds = {each: str(answer) for each, answer in zip(who, noted, strict=True) if isinstance(answer, str)}
    owners = await bus.do_all([("GET", keys.lease(policy.user)) for policy in policies])
    controls = await bus.do_all([("HGETALL", keys.control(policy.user)) for policy in policies])
    gone = [policy for policy in policies if policy.file is FileState.GONE]
    held = {policy.user: await describe_held(bus, policy.user, policy.venues) for policy in gone}
    return tuple(
        UserStatus(
            policy=policy,
            accounts=tuple((venue, accounts[policy.user, venue]) for venue in policy.venues),
            owner=str(owner or ""),
            control=Control.read(pairs(control)),
            funds={venue: funds[policy.user, venue] for venue in policy.venues if (policy.user, venue) in funds},
            held=held.get(policy.user, ""),
        )
        for policy, owner, control in zip(policies, owners, controls, strict=True)
    )


def switched_off(control: Control) -> str:
    """Say that a kill switch is set; an empty text if it is not."""
    return "" if control.mode is ControlMode.RUN else f"{control.mode}: {control.reason}".rstrip(": ")
