"""One user's account: what is held and made, what was decided and why, what limits it, and what its balance would miss."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from services.api.read_models import ReadModels
from services.api.web.rendering import Pages
from services.api.web.state import MARKS
from services.api.web.users.listing import UserListing, drift_words, equity_words, pnl_words
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.config.users.changes import settings_of
from shared.contracts.doctor import DoctorRecord
from shared.domain.key_report import Finding
from shared.domain.values.symbol import Symbol
from shared.ledger.drift import Drift
from shared.ledger.open_issues import read_differences, read_unresolved
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import SymbolResult
from shared.ledger.resting import read_resting
from shared.ledger.stopouts import read_stopouts
from shared.ledger.too_small import judge_minimums, read_recent_entries
from shared.ledger.user_states.user_status import UserStatus

DECISIONS: Final = 50
_STOP_OUTS: Final = 3
"""Past ones that are shown with those in force."""


@dataclass(frozen=True, slots=True)
class PositionRow:
    """One symbol that the user holds or has traded, with its difference from the master's target."""

    result: SymbolResult
    drift: Drift | None


@dataclass(frozen=True, slots=True)
class KeyRow:
    """The last check of an account's key, and what its balance would miss."""

    venue: str
    check: DoctorRecord
    minimums: Finding


class AccountReader:
    """Reads one account for its page."""

    def __init__(self, bus: Bus, models: ReadModels, pages: Pages, listing: UserListing) -> None:
        self._bus = bus
        self._models = models
        self._pages = pages
        self._listing = listing

    async def find(self, user: str) -> UserStatus | None:
        """Return the state of a user; None if there is none of this name. Raises BusUnavailable."""
        return (await self._models.of_users([user])).get(user)

    async def figures(self, user: UserStatus) -> str:
        """Render state, sums and positions: the part that changes while the page is open. Raises BusUnavailable."""
        results = await read_results(self._bus, [user.policy.user])
        drifts = await self._listing.drifts([user])
        by_place = {(each.venue, each.symbol): each for each in reversed(drifts)}
        rows = [
            PositionRow(each, by_place.pop((each.venue, each.symbol), None))
            for account in results
            for each in account.symbols
        ]
        drift, drift_mark = drift_words(drifts)
        return self._pages.fragment(
            "parts/account.html",
            user=user,
            mark=MARKS.get(user.state, "mild"),
            equity=equity_words(user),
            pnl=pnl_words(results),
            drift=drift,
            drift_mark=drift_mark,
            positions=_held_first(rows),
            missing=[each for each in by_place.values() if each.target is not None],
            unreadable=[text for account in results for text in account.unreadable.items()],
        )

    async def details(self, user: UserStatus) -> dict[str, Any]:
        """Read what the rest of the page shows. Raises BusUnavailable."""
        name, policy = user.policy.user, user.policy
        resting, unreadable = await read_resting(self._bus, [name])
        return {
            "stop_outs": await read_stopouts(self._bus, [name], time.time_ns() // 1_000_000, _STOP_OUTS),
            "unresolved": await read_unresolved(self._bus, [name]),
            "resting": resting,
            "resting_unreadable": unreadable,
            "differences": await read_differences(self._bus, [(name, venue) for venue in policy.venues]),
            "keys": await self._keys(user),
            "settings": settings_of(policy),
        }

    async def _keys(self, user: UserStatus) -> Sequence[KeyRow]:
        records, policy = Records(self._bus), user.policy
        checks = await records.key_checks([(policy.user, venue) for venue, _ in user.accounts])
        entries = await read_recent_entries(self._bus)
        found = []
        for (venue, account), check in zip(user.accounts, checks, strict=True):
            instruments = await records.instruments(venue)
            found.append(KeyRow(venue, check, judge_minimums(entries, policy, account, instruments)))
        return found


def _held_first(rows: Sequence[PositionRow]) -> list[PositionRow]:
    def order(row: PositionRow) -> tuple[bool, Symbol, str]:
        return row.result.held.size.amount <= 0, row.result.symbol, row.result.venue

    return sorted(rows, key=lambda row: tuple(map(str, order(row))))
