"""Which users a reader wants to see: commands and the api choose alike, and both show first who needs attention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from shared.ledger.user_state import UserState
from shared.ledger.user_states.user_summary import UserSummary

_UNWORRYING: Final = frozenset({UserState.READY, UserState.OFF})


@dataclass(frozen=True, slots=True)
class ChosenUsers:
    """Users of a name, state and group; by default all. An empty `group` chooses users without one."""

    user: str = ""
    state: UserState | None = None
    group: str | None = None

    @property
    def everybody(self) -> bool:
        """Whether no user is left out."""
        return not self.user and self.state is None and self.group is None

    def of(self, users: Iterable[UserSummary]) -> list[str]:
        """Return the names of the chosen ones among these users, those who do not trade first."""
        found = sorted(filter(self._has, users), key=lambda each: (each.state in _UNWORRYING, each.user))
        return [each.user for each in found]

    def _has(self, user: UserSummary) -> bool:
        return (
            self.user in {"", user.user}
            and self.state in {None, user.state}
            and (self.group is None or self.group == user.group)
        )
