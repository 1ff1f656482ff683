"""Values in the settings of strategies: exact decimals, per cent, symbols. For the `Settings` of a strategy."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BeforeValidator, Field

from shared.config.users.file import exact, symbol
from shared.domain.values.symbol import Symbol

Exact = Annotated[Decimal, BeforeValidator(exact)]
"""A number as it is written, without a detour over a binary fraction."""
Percent = Annotated[Exact, Field(gt=0, le=100)]
SymbolName = Annotated[Symbol, BeforeValidator(symbol)]
"""`"BTC/USD"`. The model needs `arbitrary_types_allowed=True`."""
