"""The present rules of instruments: those of the table, unless an armed fault changes them or the venue's mode."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.faults import VenueFaults
from services.paper_exchange.core.instrument import Instrument, TradingStatus

ORDERMIN_FACTOR: Final = Decimal(100)
"""For both minimums: at Coinbase the one in the base is as good as none, and the one in the quote counts."""
MODES: Final = {
    "maintenance_mode": TradingStatus.MAINTENANCE,
    "cancel_only_mode": TradingStatus.CANCEL_ONLY,
    "post_only_mode": TradingStatus.POST_ONLY,
}


class Rules:
    """The venue's present rules."""

    def __init__(self, instruments: dict[str, Instrument], faults: VenueFaults) -> None:
        self._instruments = instruments
        self._faults = faults
        self.closed: Callable[[str], bool] = lambda _symbol: False
        """Whether a symbol takes no orders now, independent of faults."""

    def symbols(self) -> list[str]:
        """Return every symbol."""
        return list(self._instruments)

    def base(self, symbol: str) -> Instrument:
        """Return an instrument as in the table. Raises KeyError for an unknown symbol."""
        return self._instruments[symbol]

    def replace(self, symbol: str, instrument: Instrument) -> None:
        """Replace an instrument by another."""
        self._instruments = {**self._instruments, instrument.symbol: instrument}
        del self._instruments[symbol]

    def current(self, symbol: str) -> Instrument:
        """Return an instrument with its present rules. Raises KeyError for an unknown symbol."""
        return self.adjust(self._instruments[symbol], symbol)

    def adjust(self, instrument: Instrument, symbol: str) -> Instrument:
        """Return an instrument with what armed faults on a symbol change of it."""
        if not self._faults.armed:
            return instrument
        on = self._faults.active
        if on("ordermin_raised_mid_run", symbol=symbol):
            instrument = replace(
                instrument,
                order_min=instrument.order_min * ORDERMIN_FACTOR,
                cost_min=instrument.cost_min * ORDERMIN_FACTOR,
            )
        if on("precision_change", symbol=symbol):
            instrument = replace(
                instrument,
                price_decimals=max(0, instrument.price_decimals - 1),
                lot_decimals=max(0, instrument.lot_decimals - 3),
            )
        if on("pair_halted", symbol=symbol):
            instrument = replace(instrument, status=TradingStatus.CANCEL_ONLY)
        return instrument

    def listed(self, symbol: str) -> bool:
        """Return whether the list of pairs contains a symbol."""
        hidden = self._faults.armed and self._faults.active("pair_not_listed", symbol=symbol) is not None
        return not hidden

    def mode(self, user: str = "") -> TradingStatus:
        """Return the mode of the whole venue."""
        for name, status in MODES.items():
            if self._faults.active(name, user):
                return status
        return TradingStatus.ONLINE

    def count(self, fault: str, user: str, symbol: str = "") -> None:
        """Count a rejection by a condition."""
        self._faults.effect(fault, user, symbol=symbol)
