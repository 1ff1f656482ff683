"""The table `[caps]`: limits on a strategy's entries, each of which replaces that of its strategy."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from shared.strategies.file.values import Percent
from shared.strategies.frame import Caps


class CapsTable(BaseModel):
    """What is left out is the strategy's own; times are market time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_positions: Annotated[int, Field(ge=1, le=1_000)] | None = None
    max_entries_per_day: Annotated[int, Field(ge=1, le=100_000)] | None = None
    entry_gap_seconds: Annotated[int, Field(ge=0, le=86_400)] | None = None
    max_exposure_pct: Percent | None = None
    one_entry_per_cycle: StrictBool | None = None
    settle_seconds: Annotated[int, Field(ge=0, le=50)] | None = None

    def over(self, base: Caps) -> Caps:
        """Return the caps with what the table states."""
        stated = {name: value for name in CapsTable.model_fields if (value := getattr(self, name)) is not None}
        return replace(base, **stated)
