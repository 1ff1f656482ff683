"""Writes a user's settings as JSON with the keys of their file, and parses them again: for when the file is missing or bad."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from pydantic import ValidationError

from shared.config.users.file import NOT_FOLLOWED, UserFile
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.money import plain

_NOT_IN_A_FILE: Final = frozenset({"user", "file", "fault", "former_masters", "waiting", "known_masters", "masters"})
_MS: Final = "_ms"


def write_settings(policy: UserPolicy) -> str:
    """Return the settings as one line of JSON."""
    content = _section(policy)
    if policy.exits.stop_loss_pct is None:
        content["exits"]["stop_loss_pct"] = "off"
    content["follow"] = {master: venue or NOT_FOLLOWED for master, venue in policy.follow} | {
        each.name: {"venue": each.venue, "share_pct": plain(each.share_pct)} for each in policy.masters
    }
    if not policy.limits.stop_out:  # a file must not contain a setting without effect
        del content["limits"]["on_stop_out"]
    if not policy.group:
        del content["group"]
    if not policy.stage.auto:
        content["stage"] = {"start": str(policy.stage.start)}
    return json.dumps(content, ensure_ascii=False, sort_keys=True)


def read_settings(user: str, text: str) -> UserPolicy | None:
    """Parse the output of `write_settings`; None if this version cannot read it."""
    try:
        return UserFile.model_validate(json.loads(text)).policy(user)
    except (ValidationError, ValueError, RecursionError):
        return None


def _section(part: Any) -> dict[str, Any]:  # a policy or a section of one
    written: dict[str, Any] = {}
    for field in fields(part):
        value = getattr(part, field.name)
        if value is None or field.name in _NOT_IN_A_FILE:
            continue
        if field.name.endswith(_MS):
            written[field.name.removesuffix(_MS)] = f"{value}ms"
        else:
            written[field.name] = _section(value) if is_dataclass(value) else _value(value)
    return written


def _value(value: Any) -> Any:  # whatever a setting can be
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(source): str(target) for source, target in value.items()}
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    return list(value) if isinstance(value, tuple) else value
