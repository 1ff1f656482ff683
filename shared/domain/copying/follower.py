"""What the engine knows of one user when it decides about one signal.

Only what the user's settings need is read; the rest stays empty. A record that cannot be read must never hold back an exit.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.domain.account import Account
from shared.domain.control import Control
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.domain.portfolio import Portfolio
from shared.domain.stages.stage import Stage
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol


@dataclass(slots=True)
class Follower:
    """One user at the moment of a signal.

    Never changed once made. It is not frozen because one is made per user and signal, and freezing would treble the cost.
    """

    policy: UserPolicy
    account: Account | None
    """None if nothing was ever recorded of the account at the signal's venue."""
    switches: tuple[Control, ...]
    portfolio: Portfolio = field(default_factory=Portfolio)
    risk: RiskState | None = None
    master_cash: Money | None = None
    """The master's cash before the entry."""
    held: frozenset[Symbol] = frozenset()
    """For an exit: the names under which something is held from copying."""
    recorded_equity: Money | None = None
    """For an exit: the user's equity as it is written beside the decision; nothing is decided by it."""
    unreadable: str = ""
    """What could not be read; it skips entries and never an exit."""
    venue: str | None = None
    """The user's venue on which the signal is copied; None if it is not copied."""
    moved_from: str = ""
    """Another of the user's venues, on which no master is copied any more, that still holds the coin."""

    stage: Stage = Stage.FULL
    """For an entry: how far it goes with real money."""

    @property
    def equity(self) -> Money | None:
        """The user's equity, as far as it is known."""
        return self.recorded_equity if self.account is None else self.account.equity
