"""What the checks of API keys mean for the accounts that `status` and `/readyz` show.

With real money an account whose key has no pass of the last 24 h takes no entries; with paper money a refused key is only named.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.contracts.doctor import DoctorRecord
from shared.domain.account import Account
from shared.domain.key_report import Grade, entries_refused
from shared.domain.limits.risk_state import utc_minute

Place = tuple[str, str]
"""User and venue."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """`unchecked`: why no entry is taken because of the key. `refused`: what is wrong with one that trades all the same."""

    unchecked: str = ""
    refused: str = ""


def judge_check(account: Account | None, check: DoctorRecord, now: int) -> KeyState:
    """Return what the last check of an account's key means at `now` (epoch ms)."""
    if account is None:
        return KeyState()
    if entries_refused(account.entries_until, now) is None:
        return KeyState(refused=check.doctor_text if check.doctor is Grade.REFUSED else "")
    last = f"last pass {utc_minute(check.doctor_passed_at)}" if check.doctor_passed_at else "it never passed"
    why = check.doctor_text or "no check has been made yet"
    return KeyState(unchecked=f"no entries, because the API key has not passed its check ({last}): {why}")
