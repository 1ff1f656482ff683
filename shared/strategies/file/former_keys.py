"""Accepts the keys of `strategy.toml` from before strategies had tables of their own; files that have them go on working.

`name` is `strategy`, and the settings of `sma-cross` stood beside it. What is ambiguous is refused, with what to write instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from shared.config.strategy_choice import MIRROR_ONLY, SAMPLE

_OF_THE_SAMPLE: Final = ("fast", "slow", "entry_pct", "entry_pct_by_symbol")
_SINGLE: Final = ("strategy", "settings", "caps")


def has_former_keys(fields: Mapping[str, Any]) -> bool:
    """Return whether a file has settings of the sample where they stood before: then it means the sample."""
    return not fields.keys().isdisjoint(_OF_THE_SAMPLE)


def with_present_keys(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a file under the present keys. Raises ValueError for what means nothing."""
    found = dict(fields)
    if "name" in found:
        if "strategy" in found:
            raise ValueError("name: leave it out, strategy is its present name")
        found["strategy"] = found.pop("name")
    former = {key: found.pop(key) for key in _OF_THE_SAMPLE if key in found}
    if "strategies" in found and (wrong := [key for key in (*_SINGLE, *former) if key in found or key in former]):
        raise ValueError(f"{wrong[0]}: write it in the tables [[strategies]], or leave these out")
    strategy, own = found.get("strategy", SAMPLE), found.get("settings", {})
    if not former or strategy == MIRROR_ONLY:
        return found
    first = next(iter(former))
    found["strategy"] = strategy
    if strategy != SAMPLE:
        raise ValueError(f"{first}: it is a setting of {SAMPLE}; write those of {strategy} under [settings]")
    if not isinstance(own, Mapping):
        return found | former  # refused for its kind
    if twice := [key for key in former if key in own]:
        raise ValueError(f"{twice[0]}: it is under [settings] as well; leave one of them out")
    return found | {"settings": {**former, **own}}
