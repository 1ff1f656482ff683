"""The order in which a fan-out processes users: rotating, in chunks, with users of equal settings grouped by a number.

Built when settings change and not per signal: comparing the settings of a thousand users takes longer than deciding for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy

_FIRST_CHUNK: Final = 16
"""Users in the first round trip: their orders are written while the others are still being decided."""
_LARGEST_CHUNK: Final = 256
"""Each chunk is twice the previous one, up to this: a larger one saves little, and all users in it wait for the whole chunk."""
_FEW: Final = 100
_GOLDEN, _WHOLE = 618_033_989, 1_000_000_000
"""The golden section in billionths."""


class Member(NamedTuple):
    """One user, with what is the same for every signal."""

    policy: UserPolicy
    settings: int
    """A number shared by all users with equal settings."""
    stream: str


class Roster:
    """All users of one fan-out; the user who goes first rotates."""

    def __init__(self, users: Sequence[UserPolicy]) -> None:
        self.users = users
        numbers: dict[UserPolicy, int] = {}
        self._members = [
            Member(policy, numbers.setdefault(replace(policy, user=""), len(numbers)), keys.orders(policy.user))
            for policy in users
        ]

    def chunks(self, turn: int) -> Iterator[Sequence[Member]]:
        """Yield all members once, starting with a different one each turn."""
        start = _first(turn, len(self._members))
        order = [*self._members[start:], *self._members[:start]]
        first, size = 0, _FIRST_CHUNK
        while first < len(order):
            yield order[first : first + size]
            first, size = first + size, min(2 * size, _LARGEST_CHUNK)


def _first(turn: int, count: int) -> int:
    """Return the index of the user who goes first.

    Few users take turns one by one. Among many, the golden section spreads a hundred turns evenly over the list; steps of one
    would keep its end last all day.
    """
    if count <= _FEW:
        return turn % count if count else 0
    return turn * _GOLDEN % _WHOLE * count // _WHOLE
