"""The differences between two readings of the users' files, setting by setting, for reports and the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from decimal import Decimal
from enum import Enum, StrEnum
from typing import Any, Final

from shared.config.users.file import NOT_FOLLOWED
from shared.domain.limits.policy import UserPolicy
from shared.domain.routes import MASTERS
from shared.domain.values.money import plain

_DURATION: Final = "_ms"
_FOLLOW: Final = "follow"
_MASTERS: Final = "masters"
_NO_SETTINGS: Final = frozenset({"user", "file", "fault", "former_masters", "waiting", "known_masters"})


class ChangeKind(StrEnum):
    """What happened to a user's file."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting, spelt as in the file, with its old and new value."""

    key: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.key}: {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class UserChange:
    """What happened to one user's file; `settings` is empty unless it was changed."""

    user: str
    kind: ChangeKind
    settings: tuple[SettingChange, ...] = ()


def changes(old: Mapping[str, UserPolicy], new: Mapping[str, UserPolicy]) -> list[UserChange]:
    """Return the changes of all users that were added, removed or changed, by name."""
    found = []
    for user in sorted(old.keys() | new.keys()):
        if user not in old:
            found.append(UserChange(user, ChangeKind.ADDED))
        elif user not in new:
            found.append(UserChange(user, ChangeKind.REMOVED))
        elif old[user] is not new[user] and (settings := differences(old[user], new[user])):
            found.append(UserChange(user, ChangeKind.CHANGED, settings))
    return found


def differences(old: UserPolicy, new: UserPolicy) -> tuple[SettingChange, ...]:
    """Return the settings that differ between two readings of one user's file."""
    before, after = settings_of(old), settings_of(new)
    names = [*before, *(key for key in after if key not in before)]  # a table of a master may be new, or gone
    pairs = [(key, before.get(key, NOT_FOLLOWED), after.get(key, NOT_FOLLOWED)) for key in names]
    return tuple(SettingChange(key, old, new) for key, old, new in pairs if old != new)


def settings_of(policy: UserPolicy) -> dict[str, str]:
    """Return every setting of a user as text, by its key in the file, such as `limits.max_order_pct`."""
    return {key: value for key, value in _flat(policy) if key not in _NO_SETTINGS}


def _flat(part: Any, prefix: str = "") -> Iterable[tuple[str, str]]:  # a policy or a section of one
    for field in fields(part):
        value = getattr(part, field.name)
        key = prefix + field.name.removesuffix(_DURATION)
        if isinstance(part, UserPolicy) and field.name == _FOLLOW:
            yield from ((f"{_FOLLOW}.{master}", part.venue_for(master) or NOT_FOLLOWED) for master in MASTERS)
        elif isinstance(part, UserPolicy) and field.name == _MASTERS:
            yield from (
                (f"{_FOLLOW}.{each.name}", f"{plain(each.share_pct)} % on {each.venue}") for each in part.masters
            )
        elif is_dataclass(value):
            yield from _flat(value, f"{key}.")
        elif field.name.endswith(_DURATION) and value is not None:
            yield key, f"{plain(Decimal(value) / 1000)}s"
        else:
            yield key, _text(value)


def _text(value: Any) -> str:  # whatever a setting can be
    if value is None:
        return "not set"
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(sorted(f"{source} -> {target}" for source, target in value.items())) or "none"
    if isinstance(value, (frozenset, tuple)):
        return ", ".join(sorted(map(str, value))) or "none"
    return str(value)
