"""Settings as people type them into a form, and as TOML."""

from __future__ import annotations

import json
import re
from typing import Final

from shared.config.users.changes import settings_of
from shared.config.users.file import UserFile
from shared.operations.errors import ActionRefused

SETTINGS: Final = frozenset(settings_of(UserFile().policy("x")))
"""Every setting, by its key in the file."""
_LISTS: Final = frozenset({"venues", "symbols.include", "symbols.exclude"})
_MAPS: Final = frozenset({"symbols.map"})
_NUMBER: Final = re.compile(r"-?(0|[1-9][0-9]{0,14})(\.[0-9]{1,18})?")
_LONGEST: Final = 4_000
_NOT_SET: Final = "not set"
_STOP_LOSS: Final = "exits.stop_loss_pct"
"""The only setting that is set if the file says nothing; `off` unsets it."""


def to_toml(key: str, typed: str) -> str | None:
    """Return a typed value as TOML; None if it is empty, which removes the setting. Raises ActionRefused for an unknown setting.

    Lists are comma-separated; a map is `BTC/USD -> BTC/USDC`, comma-separated. Only the file's own check says what is permitted.
    """
    if key not in SETTINGS:
        raise ActionRefused(f"there is no setting {key[:60]!r}")
    text = typed.strip()
    if text == _NOT_SET:
        text = "off" if key == _STOP_LOSS else ""
    elif text == "none" and key in _LISTS | _MAPS:
        text = ""
    if len(text) > _LONGEST or not text.isprintable():
        raise ActionRefused(f"{key}: the value is too long, or has signs that cannot be shown")
    if not text:
        return None
    if key in _LISTS:
        return "[" + ", ".join(_text(part) for part in _parts(text)) + "]"
    if key in _MAPS:
        sides = [part.partition("->") for part in _parts(text)]
        if not all(arrow for _, arrow, _ in sides):
            raise ActionRefused(f"{key}: write BTC/USD -> BTC/USDC, several with commas between")
        return "{ " + ", ".join(f"{_text(left.strip())} = {_text(right.strip())}" for left, _, right in sides) + " }"
    if text in {"true", "false"} or _NUMBER.fullmatch(text):
        return text
    return _text(text)


def _parts(text: str) -> list[str]:
    return [part for part in (each.strip() for each in text.split(",")) if part]


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
