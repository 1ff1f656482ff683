"""A user's settings as a table: the names of the settings file, the values in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from decimal import Decimal
from typing import Any, Final

from services.api.web import words
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.money import plain

_GROUPS: Final = ("sizing", "limits", "guards", "symbols", "exits")
_TOP: Final = ("enabled", "venues", "follow", "on_join", "on_join_bps", "on_leave", "orders", "paper")
_UNITS: Final = (("_pct", "%"), ("_bps", "bps"))

SettingRow = tuple[str, str]


def setting_rows(policy: UserPolicy) -> list[SettingRow]:
    """Return the settings by name."""
    rows = [(name, _value(name, getattr(policy, name))) for name in _TOP if hasattr(policy, name)]
    if hasattr(policy, "stage"):
        rows.append(("stage", _value("stage", policy.stage)))
    for group in _GROUPS:
        part = getattr(policy, group)
        rows += [(_name(f"{group}.{each.name}"), _value(each.name, getattr(part, each.name))) for each in fields(part)]
    return rows


def _name(name: str) -> str:
    return name.removesuffix("_ms")


def _value(name: str, value: Any) -> str:
    if value is None or value in ((), frozenset(), {}):
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_ms"):
        return words.duration(value)
    unit = next((unit for suffix, unit in _UNITS if name.endswith(suffix)), "")
    text = plain(value) if isinstance(value, Decimal) else _listed(value)
    return f"{text} {unit}".rstrip()


def _listed(value: Any) -> str:
    if isinstance(value, str):
        return str(value)
    if hasattr(value, "items"):
        return ", ".join(f"{source} as {target}" for source, target in sorted(value.items(), key=str))
    if isinstance(value, Iterable):
        return ", ".join(
            sorted(" at ".join(map(str, each)) if isinstance(each, tuple) else str(each) for each in value)
        )
    return str(value)
