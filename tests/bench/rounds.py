"""One round: a signal, and when each user's order was accepted, as the venue saw it. Only the rounds of one burst overlap."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shared.domain.order import order_id
from tests.bench.accounts import Account
from tests.bench.usage import cpu_ns
from tests.bench.venue_process import Seen

_PATIENCE, _PER_USER = 20.0, 0.25
"""Seconds that a round may take; the slowest peer needs 0.2 s for each user."""
_QUIET: Final = 5.0
"""Seconds that accounts may take to read their balances after a round, before the next one begins all the same."""
_NONE_FOLLOW: Final = 1.0
"""Seconds without a reading after which none is waited for."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one signal took; instants in ms after the signal's XADD began."""

    entry: bool
    accepted: tuple[float, ...]
    users: tuple[str, ...]
    """Whose order each of these was."""
    connections: int
    """Over how many connections the orders came."""
    wrong: tuple[str, ...]
    """What was not as it has to be: an order twice, missing, or of nobody's deciding."""
    cpu_ns: Mapping[str, int] = field(default_factory=dict)
    """CPU time of each process from the signal to the last report."""
    cpu_accepted_ns: Mapping[str, int] = field(default_factory=dict)
    """The same until the last order was accepted."""

    @property
    def first(self) -> float:
        """When the first order was accepted."""
        return min(self.accepted, default=float("inf"))

    @property
    def all(self) -> float:
        """When the last order was accepted."""
        return max(self.accepted, default=float("inf"))


class Stalled(Exception):  # noqa: N818  # an event of the run, told with the carrier's logs
    """A round has not come to its end: nothing that follows would measure anything."""


class Carrier(Protocol):
    """Whoever carries a signal to users: Shoal, or a peer."""

    @property
    def accounts(self) -> Sequence[Account]:
        """The users."""

    def signal(self, *, entry: bool) -> tuple[str, int]:
        """Emit a signal; answers its id and the instant before (monotonic ns)."""

    def unreported(self, reports: int) -> Sequence[str]:
        """Name the users of whom fewer reports than that are there."""

    def pids(self) -> Mapping[str, Sequence[int]]:
        """Return the processes whose CPU time counts, by name."""

    def logs(self) -> str:
        """Return what its processes have written."""


class Venue(Protocol):
    """What saw the orders."""

    def state(self) -> Mapping[str, int]:
        """Return its counts."""

    def wait(self, orders: int, seconds: float) -> bool:
        """Wait until it has accepted so many orders in all, if it can tell."""

    def orders(self, first: int = 0) -> list[Seen]:
        """Return what it accepted, from a number on."""


class Rounds:
    """The rounds of one carrier at one venue."""

    def __init__(
        self,
        carrier: Carrier,
        venue: Venue,
        *,
        quiet: bool = False,
        rest: float = 0.02,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        """`quiet`: between rounds wait until every account has read its balances again, not only until all is reported.

        `rest` in seconds after that. `settled` is called when all is reported.
        """
        self._settled = settled
        self._carrier = carrier
        self._venue = venue
        self._quiet = quiet
        self._rest = rest
        self._orders = venue.state()["orders"]
        self._signals = 0
        self._names = [account.user for account in carrier.accounts]
        self._at = carrier.accounts[0].venue

    def play(self, *, entry: bool) -> Round:
        """Emit one signal and wait until everybody's order is accepted and reported. Raises Stalled."""
        return self.burst([entry])[0]

    def burst(self, entries: Sequence[bool]) -> list[Round]:
        """Emit signals one right after the other and wait for all of them; each is timed from its own XADD. Raises Stalled."""
        patience = _PATIENCE + len(self._names) * len(entries) * _PER_USER
        used = self._cpu()
        told = [self._carrier.signal(entry=entry) for entry in entries]
        self._signals += len(told)
        if not self._venue.wait(self._orders + len(self._names) * len(told), patience):
            raise Stalled(f"not all orders of signal {self._signals} came: {self._carrier.logs()[-1500:]}")
        accepted = {name: total - used[name] for name, total in self._cpu().items()}
        self._until_reported(patience)
        cost = {name: total - used[name] for name, total in self._cpu().items()}
        self._settled()
        self._until_quiet()
        seen = self._venue.orders(self._orders)
        self._orders += len(seen)
        whose = {order_id(told_id, user, self._at): told_id for told_id, _ in told for user in self._names}
        first, _ = told[0]
        return [
            judge(
                told_id,
                began,
                self._names,
                [
                    order for order in seen if whose.get(order.client_id, first) == told_id
                ],  # nobody's: told of the first
                entry=entry,
                cost=cost,
                accepted=accepted,
                venue=self._at,
            )
            for (told_id, began), entry in zip(told, entries, strict=True)
        ]

    def _cpu(self) -> dict[str, int]:
        return {name: sum(map(cpu_ns, pids)) for name, pids in self._carrier.pids().items()}

    def _until_reported(self, patience: float) -> None:
        poll = 0.002 if len(self._names) < 100 else 0.05
        end = time.monotonic() + patience
        while self._carrier.unreported(self._signals):
            if time.monotonic() > end:
                late = len(self._carrier.unreported(self._signals))
                raise Stalled(
                    f"{late} users without a report of signal {self._signals}: {self._carrier.logs()[-1500:]}"
                )
            time.sleep(poll)

    def _until_quiet(self) -> None:
        """Wait for the readings that follow a round, where any follow: an account that counts its trades is read at its time."""
        end = time.monotonic() + _QUIET
        fell, before = time.monotonic(), self._venue.state()["unread"]
        while self._quiet and before and time.monotonic() < min(end, fell + _NONE_FOLLOW):
            time.sleep(0.05)
            if (unread := self._venue.state()["unread"]) < before:
                fell, before = time.monotonic(), unread
        time.sleep(self._rest)


def judge(
    signal_id: str,
    began: int,
    users: list[str],
    seen: list[Seen],
    *,
    entry: bool,
    cost: Mapping[str, int] | None = None,
    accepted: Mapping[str, int] | None = None,
    venue: str = "kraken",
) -> Round:
    """Compare what the venue saw of a round with what was due: one order of each user, under the one id that it must have."""
    due = {order_id(signal_id, user, venue): user for user in users}
    wrong = []
    times: dict[str, Seen] = {}
    for order in seen:
        if due.get(order.client_id) != order.user:
            wrong.append(f"extra: {order.user} {order.client_id}")
        elif order.client_id in times:
            wrong.append(f"duplicate: {order.user} {order.client_id}")
        else:
            times[order.client_id] = order
    wrong += [f"missing: {user} {client_id}" for client_id, user in due.items() if client_id not in times]
    in_turn = sorted(times.values(), key=lambda order: order.accepted)
    return Round(
        entry=entry,
        accepted=tuple(round((order.accepted - began) / 1e6, 4) for order in in_turn),
        users=tuple(order.user for order in in_turn),
        connections=len({order.connection for order in seen}),
        wrong=tuple(wrong),
        cpu_ns=cost or {},
        cpu_accepted_ns=accepted or {},
    )
