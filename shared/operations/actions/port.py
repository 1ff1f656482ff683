"""What every action is: it foresees its consequence, and does what was confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from shared.bus.connection import Bus
from shared.config.settings import ConfigSource
from shared.domain.limits.policy import UserPolicy
from shared.operations.consequence import Consequence
from shared.operations.control_log import Change
from shared.operations.errors import UnknownTarget
from shared.operations.request import ActionRequest
from shared.operations.settings.user_store import UserStore, open_store


@dataclass(frozen=True, slots=True)
class Ground:
    """What actions work on. `users` are all users with their settings (None: no file); they may be a few seconds old."""

    bus: Bus
    config: Path
    users: Callable[[], Awaitable[Mapping[str, UserPolicy | None]]]
    clock: Callable[[], int]
    config_source: ConfigSource = ConfigSource.FILES

    @property
    def store(self) -> UserStore:
        """Return where the settings of users are written."""
        return open_store(self.config_source, self.bus, self.config)

    async def policies(self) -> dict[str, UserPolicy]:
        """Return the settings of the users that have any."""
        return {user: policy for user, policy in (await self.users()).items() if policy is not None}

    async def require(self, user: str) -> None:
        """Raise UnknownTarget unless there is such a user."""
        if user not in await self.users():
            raise UnknownTarget(f"there is no user {user[:40]!r}")


class Operation(Protocol):
    """One action, or a family of them."""

    async def foresee(self, request: ActionRequest) -> Consequence:
        """Return what it would do now. Raises ActionRefused, BusUnavailable."""
        ...

    async def perform(self, request: ActionRequest, change: Change) -> str:
        """Do it, log `change` and return what was done, in words. Raises ActionRefused if nothing was done, BusUnavailable."""
        ...
