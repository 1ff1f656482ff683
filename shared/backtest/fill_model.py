"""At which price an order of the backtest fills: the reference price, moved against the order by a fixed slippage.

The reference is the next candle's open for what was decided at a candle's close, and the trigger price for a stop or a target.
The book's depth is not modelled: a large order moves the real price further than a small one, here it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.domain.order import Side
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price


@dataclass(frozen=True, slots=True)
class FillModel:
    """Basis points by which a fill is worse than the reference; a copy fills a moment later, and so a little worse still."""

    slippage_bps: Decimal
    copy_slippage_bps: Decimal

    def masters(self, side: Side, reference: Decimal, instrument: Instrument) -> Price:
        """Return the price of the master's fill, rounded to the tick against the order."""
        return _fill(side, reference, instrument, self.slippage_bps)

    def users(self, side: Side, reference: Decimal, instrument: Instrument) -> Price:
        """Return the price of a user's fill, rounded to the tick against the order."""
        return _fill(side, reference, instrument, self.slippage_bps + self.copy_slippage_bps)


def _fill(side: Side, reference: Decimal, instrument: Instrument, bps: Decimal) -> Price:
    price = Price(reference, instrument.symbol)
    if side is Side.BUY:
        return price.shifted(bps).ceiled(instrument.tick)
    floored = price.shifted(-bps).floored(instrument.tick)
    return floored if floored.amount > 0 else Price(instrument.tick, instrument.symbol)
