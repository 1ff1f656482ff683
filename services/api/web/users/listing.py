"""The list of users: state and why, equity, profit, drift. Figures are read for the users of one page only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from services.api.read_models import ReadModels
from services.api.web import words
from services.api.web.paging import Page, page_of
from services.api.web.state import MARKS
from shared.bus.connection import Bus
from shared.bus.master.master_places import read_master_places
from shared.config.renames import load_renames
from shared.domain.rename import Renames
from shared.domain.values.money import Money
from shared.ledger.drift import Drift
from shared.ledger.holdings import read_drifts
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import AccountResult, sum_results
from shared.ledger.user_states.user_status import UserStatus

LENGTH: Final = 50


@dataclass(frozen=True, slots=True)
class UserRow:
    """One user of the list."""

    user: str
    state: str
    mark: str
    why: str
    equity: str
    pnl: str
    drift: str
    drift_mark: str
    venues: str


@dataclass(frozen=True, slots=True)
class UserList:
    """One page of the list, and how many users of each state match the search."""

    page: Page[UserStatus]
    rows: Sequence[UserRow]
    states: Mapping[str, int]
    groups: Sequence[str]
    """The groups of all users; none if no user is in one."""


class UserListing:
    """Reads pages of the list."""

    def __init__(self, bus: Bus, models: ReadModels, config: Path) -> None:
        self._bus = bus
        self._models = models
        self._renames: Mapping[str, Renames] = load_renames(config)

    async def read(self, search: str, state: str, group: str, number: int) -> UserList:
        """Read the users whose name contains `search` and who are in this state and group (empty: any). Raises BusUnavailable."""
        status = await self._models.status()
        matching = [
            user for user in status.users if search.lower() in user.policy.user and group in {"", user.policy.group}
        ]
        states = Counter(str(user.state) for user in matching)
        chosen = [user for user in matching if state in {"", user.state}]
        page = page_of(sorted(chosen, key=lambda user: user.policy.user), number, LENGTH)
        names = [user.policy.user for user in page.rows]
        now = await self._models.of_users(names)
        shown = [now.get(user.policy.user, user) for user in page.rows]
        results = await read_results(self._bus, names)
        drifts = await self.drifts(shown)
        rows = [
            _row(
                user,
                [each for each in results if each.user == user.policy.user],
                [each for each in drifts if each.user == user.policy.user],
            )
            for user in shown
        ]
        return UserList(
            page, rows, dict(sorted(states.items())), sorted({user.policy.group for user in status.users} - {""})
        )

    async def drifts(self, users: Sequence[UserStatus]) -> list[Drift]:
        """Compare users with every master. Raises BusUnavailable."""
        policies = [user.policy for user in users]
        found = []
        for owner, venue in await read_master_places(self._bus):
            found += await read_drifts(self._bus, policies, venue, self._renames, owner)
        return found


def _row(user: UserStatus, results: Sequence[AccountResult], drifts: Sequence[Drift]) -> UserRow:
    state = user.state
    drift, drift_mark = drift_words(drifts)
    return UserRow(
        user=user.policy.user,
        state=state.replace("_", " "),
        mark=MARKS.get(state, "mild"),
        why=user.reason,
        equity=equity_words(user),
        pnl=pnl_words(results),
        drift=drift,
        drift_mark=drift_mark,
        venues=", ".join(user.policy.venues),
    )


def equity_words(user: UserStatus) -> str:
    """Describe the equity of a user's accounts, added up by currency."""
    sums: dict[str, Money] = {}
    for _, account in user.accounts:
        if account is None or account.equity is None:
            return words.UNKNOWN
        currency = account.equity.currency
        sums[currency] = sums[currency] + account.equity if currency in sums else account.equity
    return ", ".join(map(words.money, sums.values())) or words.UNKNOWN


def pnl_words(results: Sequence[AccountResult]) -> str:
    """Describe what copying has made, by currency; `no price` where something is held whose price is not known."""
    sums = sum_results(symbol for result in results for symbol in result.symbols)
    said = [words.signed(each.pnl, each.currency) if each.pnl is not None else "no price" for each in sums.values()]
    return ", ".join(said) or "–"


def drift_words(drifts: Sequence[Drift]) -> tuple[str, str]:
    """Describe the largest difference from the master's target, and how it is coloured."""
    strays = sum(each.stray for each in drifts)
    if strays:
        return words.plural(strays, "stray"), "bad"
    known = [each.pct for each in drifts if each.pct is not None]
    if not known:
        return "–", "plain"
    worst = max(known, key=abs)
    return words.percent(worst), "mild" if abs(worst) > Decimal(5) else "plain"
