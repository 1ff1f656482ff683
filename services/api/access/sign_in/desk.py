"""Signs people in: counts the attempt, verifies the password, starts the session.

For every name the same is done in the same order, whether it exists or not. Neither a password nor a name that does not exist may
reach the log.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from services.api.access.identity import Identity, Role
from services.api.access.sessions import Sessions
from services.api.access.sign_in.verifier import PasswordVerifier, TooManyAtOnce
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.runtime.logging import hide
from shared.sign_in.attempts import Attempts
from shared.sign_in.follower_links import FollowerLinks, follower_holder
from shared.sign_in.known_browsers import KnownBrowsers
from shared.sign_in.passwords import hash_password, new_password
from shared.sign_in.people import FIRST, People

_RETRY: Final = 1.0
"""Seconds."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Admitted:
    """A session was started; `token` goes into its cookie, and `browser` into the one of the browser, if it is not empty."""

    identity: Identity
    token: str
    browser: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """No session was started, and why, for the page; `wait` is in seconds, 0 if another attempt may follow at once."""

    status: int
    reason: str
    wait: int = 0


class SignIn:
    """The ways in. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus, sessions: Sessions, verifier: PasswordVerifier) -> None:
        self._people = People(bus)
        self._attempts = Attempts(bus)
        self._browsers = KnownBrowsers(bus)
        self._links = FollowerLinks(bus)
        self._sessions = sessions
        self._verifier = verifier

    async def with_password(self, name: str, password: str, address: str, browser: str = "") -> Admitted | Refused:
        """Sign in a person by name and password; `browser` is the token of the browser, if it has one."""
        known = await self._browsers.find(browser, name)
        if wait := await self._attempts.admit(name, address, known):
            log.warning("sign-in refused: too many attempts", address=address, seconds=wait)
            return Refused(429, "There were too many attempts.", wait)
        person = await self._people.find(name)
        try:
            right = await self._verifier.check(password, person.password if person else None)
        except TooManyAtOnce:
            return Refused(503, "Too many people are signing in at once.", 5)
        if person is None or not right:
            log.warning("sign-in refused", name=person.name if person else "unknown", address=address)
            return Refused(403, "The name or the password is wrong.")
        identity = Identity(person.name, person.role)
        token = await self._sessions.start(identity, person.holder, person.generation)
        await self._attempts.forget(name, address, known)
        remembered = await self._browsers.remember(browser, name)
        log.info("signed in", name=person.name, role=person.role.value, address=address)
        return Admitted(identity, token, remembered)

    async def with_link(self, token: str, address: str) -> Admitted | None:
        """Sign in a follower by a link, which is used up; None if it is not, or no longer, one."""
        found = await self._links.redeem(token)
        if found is None:
            log.warning("follower's link refused", address=address)
            return None
        user, generation = found
        identity = Identity(user, Role.FOLLOWER, user)
        session = await self._sessions.start(identity, follower_holder(user), generation)
        log.info("follower signed in", user=user, address=address)
        return Admitted(identity, session)

    async def is_open_link(self, token: str) -> bool:
        """Return whether a link could be used now."""
        return await self._links.is_open(token)

    async def sign_out(self, token: str) -> None:
        """End a session."""
        await self._sessions.end(token)


async def create_first_operator(bus: Bus, sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
    """Create the operator at the very first start, and print the password: once, in this one line.

    While Redis refuses or is away it is tried again, as by every service; until then no one can sign in.
    """
    said = ""
    while True:
        try:
            await _create_first(People(bus))
        except BusError as error:
            if said != str(error):
                said = str(error)
                log.warning("who may sign in cannot be read or written: tried again", reason=said)
            await sleep(_RETRY)
        else:
            return


async def _create_first(people: People) -> None:
    if not await people.is_empty():
        return
    password = new_password()
    if await people.create_first(hash_password(password), time.time_ns() // 1_000_000):
        log.warning(
            "first start: sign in with this name and password; they are shown only here (ops passwd changes the password)",
            name=FIRST,
            password=password,
        )
        hide(password)
