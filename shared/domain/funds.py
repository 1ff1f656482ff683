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
        """Give it as it stands in a sentence."""
        return "paper money" if self is Funds.PAPER else "real money"


@dataclass(frozen=True, slots=True)
class FundsMark:
    """Which money the books of an account (positions, risk state, equity) are of.

    `since` is the instant (epoch ms, by the clock that stream entries are named by) at which they were begun anew because the
    money changed; 0 if it never did. What was decided up to then was decided for the other money.
    """

    funds: Funds
    since: int = 0
    renamed_to: str = ""
    """The name that the user has now: these books are empty, and nothing is traded by them."""
    renamed_at: int = 0
    """When that was, epoch ms."""
    taken_from: str = ""
    """The former name of the user, while their renaming is not finished: nothing is traded by these books yet."""

    def precede(self, at: int) -> bool:
        """Say whether these books were begun after an instant: what is of then does not belong to them."""
        return at <= self.since
