"""Which users the Redis user of each group's executors is for: by their files, and of removed ones by what was known before.

A user whose file is gone may still hold something, and the executors of their group go on selling it. So a removed user keeps
their group until a file says otherwise. No user is in two groups: then two Redis users could read them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from shared.config.users.groups import GROUPS, is_groups_file
from shared.config.users.loader import SUFFIX, load_users
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.group_name import is_group_name

_KNOWN: Final = "acl/groups.json"


def find_groups(
    config: Path, former: Mapping[str, str] | None = None, users: Mapping[str, UserPolicy] | None = None
) -> dict[str, list[str]]:
    """Return the users of each group; `former` are the groups of users who may have no file now.

    `users` are those with settings, by default those with a file. Raises ConfigurationError if there are no users' files.
    """
    policies = load_users(config) if users is None else users
    of_user = {user: group for user, group in (former or {}).items() if user not in policies}
    of_user |= {user: policy.group for user, policy in policies.items() if policy.group}
    found: dict[str, list[str]] = {name: [] for name in _with_file(config)}
    for user, group in sorted(of_user.items()):
        found.setdefault(group, []).append(user)
    return dict(sorted(found.items()))


def remember_groups(folder: Path, groups: dict[str, list[str]]) -> None:
    """Keep the users of each group. Raises OSError."""
    path = folder / _KNOWN
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(groups, sort_keys=True) + "\n", encoding="utf-8")


def _with_file(config: Path) -> list[str]:
    folder = config / GROUPS
    return (
        [path.name.removesuffix(SUFFIX) for path in folder.iterdir() if is_groups_file(path.name)]
        if folder.is_dir()
        else []
    )


def remembered_groups(folder: Path) -> dict[str, str]:
    """Return the group of each user as `remember_groups` kept it; nothing if that cannot be read."""
    try:
        content = json.loads((folder / _KNOWN).read_text(encoding="utf-8"))
        return {str(user): group for group, users in content.items() for user in users if is_group_name(group)}
    except (FileNotFoundError, ValueError, AttributeError, TypeError):
        return {}
