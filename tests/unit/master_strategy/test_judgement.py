"""Which orders of the master that were sized in quote are copied: those whose price shows that the executed unit is the coin."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.master_strategy.fills.judgement import of_order
from shared.domain.master_account import UncopiedReason
from shared.domain.order import Side
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.port import TradeKind, VenueOrder
from shared.venues.rows import VenueOrderStatus

XRP = Symbol("XRP", "USD")


def _order(filled: str, cost: str) -> VenueOrder:
    return VenueOrder(
        venue_order_id="O1",
        client_order_id="",
        symbol=XRP,
        side=Side.BUY,
        status=VenueOrderStatus.DONE,
        filled=Quantity(Decimal(filled), "XRP"),
        cost=Money(Decimal(cost), "USD"),
        fee=Decimal(0),
        fee_asset="USD",
        opened_at=0,
        closed_at=1,
        trade=TradeKind.SIZED_IN_QUOTE,
    )


@pytest.mark.parametrize("price", ["60000", "100", "1.9", "1.2", "1.02", "0.55", "0.51", "0.12"])
def test_a_size_in_quote_is_never_taken_for_coins(price: str) -> None:
    """Kraken's `viqc`: sources differ on the unit of the executed volume. 600 USD are not 600 coins at any price but 1."""
    market = Price(Decimal(price), XRP)
    assert (reason := of_order(_order("600", "600"), market)) is not None
    assert reason.word is UncopiedReason.SIZED_IN_QUOTE


@pytest.mark.parametrize("moved", ["0.97", "1", "1.03"])
@pytest.mark.parametrize("price", ["60000", "100", "1.9", "1.2", "1.1", "0.55", "0.12"])
def test_a_size_in_coins_is_copied(price: str, moved: str) -> None:
    """The other reading, also when the market has moved by some per cent since."""
    market = Decimal(price)
    assert of_order(_order(str(600 / market), "600"), Price(market * Decimal(moved), XRP)) is None


def test_at_a_price_of_one_the_unit_makes_no_difference() -> None:
    """A stablecoin: 600 USD buy 600 coins."""
    assert of_order(_order("600", "600"), Price(Decimal("1.001"), XRP)) is None


def test_without_a_price_nothing_is_taken_for_plausible() -> None:
    """A price that cannot be read proves nothing."""
    assert of_order(_order("0.01", "600"), None) is not None
