"""Verifies passwords in threads of its own, a few at a time.

Each verification takes 19 MiB and 40 ms of a core. Without a bound a flood of attempts would take the memory of the process, and
in the event loop it would stop every page. For a name that does not exist the same work is done, so that the time of an answer
tells nothing about names.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from shared.sign_in.passwords import hash_password, verify_password
from shared.sign_in.secret_tokens import new_token

AT_ONCE: Final = 2
MOST_WAITING: Final = 16


class TooManyAtOnce(Exception):  # noqa: N818  # a state, named as one
    """More attempts are waiting than can be verified soon."""


class PasswordVerifier:
    """Verifies passwords; `verify` takes a password and a hash."""

    def __init__(self, verify: Callable[[str, str], bool] = verify_password) -> None:
        self._verify = verify
        self._nobodys = hash_password(new_token())
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")
        self._waiting = 0

    async def check(self, password: str, stored: str | None) -> bool:
        """Return whether a password has this hash; None for a person who does not exist. Raises TooManyAtOnce."""
        if self._waiting >= MOST_WAITING:
            raise TooManyAtOnce
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            right = await loop.run_in_executor(self._threads, self._verify, password, stored or self._nobodys)
        finally:
            self._waiting -= 1
        return right and stored is not None
