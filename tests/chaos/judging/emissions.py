"""What filled on the master's account against what the signals tell of it: each amount once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class EmissionDifferences:
    """Differences in words: fills that no signal tells, and what signals tell too often or of nothing."""

    missing: list[str]
    doubled: list[str]

    @property
    def quiet(self) -> bool:
        """Whether nothing is still to be told."""
        return not self.missing


def compare_emissions(
    orders: Sequence[Mapping[str, Any]] | None, signals: Sequence[tuple[str, Mapping[str, str]]]
) -> EmissionDifferences:
    """Compare the exchange's orders of the master with the signal stream, amount by amount."""
    told: defaultdict[str, Decimal] = defaultdict(Decimal)
    for _, fields in signals:
        told[fields["master_order_id"]] += Decimal(fields["base_size"])
    missing, doubled = [], []
    for row in orders or ():
        filled, said = Decimal(row["filled_size"] or 0), told.pop(str(row["order_id"]), Decimal(0))
        if said < filled:
            missing.append(f"the master's order {row['order_id']} filled {filled}, the signals tell {said}")
        elif said > filled:
            doubled.append(f"the master's order {row['order_id']} filled {filled}, the signals tell {said}")
    doubled += [f"signals tell {size} of {order}, which is no order of the master's" for order, size in told.items()]
    return EmissionDifferences(missing, doubled)
