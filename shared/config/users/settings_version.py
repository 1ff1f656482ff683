"""One version of a user's settings as the engine decided by it, as text and as a fingerprint of that text.

Decisions name the version by its fingerprint, so that they can be repeated after the file has changed. Users with equal settings
share one version, since their name is not in it (only the reason of a bad file may name the file). Beside the settings it holds
what the engine knew of their file and of changes of `[follow]` that had not taken effect, since both decide too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any, Final

from shared.config.users.text import read_settings, write_settings
from shared.domain.limits.policy import FileState, UserPolicy

_PAIRS: Final = ("former_masters", "waiting", "known_masters")
"""What the engine knows beside the file, as pairs."""
_DIGITS: Final = 12
"""48 bits: two of a million versions are alike with a chance of 1 in 500."""


def write_version(policy: UserPolicy) -> str:
    """Return the version as one line of JSON."""
    content: dict[str, Any] = {"settings": json.loads(write_settings(policy))}
    content["settings"].pop("group", None)  # it decides nothing, and users of several groups may share a version
    if policy.file is not FileState.GOOD:
        content["file"] = policy.file.value
    for name in ("fault", *_PAIRS):
        if value := getattr(policy, name):
            content[name] = value
    return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def fingerprint(version: str) -> str:
    """Return the fingerprint of a version: hex digits."""
    return hashlib.sha256(version.encode()).hexdigest()[:_DIGITS]


def read_version(user: str, version: str) -> UserPolicy | None:
    """Parse what `write_version` returned, for this user; None if this release cannot read it."""
    try:
        content = json.loads(version)
        policy = read_settings(user, json.dumps(content["settings"]))
        if policy is None:
            return None
        known: dict[str, Any] = {name: _pairs(content.get(name, ())) for name in _PAIRS}
        file = FileState(content.get("file", FileState.GOOD))
        return replace(policy, file=file, fault=str(content.get("fault", "")), **known)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def with_context_of(policy: UserPolicy, other: UserPolicy) -> UserPolicy:
    """Return settings with what the engine knew beside those of `other`: the state of its file, changes of `[follow]`."""
    known: dict[str, Any] = {name: getattr(other, name) for name in ("file", "fault", *_PAIRS)}
    return replace(policy, **known)


def _pairs(given: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(one), str(other)) for one, other in given)
