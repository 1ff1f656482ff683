"""Shoal and what it is compared with, in turn and round by round, so that whatever else the machine does strikes all alike.

A round is one signal to each carrier; who begins rotates, and every other round goes backwards: whoever comes right after another
Shoal finds its code in the processor's cache, which is worth 9 % of its CPU time. What is told of a pair is the ratio within each
round: its median over the rounds, and how far the middle half of the rounds is spread. A figure whose rounds disagree is no
figure, and decides nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

from tests.bench.accounts import make_accounts
from tests.bench.ceiling import CONNECTIONS, orders_per_second
from tests.bench.peers.measure import BARE, BARE_COINBASE, ONE
from tests.bench.peers.peer import Kind, Peer
from tests.bench.peers.replaced import SPACING
from tests.bench.plan import Plan
from tests.bench.ratio import Ratio
from tests.bench.rounds import Round, Rounds
from tests.bench.system import System
from tests.bench.venue_process import VenueProcess
from tests.bench.verify import Verification

SHOAL, PATH, CLIENT, BEFORE = "shoal", BARE.name, "bare HTTP client", "shoal, the other checkout"
SHOAL_AT_COINBASE, PATH_AT_COINBASE = "shoal, Coinbase", BARE_COINBASE.name
_WARM: Final = 2
_REST_LEAST, _REST_PER_USER = 0.02, 0.001
_LEAST_ORDERS: Final = 1_000
"""Orders of the bare client in a round: fewer are over before its connections are warm."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Taken:
    """What one carrier took in one round: ms to the last order accepted, and us of CPU per order by process."""

    ms: float
    accepted_us: Mapping[str, float] = field(default_factory=dict)
    """Until the last order was accepted."""
    settled_us: Mapping[str, float] = field(default_factory=dict)
    """Until everything was reported."""
    commands: Mapping[str, float] = field(default_factory=dict)
    """Commands of Redis per order, until everything was reported."""


