"""Two kinds of money that must never mix: what was bought with one cannot be sold with the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Funds(StrEnum):
    """Whose money moves on an account."""

    PAPER = "paper"  # the paper exchange's
    LIVE = "live"  # real

    @property
    def words(self) -> str:
        """Return it as part of a sentence."""
        return "paper money" if self is Funds.PAPER else "real money"


@dataclass(frozen=True, slots=True)
class FundsMark:
    """Which kind of money the records of an account (positions, risk state, equity) belong to.

    `since` is the instant (epoch ms, by the clock that names stream entries) at which they were started again because the kind of
    money changed; 0 if it never did. Decisions up to then were made for the other kind.
    """

    funds: Funds
    since: int = 0
    renamed_to: str = ""
    """The name that the user has now: these records are empty, and no order is sent by them."""
    renamed_at: int = 0
    """When the user was renamed, epoch ms."""
    taken_from: str = ""
    """The former name of the user, while their renaming is not finished: no order is sent by these records yet."""
    formerly: str = ""
    """The name under which the user's orders were reported before a renaming."""
    key: str = ""
    """Fingerprint of the API key under which the records were begun, or found to be of its account; empty if not recorded."""
    other_key: str = ""
    """Fingerprint of a key that is of another account than these records: nothing is traded with it."""

    def precede(self, at: int) -> bool:
        """Return whether an instant lies before these records: a decision made then does not belong to them."""
        return at <= self.since
