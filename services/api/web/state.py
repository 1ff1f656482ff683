"""The state of the system as the overview shows it: what is wrong first, then the kill switch, sums, backlog and accounts.

It is one part of the page, which the events replace whenever it has changed: a pause is seen everywhere within a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.api.read_models import ReadModels
from services.api.reading.holding_sums import HoldingSums
from services.api.timed_cache import TimedCache
from services.api.web import words
from services.api.web.rendering import Pages
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.control import ControlMode
from shared.domain.values.money import ZERO
from shared.ledger.backlog import Backlog
from shared.ledger.status import SystemStatus, name_master
from shared.ledger.user_state import UserState, describe
from shared.ledger.user_states.user_status import UserStatus

_SUMS_EVERY: Final = 5.0
_WARNINGS: Final = 10
_USERS: Final = 12
_FIRST: Final = (
    UserState.UNKNOWN,
    UserState.PARKED,
    UserState.UNCHECKED,
    UserState.GONE,
    UserState.HALTED,
    UserState.STOPPED_OUT,
    UserState.FLATTENING,
    UserState.PAUSED,
    UserState.READY,
    UserState.OFF,
)
_IDLE: Final = frozenset({UserState.UNKNOWN, UserState.PARKED, UserState.GONE})
"""States of users for whom nothing is copied though nothing was stopped on purpose."""
MARKS: Final[Mapping[str, str]] = {
    "ready": "good",
    "parked": "bad",
    "unchecked": "bad",
    "unknown": "bad",
    "halted": "bad",
    "gone": "bad",
    "off": "plain",
}
"""How a state is coloured; its word is always there too. The others are mild."""


@dataclass(frozen=True, slots=True)
class Warned:
    """One line that needs attention; `mark` is `bad` or `mild`."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account."""

    name: str
    user: str
    """Empty for the master."""
    venue: str
    funds: str
    state: str
    mark: str
    equity: str
    reason: str


@dataclass(frozen=True, slots=True)
class BacklogSums:
    """What waits, over all streams."""

    signals: int
    orders: int
    dead: int


class StatePanel:
    """Renders the state once for each reading of it, however many browsers are open."""

    def __init__(self, bus: Bus, models: ReadModels, pages: Pages) -> None:
        self._models = models
        self._pages = pages
        self._lock = asyncio.Lock()
        self._rendered: tuple[SystemStatus, Sequence[Backlog], str] | None = None
        self._holdings = HoldingSums(bus, models.users)
        self.sums = TimedCache(self._holdings.read, _SUMS_EVERY)

    @property
    def unread(self) -> int:
        """Return how many users are not in all sums yet."""
        return max(self._holdings.unread, self._models.backlog_unread)

    def hurry(self) -> None:
        """Have the next reading add more users to the sums if not all are in them."""
        if self._holdings.unread:
            self.sums.forget()
        self._models.hurry_backlog()

    async def render(self) -> str:
        """Return the part of the page. Raises BusUnavailable."""
        self.hurry()
        status, backlog = await self._models.status(), await self._models.backlog()
        async with self._lock:
            known = self._rendered
            if known is None or known[0] is not status or known[1] is not backlog:
                known = self._rendered = (status, backlog, await self._render(status, backlog))
            return known[2]

    async def _render(self, status: SystemStatus, backlog: Sequence[Backlog]) -> str:
        rows, hidden = account_rows(status)
        results = await self.sums.get()
        return self._pages.fragment(
            "parts/state.html",
            ready=status.readiness,
            mark=_headline_mark(status),
            mirror_only=status.mirror_only,
            switch=_switch_words(status),
            switched=status.control.mode is not ControlMode.RUN,
            warnings=warnings_of(status),
            unread=self.unread,
            users=len(status.users),
            equities=equities(status.users),
            results=results,
            backlog=add_up(backlog),
            rows=rows,
            hidden=hidden,
        )


def _headline_mark(status: SystemStatus) -> str:
    """Return the colour of the headline; green only if every user trades."""
    ready = status.readiness
    if not ready.ready:
        return "bad"
    held_up = ready.users_held or ready.users_parked or ready.users_unknown or ready.notes
    return "mild" if held_up else "good"


def _switch_words(status: SystemStatus) -> str:
    if status.control.mode is ControlMode.RUN:
        return "off"
    return describe(status.control)


def warnings_of(status: SystemStatus) -> Sequence[Warned]:
    """Return what needs attention: what stops copying first, then what is stopped on purpose; of each kind the first ten."""
    ready = status.readiness
    blocking = {each.text for each in status.faults if each.fault.blocks}
    found = [Warned("bad", text) for text in ready.reasons if text not in blocking]
    found += _first([Warned("bad" if each.fault.blocks else "mild", each.text) for each in status.faults], "faults")
    idle = [user for user in status.users if user.state in _IDLE]
    found += _first([Warned("bad", f"{user.policy.user}: {user.state}: {user.reason}") for user in idle], "users")
    found += _first([Warned("mild", text) for text in ready.notes], "notes")
    return found


def _first(found: list[Warned], what: str) -> list[Warned]:
    hidden = len(found) - _WARNINGS
    if hidden <= 0:
        return found
    return [*found[:_WARNINGS], Warned("mild", f"and {hidden:,} more {what}")]


def account_rows(status: SystemStatus) -> tuple[Sequence[AccountRow], int]:
    """Return the accounts of the master and of the users who need attention first, and how many users are left out."""
    masters = [
        AccountRow(
            name_master(venue, account.user),
            "",
            venue,
            "",
            account.state,
            MARKS.get(account.state, "mild"),
            words.money(account.equity),
            account.reason,
        )
        for venue, account in status.master
    ]
    users = sorted(status.users, key=lambda each: (_FIRST.index(each.state), each.policy.user))
    rows = [row for user in users[:_USERS] for row in _rows_of(user)]
    return [*masters, *rows], max(len(users) - _USERS, 0)


def _rows_of(user: UserStatus) -> list[AccountRow]:
    state, name = user.state, user.policy.user
    mark, why = MARKS.get(state, "mild"), user.reason
    return [
        AccountRow(
            name, name, venue, user.funds.get(venue, ""), state.replace("_", " "), mark,
            words.money(account.equity if account else None), why,
        )
        for venue, account in user.accounts
    ]  # fmt: skip


def equities(users: Iterable[UserStatus]) -> Mapping[str, tuple[Decimal, int]]:
    """Add up the equities of users by currency, each with the number of accounts; an unknown one counts under a blank."""
    found: dict[str, tuple[Decimal, int]] = {}
    for user in users:
        for _, account in user.accounts:
            equity = account.equity if account else None
            currency, value = (equity.currency, equity.amount) if equity else ("", ZERO)
            total, count = found.get(currency, (ZERO, 0))
            found[currency] = (total + value, count + 1)
    return found


def add_up(backlog: Iterable[Backlog]) -> BacklogSums:
    """Add up what waits."""
    signals = orders = dead = 0
    for each in backlog:
        if each.stream == keys.SIGNALS:
            signals += each.waiting
        else:
            orders += each.waiting
        dead += each.dead
    return BacklogSums(signals, orders, dead)
