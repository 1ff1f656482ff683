"""The master's key at one venue: read at the start, and again when its files have changed.

A session signs with one key from its beginning to its end. When another one is there, the session ends as it does after a loss of
Redis, and the next one begins with what the venue and Redis hold. It must never mix the halves of two keys: see `key_ring.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from shared.config.errors import ConfigurationError
from shared.config.keys.key_ring import KeyedAccount, KeyRing
from shared.config.keys.secrets import ApiKey, read_api_key
from shared.config.settings import Mode
from shared.domain.account import MASTER
from shared.venues.errors import Refusal, Rejected

_EVERY: Final = 1.0

_log = structlog.get_logger(__name__)


class MasterKey:
    """The key of one account of the master."""

    def __init__(
        self,
        venue: str,
        mode: Mode,
        first: ApiKey | ConfigurationError,
        ring: KeyRing | None = None,
        every: float = _EVERY,
        owner: str = MASTER,
    ) -> None:
        """`first` is what was read at the start; `every` is how often (seconds) the files are looked at; `owner` is the name by
        which the key is read.
        """
        self._account = KeyedAccount(venue, owner)
        self._read = partial(read_api_key, venue, owner, mode)
        self._ring = ring or KeyRing()
        self._every = every
        self._replaced = asyncio.Event()
        self._taken = 0
        self._waits = ""
        if isinstance(first, ApiKey):
            self._ring.hold(self._account, first)

    def take(self) -> ApiKey:
        """Return the key for the next session. Raises Rejected, which parks the account, if there is none."""
        self._replaced.clear()
        self._taken += 1
        try:
            return self._ring.take(self._account, self._read)
        except ConfigurationError as error:
            raise Rejected(str(error), Refusal.AUTH) from None

    async def run(self, session: Callable[[ApiKey], Awaitable[None]]) -> None:
        """Run a session, and another one whenever the key was replaced, until one ends by raising. Raises what it raises."""
        while True:
            running = asyncio.ensure_future(session(self.take()))
            replaced = asyncio.ensure_future(self._replaced.wait())
            try:
                await asyncio.wait([running, replaced], return_when=asyncio.FIRST_COMPLETED)
                if running.done():
                    return running.result()
                _log.info("the master's API key was replaced: a new session begins with it", venue=self._account.venue)
            finally:
                running.cancel()
                replaced.cancel()
                await asyncio.gather(running, replaced, return_exceptions=True)

    async def watch(self, works: Callable[[], bool], changed: Callable[[], object]) -> None:
        """Look at the files for ever. `works` returns whether the venue accepts the key; `changed` is called for another."""
        while True:
            await asyncio.sleep(self._every)
            taken = self._taken
            outdated = await asyncio.to_thread(self._ring.is_outdated, self._account, self._read, works=works())
            if outdated and taken == self._taken:
                self._replaced.set()
                changed()
            waits = self._ring.why_waiting(self._account)
            if waits and waits != self._waits:
                _log.warning(
                    "the files of the master's key have changed and are not used",
                    venue=self._account.venue,
                    reason=waits,
                )
            self._waits = waits
