"""An operator's verdict on an order that the venue could not resolve: fields that `ops resolve` adds to the order's record.

It applies to one send, the one that was unresolved when the operator looked; the next send of the same order starts without it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import model_validator

from shared.contracts.fields import Amount, Instant, Message, Positive, type_or_blank


class VerdictKind(StrEnum):
    """Whether the venue traded."""

    FILLED = "filled"
    NONE = "none"


class VerdictRecord(Message):
    """`verdict_size` in base, `verdict_price` and `verdict_fee` in quote; `verdict_by` is the operator's name."""

    verdict: VerdictKind
    verdict_size: Annotated[Positive | None, type_or_blank] = None
    verdict_price: Annotated[Positive | None, type_or_blank] = None
    verdict_fee: Annotated[Amount | None, type_or_blank] = None
    verdict_by: str = "an operator"
    verdict_at: Annotated[Instant | None, type_or_blank] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.verdict is VerdictKind.FILLED and (self.verdict_size is None or self.verdict_price is None):
            raise ValueError("a fill needs its size and its price")
        return self

    def fields(self) -> dict[str, str]:
        """Return the verdict as fields of the order's record, which has a version of its own."""
        return {name: value for name, value in super().fields().items() if name != "v"}
