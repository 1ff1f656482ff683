"""Which users this process may serve, and by which settings, as their files are added, changed and removed.

A disabled user leaves as their `on_leave` says: `keep` at once, `exits_only` never (their exits go on), `close_now` once
everything that was copied for them is sold. A user without a file is among the users as long as something is held for them.

A process serves the users of its groups (EXECUTOR_GROUPS), or those without a group. It must never serve another group's: their
keys may be bound to that group's address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shared.config.errors import ConfigurationError
from shared.domain.limits.policy import OnLeave, UserPolicy


class Roster:
    """The users of one process: those of its groups, or of them the ones it is pinned to."""

    def __init__(
        self,
        users: Mapping[str, UserPolicy],
        pinned: tuple[str, ...] = (),
        folder: str = "config",
        groups: tuple[str, ...] = (),
    ) -> None:
        """Raises ConfigurationError for a pinned user without a file, or of another group."""
        self._groups = frozenset(groups or [""])
        for name in pinned:
            if name not in users:
                raise ConfigurationError(f"EXECUTOR_USERS names {name}, but there is no {folder}/users/{name}.toml")
            if not self._is_ours(users[name]):
                raise ConfigurationError(f"EXECUTOR_USERS names {name}, {_not_ours(users[name].group, groups)}")
        self._pinned = frozenset(pinned)
        self._policies: dict[str, UserPolicy] = {}
        self._left: set[str] = set()
        self._moved: dict[str, UserPolicy] = {}
        """Users who were ours and are another group's now: their turns here end."""
        self.update(users)

    def update(self, users: Mapping[str, UserPolicy]) -> None:
        """Replace the users; one who is no longer among them leaves."""
        before = self._policies
        gone = {user: _leaving(policy) for user, policy in before.items() if user not in users}
        mine = {
            user: policy
            for user, policy in users.items()
            if self._is_ours(policy) and (not self._pinned or user in self._pinned)
        }
        self._policies = {**gone, **mine}
        were_ours = before.keys() | self._moved.keys()
        self._moved = {user: policy for user, policy in users.items() if user in were_ours and user not in mine}
        self._left = {user for user in self._left if before.get(user) == self._policies.get(user)}

    def serves(self, user: str) -> bool:
        """Return whether a user is this process's to serve; not one who has gone over to another group."""
        return user in self._policies

    def _is_ours(self, policy: UserPolicy) -> bool:
        return policy.group in self._groups

    def policy(self, user: str) -> UserPolicy:
        """Return the settings of a user, or of one whose turn ends since they went over to another group."""
        found = self._policies.get(user)
        return self._moved[user] if found is None else found

    def venues(self) -> list[str]:
        """Return the venues of the users to be served, each once."""
        return list(dict.fromkeys(venue for user in self.claimable() for venue in self._policies[user].venues))

    def claimable(self) -> list[str]:
        """Return the users to be served."""
        return [
            user
            for user, policy in self._policies.items()
            if policy.enabled or (policy.on_leave is not OnLeave.KEEP and user not in self._left)
        ]

    def without_entries(self) -> frozenset[str]:
        """Return the users whose file is bad or missing."""
        return frozenset(user for user, policy in self._policies.items() if policy.fault)

    def may_leave(self, user: str, *, flat: bool) -> bool:
        """Return whether a user may leave between two orders; `flat`: nothing that could be sold is held for them."""
        policy = self._policies[user]
        if policy.enabled or policy.on_leave is OnLeave.EXITS_ONLY:
            return False
        return flat or policy.on_leave is OnLeave.KEEP

    def leave(self, user: str) -> None:
        """Note that a user has left: they are served again once their settings change."""
        self._left.add(user)


def _not_ours(group: str, groups: tuple[str, ...]) -> str:
    if not group:
        return f"who is in no group, but EXECUTOR_GROUPS is {','.join(groups)}"
    return f"who is in the group {group}: set EXECUTOR_GROUPS={group}"


def _leaving(policy: UserPolicy) -> UserPolicy:
    """Return the settings of a user who is no longer among the users: their exits are not followed for ever."""
    on_leave = OnLeave.KEEP if policy.on_leave is OnLeave.EXITS_ONLY else policy.on_leave
    return replace(policy, enabled=False, on_leave=on_leave)
