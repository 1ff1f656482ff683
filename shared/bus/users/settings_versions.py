"""The versions of users' settings by which the engine has decided: one global hash, each version once, by its fingerprint.

Written between two signals, when settings change; never on the way of an order. A version that Redis refuses to take stops no
signal: the decisions by it cannot be repeated later, and it is tried again at the next change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

import structlog

from shared.bus.connection import Bus
from shared.config.users.settings_version import fingerprint, read_version, write_version
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy

log = structlog.get_logger()


class SettingsVersions:
    """The versions in use in one engine's turn."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._found: dict[UserPolicy, str] = {}
        """The fingerprint by the settings without their user: few users have settings that no other has."""
        self._of_user: dict[str, tuple[UserPolicy, str]] = {}
        self._recorded: set[str] = set()

    def of(self, policy: UserPolicy) -> str:
        """Return the fingerprint of a user's settings."""
        known = self._of_user.get(policy.user)
        if known is None or known[0] is not policy:
            known = self._of_user[policy.user] = (policy, self._fingerprint(policy))
        return known[1]

    async def record(self, users: Iterable[UserPolicy]) -> None:
        """Record the versions of these users that are not recorded yet. Raises BusUnavailable."""
        new: dict[str, str] = {}
        present: dict[UserPolicy, str] = {}
        of_user: dict[str, tuple[UserPolicy, str]] = {}
        for policy in users:
            bare = replace(policy, user="")
            if bare not in present:
                present[bare] = name = self._fingerprint(policy)
                if name not in self._recorded:
                    new[name] = write_version(policy)
            of_user[policy.user] = (policy, present[bare])
        self._found, self._of_user = present, of_user
        commands = [("HSET", keys.SETTINGS_VERSIONS, name, version) for name, version in new.items()]
        refused = ""
        for name, answer in zip(new, await self._bus.do_all(commands), strict=True):
            if isinstance(answer, Exception):
                refused = str(answer)
            else:
                self._recorded.add(name)
        if refused:
            log.warning(
                "versions of settings could not be recorded; decisions by them cannot be repeated", reason=refused
            )

    def _fingerprint(self, policy: UserPolicy) -> str:
        bare = replace(policy, user="")
        if (known := self._found.get(bare)) is None:
            known = self._found[bare] = fingerprint(write_version(policy))
        return known


async def read_settings_versions(bus: Bus, user: str, names: Collection[str]) -> dict[str, UserPolicy]:
    """Read versions by fingerprint, as this user's settings; unknown and unreadable ones are left out. Raises BusUnavailable."""
    wanted = sorted(names)
    if not wanted:
        return {}
    (answers,) = await bus.do_all([("HMGET", keys.SETTINGS_VERSIONS, *wanted)])
    found = {}
    for name, answer in zip(wanted, answers if isinstance(answers, (list, tuple)) else (), strict=False):
        if isinstance(answer, str) and (policy := read_version(user, answer)) is not None:
            found[name] = policy
    return found
