"""What is known of each user, read again a bounded number of users at a time.

Reading all of 5,000 users each second would take longer than a second. Here each step reads users who were named, because
something about them has changed, and then those whose reading is the oldest. With few users every step reads all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

MOST: Final = 250
"""Users that one step reads. A step comes once a second at most, so the oldest reading of 5,000 users is 20 s old."""

MOST_NEW: Final = 1_000
"""Users without a row that one step reads where a page must not wait for all of them: about a tenth of a second."""

T = TypeVar("T")


class RollingTable(Generic[T]):
    """A row for each user. `read` reads the rows of some users; a user whom it leaves out has none until the next reading."""

    def __init__(
        self, read: Callable[[Sequence[str]], Awaitable[Mapping[str, T]]], most: int = MOST, most_new: int = 0
    ) -> None:
        """With `most_new`, one step reads so many users without a row at most, and `unread` is how many are left."""
        self._read = read
        self._most = most
        self._most_new = most_new
        self.unread = 0
        self._rows: dict[str, T] = {}
        """In the sequence in which they were read: the oldest reading first."""
        self._named: dict[str, None] = {}

    @property
    def rows(self) -> Mapping[str, T]:
        """Return all rows, in no particular sequence."""
        return self._rows

    def name(self, users: Iterable[str]) -> None:
        """Read these users at the next step, because something about them has changed."""
        self._named.update(dict.fromkeys(users))

    def change(self, user: str, row: T) -> None:
        """Replace a row by what is known without a reading; its age stays."""
        self._rows[user] = row

    async def step(self, users: Collection[str]) -> None:
        """Read users without a row, then named ones, then the oldest; rows of others than `users` go. Raises BusUnavailable."""
        present = set(users)
        for gone in self._rows.keys() - present:
            del self._rows[gone]
        new = [user for user in users if user not in self._rows]
        self.unread = max(len(new) - self._most_new, 0) if self._most_new else 0
        new = new[: len(new) - self.unread]
        for first in range(0, len(new), self._most):
            await self._take(new[first : first + self._most])
            await asyncio.sleep(0)  # requests are served between two readings
        left, just_read = self._most - len(new), set(new)
        if left > 0:
            named = (user for user in self._named if user in present)
            asked = dict.fromkeys([*islice(named, self._most), *islice(self._rows, self._most)])
            await self._take(list(islice((user for user in asked if user not in just_read), left)))

    async def read_now(self, users: Sequence[str]) -> None:
        """Read some users now. Raises BusUnavailable."""
        await self._take(users[: self._most])

    async def _take(self, users: Sequence[str]) -> None:
        if not users:
            return
        found = await self._read(users)
        for user in users:
            self._named.pop(user, None)
            self._rows.pop(user, None)
            if user in found:
                self._rows[user] = found[user]
