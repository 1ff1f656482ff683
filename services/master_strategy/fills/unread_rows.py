"""Rows of the master's account that could not be read: read again for a while, then given up; reported while they wait.

A pair that was listed minutes ago becomes known, so its rows must not be dropped for ever; a row that can never be read must
not hold the scans back for ever either. An order that has just ended, and whose sums may still rise, waits unreported.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from shared.domain.fault import FaultKind, Faults
from shared.domain.master_account import UncopiedOrder
from shared.venues.port import OmittedRow, RowReason

_RETRY_FOR: Final = 3_600_000  # ms
_SETTLES_WITHIN: Final = 60_000
"""Ms for which an order may have ended without its final sums before that is a fault: much longer than a venue needs."""
_FOR_GOOD: Final = frozenset({RowReason.NOT_A_CURRENCY})
_FAR: Final = 2**62

_log = structlog.get_logger(__name__)


class UnreadRows:
    """The rows of the account at one venue that wait, by their id."""

    def __init__(self, faults: Faults, venue: str) -> None:
        self._faults = faults
        self._venue = venue
        self._waiting: dict[str, tuple[OmittedRow, int]] = {}
        self._given_up: set[str] = set()
        standing = (fault.subject for fault in faults.standing if fault.kind is FaultKind.MASTER_ROW)
        mine = self._subject("")
        self._before = {each.removeprefix(mine) for each in standing if each.startswith(mine)}
        """Reported by a former session of this account: cleared unless the first scan leaves it out again."""

    @property
    def waiting(self) -> bool:
        """Whether a row may still become readable: until then nothing follows from what the lists lack."""
        return bool(self._waiting)

    def since(self, now: int) -> int:
        """Return the instant (epoch ms) at which the next scan must begin to include the waiting rows."""
        waiting = [row.at if row.at is not None else seen_at for row, seen_at in self._waiting.values()]
        return min(waiting, default=_FAR) if waiting else max(now, 0)

    def take(self, rows: Iterable[OmittedRow], now: int) -> list[UncopiedOrder]:
        """Note the rows that a scan has left out; return those that are given up now."""
        left_out = {row.row_id: row for row in rows if row.row_id not in self._given_up}
        for row_id in self._waiting.keys() - left_out.keys():
            del self._waiting[row_id]
            self._faults.clear(FaultKind.MASTER_ROW, self._subject(row_id))
        for row_id in self._before - left_out.keys():
            self._faults.clear(FaultKind.MASTER_ROW, self._subject(row_id))
        self._before.clear()
        given_up = []
        for row_id, row in left_out.items():
            first = self._waiting.get(row_id, (row, now))[1]
            if row.reason is RowReason.UNSETTLED and now - first <= _SETTLES_WITHIN:
                self._waiting[row_id] = (row, first)  # nothing is wrong with it
                continue
            if row_id not in self._waiting:
                self._faults.count(FaultKind.MASTER_ROW)
                _log.warning(
                    "a row of the master's account is left out", row=row_id, reason=row.reason.value, why=row.detail
                )
            if row.reason in _FOR_GOOD or now - first > _RETRY_FOR:
                self._waiting.pop(row_id, None)
                self._given_up.add(row_id)
                self._faults.clear(FaultKind.MASTER_ROW, self._subject(row_id))
                given_up.append(UncopiedOrder(row_id, row.reason.value, row.detail, now, row.pair))
            else:
                self._waiting[row_id] = (row, first)
                self._faults.report(FaultKind.MASTER_ROW, self._subject(row_id), row.detail)
        return given_up

    def _subject(self, row_id: str) -> str:
        return f"{self._venue} {row_id}"
