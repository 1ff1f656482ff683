"""The users as a fan-out goes through them: in turns, in chunks, and with equal settings known as equal.

Made when settings are taken over and not per signal: to compare the settings of a thousand users takes longer than to decide for
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy

_FIRST_CHUNK: Final = 16
"""Users of the first round trip: their orders are out while the others' are still being decided."""
_LARGEST_CHUNK: Final = 256
"""Each chunk is twice the one before, up to this: a larger one saves little more, and who is in it waits for all of it."""
_FEW: Final = 100
_GOLDEN, _WHOLE = 618_033_989, 1_000_000_000
"""The golden section in billionths."""


class Member(NamedTuple):
    """One user, and what of him is the same at every signal."""

    policy: UserPolicy
    settings: int
    """A number that all who have the same settings share."""
    stream: str


class Roster:
    """All users of one fan-out; who goes first rotates."""

    def __init__(self, users: Sequence[UserPolicy]) -> None:
        self.users = users
        numbers: dict[UserPolicy, int] = {}
        self._members = [
            Member(policy, numbers.setdefault(replace(policy, user=""), len(numbers)), keys.orders(policy.user))
            for policy in users
        ]

    def chunks(self, turn: int) -> Iterator[Sequence[Member]]:
        """Give all members once, beginning with another one each turn."""
        start = _first(turn, len(self._members))
        order = [*self._members[start:], *self._members[:start]]
        first, size = 0, _FIRST_CHUNK
        while first < len(order):
            yield order[first : first + size]
            first, size = first + size, min(2 * size, _LARGEST_CHUNK)


def _first(turn: int, count: int) -> int:
    """Say who goes first: in turn among few; among many by the golden section, so that a hundred turns reach every part
    of the list alike, where steps of one would leave its end last all day.
    """
    if count <= _FEW:
        return turn % count if count else 0
    return turn * _GOLDEN % _WHOLE * count // _WHOLE
