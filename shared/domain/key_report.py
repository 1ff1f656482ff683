"""What a check of an account's API key found: one finding per check, and what the whole amounts to.

A report holds no key, no secret and no signature: it is shown, logged and stored in Redis. What could not be asked is `unknown`,
never `refused`: a venue that does not answer says nothing about a key.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip

PASS_LASTS_MS: Final = 24 * 3600 * 1000
"""How long a pass allows entries with real money."""


class KeyCheck(StrEnum):
    """What is checked. Stable words: `ops doctor --json` and the records show them."""

    SECRET = "secret"  # noqa: S105  # the key and its secret can be read and used at all
    SIGNATURE = "signature"  # the venue accepts what is signed with them
    CLOCK = "clock"  # this host's clock against the venue's
    QUERY = "query"  # balances and orders can be looked up
    TRADE = "trade"  # orders may be placed
    STREAM = "stream"  # the venue shows by itself what becomes of orders; without that it is asked
    WITHDRAW = "withdraw"  # nothing may be withdrawn or transferred
    NONCE = "nonce"  # no other program uses the key
    IP_LIST = "ip_list"
    EXPIRY = "expiry"
    PORTFOLIO = "portfolio"  # which part of the account the key sees
    LENT_OUT = "lent_out"  # coins that cannot be sold now
    CASH = "cash"  # the user's currency is the one that the account holds
    PAIRS = "pairs"  # the pair that was looked at takes orders
    MINIMUMS = "minimums"  # how many of the master's orders are too small for the account


class Grade(StrEnum):
    """The result of a check, and of a report."""

    OK = "ok"
    WARNING = "warning"  # it trades, but somebody should look at it
    UNKNOWN = "unknown"  # the venue did not answer
    REFUSED = "refused"  # no real money is traded with such a key


_BY_WEIGHT: Final = (Grade.REFUSED, Grade.UNKNOWN, Grade.WARNING)


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `text` is one sentence that says what to do, if there is something."""

    check: KeyCheck
    grade: Grade
    text: str


@dataclass(frozen=True, slots=True)
class KeyReport:
    """All findings about one account's key, in the order of the checks."""

    findings: tuple[Finding, ...]

    @property
    def grade(self) -> Grade:
        """Return the gravest grade of any finding."""
        found = {each.grade for each in self.findings}
        return next((grade for grade in _BY_WEIGHT if grade in found), Grade.OK)

    @property
    def passed(self) -> bool:
        """Return whether the key was proved to be usable and harmless."""
        return self.grade in {Grade.OK, Grade.WARNING}

    @property
    def words(self) -> str:
        """Return the texts of the gravest findings, or an empty text if all is well."""
        grade = self.grade
        if grade is Grade.OK:
            return ""
        return "; ".join(each.text for each in self.findings if each.grade is grade)

    def plus(self, findings: Iterable[Finding]) -> KeyReport:
        """Return a report with further findings."""
        return KeyReport((*self.findings, *findings))


def entries_refused(until: int | None, now: int) -> Skip | None:
    """Return the skip of an entry whose account's key has no pass that still counts at `now`; see `Account.entries_until`."""
    if until is None or now <= until:
        return None
    hours = PASS_LASTS_MS // 3_600_000
    why = f"the API key has not passed its check within {hours} h; `ops doctor` says why, exits go on"
    return Skip(why, ReasonCode.KEY_UNCHECKED)


def ok(check: KeyCheck, text: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(check, Grade.OK, text)


def warning(check: KeyCheck, text: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(check, Grade.WARNING, text)


def unknown(check: KeyCheck, text: str) -> Finding:
    """Return a finding of a check that was not answered."""
    return Finding(check, Grade.UNKNOWN, text)


def refused(check: KeyCheck, text: str) -> Finding:
    """Return a finding with which no real money is traded."""
    return Finding(check, Grade.REFUSED, text)