@dataclass(frozen=True, slots=True)
class Turns:
    """All rounds of one number of users, by carrier."""

    users: int
    taken: Mapping[str, Sequence[Taken]]
    what: str = "In turn"

    def time(self, one: str, other: str) -> Ratio | None:
        """Compare the time to the last order, round by round; None if either was not measured."""
        return self._ratio(one, other, lambda each: each.ms)

    def cpu(self, one: str, other: str) -> Ratio | None:
        """Compare the CPU time of all processes per settled order."""
        return self._ratio(one, other, lambda each: sum(each.settled_us.values()))

    def _ratio(self, one: str, other: str, figure: Callable[[Taken], float]) -> Ratio | None:
        if one not in self.taken or other not in self.taken:
            return None
        pairs = zip(self.taken[one], self.taken[other], strict=True)
        return Ratio(tuple(figure(mine) / figure(its) for mine, its in pairs))

    def median_ms(self, carrier: str) -> float:
        """Return the median time of one carrier."""
        return statistics.median(each.ms for each in self.taken[carrier])

    def median_us(self, carrier: str, *, settled: bool) -> dict[str, float]:
        """Return the median CPU per order of each of its processes."""
        found = [each.settled_us if settled else each.accepted_us for each in self.taken[carrier]]
        return {name: statistics.median(each[name] for each in found) for name in found[0]}

    def median_commands(self, carrier: str) -> dict[str, float]:
        """Return the median number of commands per order."""
        found = [each.commands for each in self.taken[carrier]]
        names = sorted({name for each in found for name in each})
        return {name: statistics.median(each.get(name, 0.0) for each in found) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Return every round."""
        return {
            "what": self.what,
            "users": self.users,
            "rounds": {
                name: [
                    {
                        "ms": each.ms,
                        "accepted_us": dict(each.accepted_us),
                        "settled_us": dict(each.settled_us),
                        "commands": dict(each.commands),
                    }
                    for each in taken
                ]
                for name, taken in self.taken.items()
            },
        }


class Carrier(Protocol):
    """Somebody who takes part: plays a round, and shows at the end that nothing went wrong."""

    def play(self) -> Taken:
        """Carry one signal to everybody."""

    def verify(self, verdict: Verification) -> None:
        """Add what was played to the verdict."""


def measure_turns(folder: Path, users: int, plan: Plan, verdict: Verification, say: Say) -> Turns:
    """Play the rounds of one number of users."""
    with ExitStack() as stack:
        return _play(_carriers(folder, users, plan, stack), users, plan.turns[users], verdict, say)


def measure_venues(folder: Path, users: int, plan: Plan, verdict: Verification, say: Say) -> Turns:
    """Play the rounds of one number of users at each venue: Shoal, and the path alone."""
    with ExitStack() as stack:
        carriers: dict[str, Carrier] = {
            SHOAL: ShoalCarrier(new_folder(folder, "shoal"), users, plan, stack, None),
            SHOAL_AT_COINBASE: ShoalCarrier(
                new_folder(folder, "shoal-coinbase"), users, plan, stack, None, venue="coinbase"
            ),
            PATH: _Peer(BARE, new_folder(folder, "path"), users, stack),
            PATH_AT_COINBASE: _Peer(BARE_COINBASE, new_folder(folder, "path-coinbase"), users, stack),
        }
        found = _play(carriers, users, plan.venues[users], verdict, say)
    return replace(found, what="In turn at both venues")


def _play(carriers: Mapping[str, Carrier], users: int, rounds: int, verdict: Verification, say: Say) -> Turns:
    """Play the rounds of all carriers and verify them."""
    say(f"in turn: {users} users of {len(carriers)} carriers are ready")
    for carrier in carriers.values():
        for _ in range(_WARM):
            carrier.play()
    taken: dict[str, list[Taken]] = {name: [] for name in carriers}
    names = list(carriers)
    for number in range(rounds):
        first = number % len(names)
        for name in [*names[first:], *names[:first]][:: -1 if number % 2 else 1]:
            taken[name].append(carriers[name].play())
    for carrier in carriers.values():
        carrier.verify(verdict)
    found = Turns(users, taken)
    say(f"in turn: {users} users: " + ", ".join(f"{name} {found.median_ms(name):.1f} ms" for name in names))
    return found


def _carriers(folder: Path, users: int, plan: Plan, stack: ExitStack) -> dict[str, Carrier]:
    found: dict[str, Carrier] = {SHOAL: ShoalCarrier(new_folder(folder, "shoal"), users, plan, stack, None)}
    if plan.against is not None:
        found[BEFORE] = ShoalCarrier(new_folder(folder, "before"), users, plan, stack, plan.against)
    found[PATH] = _Peer(BARE, new_folder(folder, "path"), users, stack)
    found[CLIENT] = _Client(new_folder(folder, "client"), users, stack)
    found[ONE.name] = _Peer(ONE, new_folder(folder, "replaced"), users, stack)
    return found


class ShoalCarrier:
    """Shoal, of this checkout or of another: an entry, which counts, and its close."""

    def __init__(
        self,
        folder: Path,
        users: int,
        plan: Plan,
        stack: ExitStack,
        root: Path | None,
        *,
        venue: str = "kraken",
        nodes: int = 1,
    ) -> None:
        """`root` is the checkout whose services run; this one's if it is None. `nodes`: Redis servers."""
        self._venue = stack.enter_context(VenueProcess(folder))
        accounts = make_accounts(users, venue)
        self._venue.open_accounts(accounts)
        self.system = stack.enter_context(
            System(folder, self._venue.url, accounts, plan.executors, root=root, nodes=nodes)
        )
        rest = max(_REST_LEAST, users * _REST_PER_USER)
        self._rounds = Rounds(self.system, self._venue, quiet=True, rest=rest, settled=self._count)
        self._settled: dict[str, int] = {}
        """The commands of Redis when the last round was settled."""
        self._played: list[Round] = []

    def play(self) -> Taken:
        """Carry an entry, which counts, and its close."""
        before = self.system.commands()
        entry = self._rounds.play(entry=True)
        orders = max(1, len(entry.users))
        counts = {name: (calls - before.get(name, 0)) / orders for name, calls in self._settled.items()}
        self._played += [entry, self._rounds.play(entry=False)]
        return replace(_taken(entry), commands=counts)

    def _count(self) -> None:
        self._settled = self.system.commands()

    def verify(self, verdict: Verification) -> None:
        """Add what was played to the verdict."""
        verdict.add("in turn: shoal", self._played, self._venue.orders(), self._venue.state(), self.system.outcomes())


class _Peer:
    """A design that carries the same signal."""

    def __init__(self, kind: Kind, folder: Path, users: int, stack: ExitStack) -> None:
        self._name = kind.name
        self._venue = stack.enter_context(VenueProcess(folder))
        accounts = make_accounts(users, kind.venue)
        self._venue.open_accounts(accounts)
        peer = stack.enter_context(Peer(kind, folder, self._venue.url, accounts))
        self._rounds = Rounds(peer, self._venue, rest=SPACING * 1.25)  # its spacing must not reach into the next round
        self._played: list[Round] = []

    def play(self) -> Taken:
        self._played.append(self._rounds.play(entry=True))
        return _taken(self._played[-1])

    def verify(self, verdict: Verification) -> None:
        verdict.add(f"in turn: {self._name}", self._played, self._venue.orders(), self._venue.state())


class _Client:
    """The bare HTTP client: as many orders, over 64 connections and without anything else."""

    def __init__(self, folder: Path, users: int, stack: ExitStack) -> None:
        self._users = users
        self._venue = stack.enter_context(VenueProcess(folder))

    def play(self) -> Taken:
        accounts = make_accounts(CONNECTIONS)  # new keys: its nonces begin anew with each run
        self._venue.open_accounts(accounts)
        rate = orders_per_second(self._venue.port, accounts, max(self._users, _LEAST_ORDERS))
        return Taken(ms=self._users / rate * 1000)

    def verify(self, verdict: Verification) -> None:
        state = self._venue.state()
        verdict.invalid_nonces += state["bad_nonces"]
        verdict.invalid_signatures += state["bad_signatures"]


def _taken(played: Round) -> Taken:
    orders = max(1, len(played.users))
    return Taken(
        ms=played.all,
        accepted_us={name: ns / 1000 / orders for name, ns in played.cpu_accepted_ns.items()},
        settled_us={name: ns / 1000 / orders for name, ns in played.cpu_ns.items()},
    )


def new_folder(folder: Path, name: str) -> Path:
    """Make a folder in another one and return it."""
    place = folder / name
    place.mkdir(parents=True)
    return place
