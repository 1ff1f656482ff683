"""The settings of a what-if: what is changed, in every version of the settings that was in use, and what cannot be asked.

A version is changed as its file would have been, by the same check. A change that no stored decision can answer is refused in
words, so that no table looks as if it had been considered.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import ValidationError

from shared.config.users.file import UserFile
from shared.config.users.settings_version import with_context_of
from shared.config.users.text import write_settings
from shared.domain.limits.policy import UserPolicy
from shared.operations.errors import ActionRefused
from shared.operations.settings.values import to_toml

_ACCOUNT: Final = "which account is traded: what was recorded is of the account that was"
_BETWEEN: Final = "what happens between signals, by prices that no decision has recorded"
_NOT_ASKED: Final[Mapping[str, str]] = {
    "exits.": _BETWEEN,
    "follow.": _ACCOUNT,
    "venues": _ACCOUNT,
    "paper": _ACCOUNT,
    "group": "which executor serves the user, and from which address",
    "symbols.map": "which pair is traded: the rules of another pair were not recorded",
    "orders": "how the master's resting orders are copied, of which a fill says nothing",
    "on_join": "joining, which is not a decision on one signal",
    "on_leave": "leaving, which is not a decision on one signal",
    "limits.on_stop_out": "what is sold at a stop-out, by prices that no decision has recorded",
    "stage.max": "a ladder that is climbed by later trades",
    "stage.auto": "a ladder that is climbed by later trades",
    "stage.trades": "a ladder that is climbed by later trades",
    "stage.max_tracking_bps": "a ladder that is climbed by later trades",
    "stage.fault": "a ladder that is climbed by later trades",
}


class WhatIfRefused(ValueError):  # noqa: N818  # a refusal in words, as ActionRefused
    """The change cannot be asked; the text names the setting and says why."""


class SettingsChange:
    """Changed settings by their key in the file, as typed: `sizing.multiplier` and `0.5`; an empty value removes the setting."""

    def __init__(self, changes: Iterable[tuple[str, str]]) -> None:
        """Raises WhatIfRefused for an unknown setting and for one that cannot be asked."""
        self.typed = tuple(changes)
        self._values: dict[str, Any] = {}
        self._applied: dict[UserPolicy, UserPolicy] = {}
        for key, typed in self.typed:
            if why := why_not_asked(key):
                raise WhatIfRefused(f"{key} cannot be asked: it is about {why}")
            self._values[key] = _value(key, typed)

    def __bool__(self) -> bool:
        return bool(self._values)

    @property
    def keys(self) -> frozenset[str]:
        """Return the settings that are changed."""
        return frozenset(self._values)

    def applied(self, policy: UserPolicy) -> UserPolicy:
        """Return a version of the settings with the changes. Raises WhatIfRefused if such a file would be refused."""
        if not self._values:
            return policy
        found = self._applied.get(policy)
        if found is None:
            found = self._applied[policy] = self._changed(policy)
        return found

    def _changed(self, policy: UserPolicy) -> UserPolicy:
        content = json.loads(write_settings(policy))
        for key, value in self._values.items():
            section, _, name = key.rpartition(".")
            place = content.setdefault(section, {}) if section else content
            if value is None:
                place.pop(name, None)
            else:
                place[name] = value
        self._drop_what_has_no_effect(content)
        try:
            changed = UserFile.model_validate(content).policy(policy.user)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or ", ".join(sorted(self._values))
            raise WhatIfRefused(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
        if policy.stage.auto and "stage.start" in self._values:
            raise WhatIfRefused("stage.start cannot be asked: the stage moved by itself (stage.auto)")
        return with_context_of(changed, policy)

    def _drop_what_has_no_effect(self, content: dict[str, Any]) -> None:
        """Remove former settings that a file must not contain without what was changed."""
        limits, sizing = content.get("limits", {}), content.get("sizing", {})
        if "daily_loss_pct" not in limits and "max_drawdown_pct" not in limits:
            for name in ("on_stop_out", "stop_out_lasts"):
                if f"limits.{name}" not in self._values:
                    limits.pop(name, None)
        if sizing.get("mode") != "fixed_quote" and "sizing.quote_amount" not in self._values:
            sizing.pop("quote_amount", None)


def why_not_asked(key: str) -> str:
    """Return why a setting cannot be asked, as the end of a sentence; an empty text if it can."""
    return next((words for name, words in _NOT_ASKED.items() if key.startswith(name)), "")


def parse_changes(given: Iterable[str]) -> SettingsChange:
    """Parse `sizing.multiplier=0.5`, one per change. Raises WhatIfRefused."""
    pairs = []
    for each in given:
        key, equals, value = each.partition("=")
        if not equals:
            raise WhatIfRefused(f"write KEY=VALUE, as in sizing.multiplier=0.5, not {each[:60]!r}")
        pairs.append((key.strip(), value.strip()))
    return SettingsChange(pairs)


def _value(key: str, typed: str) -> Any:
    try:
        written = to_toml(key, typed)
    except ActionRefused as error:
        raise WhatIfRefused(str(error)) from None
    return None if written is None else tomllib.loads(f"value = {written}")["value"]
