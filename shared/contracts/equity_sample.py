"""One sample of an account's equity: an entry of `shoal:equity:{user}:<venue>:<step>`, whose id is the start of its interval.

There is a stream for each resolution. The id makes a sample idempotent: Redis refuses a second one of the same interval, and one
of a process that was frozen meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Annotated, Final

from shared.contracts.fields import Amount, Message, Number, type_or_blank

_STEP: Final = Decimal("0.0001")
_WIDE: Final = Context(prec=60)
_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class EquityStep:
    """A resolution: the length of an interval, and how long its samples are kept, in ms."""

    length_ms: int
    kept_ms: int

    def start(self, at: int) -> int:
        """Return the start of the interval of an instant (epoch ms)."""
        return at - at % self.length_ms


EQUITY_STEPS: Final[Mapping[str, EquityStep]] = {
    "minute": EquityStep(_MINUTE_MS, _DAY_MS),
    "quarter": EquityStep(15 * _MINUTE_MS, 7 * _DAY_MS),
    "hour": EquityStep(60 * _MINUTE_MS, 90 * _DAY_MS),
}
"""By name, finest first."""


class EquitySample(Message):
    """Equity and free cash as the account's record states them, and the profit of copying; all in `currency`, to 4 decimals.

    A curve needs no more, and a stream of 4,000 samples per account has to be small.
    """

    currency: str
    equity: Annotated[Amount | None, type_or_blank] = None
    """Blank if it was not known."""
    cash: Annotated[Number | None, type_or_blank] = None
    realized: Annotated[Number | None, type_or_blank] = None
    pnl: Annotated[Number | None, type_or_blank] = None
    """Realised and unrealised; blank while something that is held has no price."""


def sampled(amount: Decimal | None) -> Decimal | None:
    """Round an amount as samples state it; None if it is not known."""
    return None if amount is None else amount.quantize(_STEP, context=_WIDE)
