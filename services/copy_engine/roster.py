"""The users as a fan-out goes through them: in turns, in chunks, and with equal settings known as equal.

Made when settings are taken over and not per signal: to compare the settings of a thousand users takes longer than to decide for
them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import gcd
from typing import Final, NamedTuple

from shared.contracts import keys
from shared.domain.policy import UserPolicy

_FIRST_CHUNK: Final = 16
"""Users of the first round trip: their orders are out while the others' are still being decided."""
_LARGEST_CHUNK: Final = 128
"""Each chunk is twice the one before, up to this: a larger one saves little more, and who is in it waits for all of it."""


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

        self._stride = _stride(len(users))

    def chunks(self, turn: int) -> Iterator[Sequence[Member]]:
        """Give all members once, beginning with another one each turn."""
        start = turn * self._stride % len(self._members) if self._members else 0
        order = [*self._members[start:], *self._members[:start]]
        first, size = 0, _FIRST_CHUNK
        while first < len(order):
            yield order[first : first + size]
            first, size = first + size, min(2 * size, _LARGEST_CHUNK)


def _stride(count: int) -> int:
    """Say by how many places the first one moves each turn: by about the golden section, so that few turns reach every part of a
    long list alike, and without a common divisor, so that everybody is first once in so many turns as there are users.
    """
    stride = count * 618 // 1000
    while gcd(stride, count) > 1:
        stride += 1
    return stride
