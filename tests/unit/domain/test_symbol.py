"""One spelling of a pair, and nothing else passes for it."""

from __future__ import annotations

import pytest

from shared.domain.values.symbol import Symbol


def test_a_symbol_reads_back_as_it_is_written() -> None:
    assert Symbol.parse("BTC/USD") == Symbol("BTC", "USD")
    assert str(Symbol.parse("ETH2.S/USD")) == "ETH2.S/USD"


@pytest.mark.parametrize(
    "text",
    ["", "BTC", "BTCUSD", "BTC-USD", "btc/usd", "BTC/", "/USD", "BTC/USD/EUR", " BTC/USD", "BTC/USD\n", "XBT/\u00a3"],
)
def test_whatever_is_not_base_slash_quote_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a symbol like BTC/USD"):
        Symbol.parse(text)
