"""One round: a signal, and when each user's order was accepted, as the venue saw it. Rounds never overlap."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from shared.domain.order import order_id
from tests.bench.system import System
from tests.bench.venue_process import Seen, VenueProcess

_QUIET: Final = 5.0
"""Seconds that accounts may take to read their balances after a round, before the next one begins all the same."""


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

    @property
    def first(self) -> float:
        """When the first order was accepted."""
        return min(self.accepted, default=float("inf"))

    @property
    def all(self) -> float:
        """When the last order was accepted."""
        return max(self.accepted, default=float("inf"))


class Rounds:
    """The rounds of one system at one venue."""

    def __init__(self, system: System, venue: VenueProcess, *, quiet: bool) -> None:
        """`quiet`: between rounds wait until every account has read its balances anew, not only until all is reported."""
        self._system = system
        self._venue = venue
        self._quiet = quiet
        self._orders = venue.state()["orders"]
        self._signals = 0

    def play(self, *, entry: bool) -> Round:
        """Emit one signal and wait until everybody's order is accepted and reported."""
        system, venue = self._system, self._venue
        due = self._orders + len(system.accounts)
        patience = 20 + len(system.accounts) / 50
        signal_id, began = system.signal(entry=entry)
        self._signals += 1
        venue.wait(due, patience)
        self._settle(patience)
        seen = venue.orders(self._orders)
        self._orders += len(seen)
        return judge(signal_id, began, [account.user for account in system.accounts], seen, entry=entry)

    def _settle(self, patience: float) -> None:
        poll = 0.002 if len(self._system.accounts) < 100 else 0.05
        end = time.monotonic() + patience
        while self._system.unreported(self._signals) and time.monotonic() < end:
            time.sleep(poll)
        end = time.monotonic() + _QUIET
        while self._quiet and self._venue.state()["unread"] and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.02)


def judge(signal_id: str, began: int, users: list[str], seen: list[Seen], *, entry: bool) -> Round:
    """Compare what the venue saw of a round with what was due: one order of each user, under the one id that it must have."""
    due = {order_id(signal_id, user, "kraken"): user for user in users}
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
    )
