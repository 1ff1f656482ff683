"""Balances carried on by an account's own trades: on the low side, each fee in its asset, nothing made out of what is unread."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from services.executor.account.balances.carried_balances import CarriedBalances, carried
from shared.domain.order import Side
from shared.domain.values.money import Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.port import Balance, Balances, VenueOrder, VenueOrderStatus
from tests.support.examples import an_account, usd

BTC = Symbol("BTC", "USD")
READ = Balances({"USD": Balance("USD", Decimal(1_000), Decimal(900))})


def order(side: Side, size: str = "1", cost: str = "100", *, fee_asset: str = "USD", closed_at: int = 0) -> VenueOrder:
    return VenueOrder(
        venue_order_id="O1",
        client_order_id="c1",
        symbol=BTC,
        side=side,
        status=VenueOrderStatus.DONE,
        filled=Quantity(Decimal(size), "BTC"),
        cost=Money(Decimal(cost), "USD"),
        fee=Decimal("0.01"),
        fee_asset=fee_asset,
        opened_at=0,
        closed_at=closed_at,
    )


def free(balances: Balances) -> dict[str, Decimal]:
    return {asset: each.free for asset, each in balances.items()}


@pytest.mark.parametrize(
    ("side", "fee_asset", "after"),
    [
        (Side.BUY, "USD", {"USD": Decimal("799.99"), "BTC": Decimal(1)}),
        (Side.BUY, "BTC", {"USD": Decimal(800), "BTC": Decimal("0.99")}),
        (Side.BUY, "KFEE", {"USD": Decimal(800), "BTC": Decimal(1), "KFEE": Decimal("-0.01")}),
        (Side.SELL, "USD", {"USD": Decimal("999.99"), "BTC": Decimal(-1)}),
    ],
)
def test_an_order_moves_base_quote_and_the_asset_of_its_fee(
    side: Side, fee_asset: str, after: dict[str, Decimal]
) -> None:
    assert free(carried(READ, [order(side, fee_asset=fee_asset)])) == after


def test_what_could_not_be_read_stays_unread() -> None:
    unread = Balances({"USD": READ["USD"]}, ["BTC"])
    after = carried(unread, [order(Side.BUY)])
    assert ("BTC" in after, after.unreadable) == (False, frozenset({"BTC"}))


def test_total_and_free_move_alike() -> None:
    after = carried(READ, [order(Side.BUY)])["USD"]
    assert after.total - after.free == 100


def test_a_purchase_counts_until_a_reading_that_was_requested_after_it() -> None:
    known = CarriedBalances()
    known.note_reading(READ, read_at=0.0, asked_at=100, answered_at=110)
    known.traded(order(Side.BUY), 200)
    assert free(known.now()[0])["USD"] == Decimal("799.99")
    known.note_reading(READ, read_at=1.0, asked_at=190, answered_at=210)
    assert free(known.now()[0])["USD"] == Decimal("799.99"), "that reading may not contain it"
    known.note_reading(READ, read_at=2.0, asked_at=300, answered_at=310)
    assert known.now()[0]["USD"] == READ["USD"]


def test_a_sale_counts_only_if_it_ended_after_the_reading_was_answered() -> None:
    known = CarriedBalances()
    known.note_reading(READ, read_at=0.0, asked_at=100, answered_at=110)
    known.traded(order(Side.SELL, closed_at=110), 200)
    assert known.now()[0]["USD"] == READ["USD"], "that reading may contain it"
    known.traded(order(Side.SELL, closed_at=111), 200)
    assert free(known.now()[0])["USD"] == Decimal("999.99")


def test_a_reading_close_to_a_trade_is_not_sure() -> None:
    known = CarriedBalances()
    known.note_reading(READ, read_at=0.0, asked_at=50_000, answered_at=50_010)
    assert known.sure
    known.traded(order(Side.BUY), 60_000)
    known.note_reading(READ, read_at=1.0, asked_at=70_000, answered_at=70_010)
    assert not known.sure, "a balance may lag behind its fill"
    known.note_reading(READ, read_at=2.0, asked_at=70_001, answered_at=70_011)
    assert known.sure


@given(st.lists(st.sampled_from(list(Side)), max_size=8), st.integers(0, 8))
def test_what_the_record_contains_is_not_counted_twice(sides: list[Side], written: int) -> None:
    """However many of the trades the record contains: with the others added it is always the same cash."""
    known = CarriedBalances()
    known.note_reading(READ, read_at=0.0, asked_at=0, answered_at=0)
    account = an_account(cash=usd(900))
    for number, side in enumerate(sides):
        if number == written:
            balances, trades = known.now()
            known.note_written(trades)
            account = an_account(cash=Money(balances["USD"].free, "USD"))
        known.traded(order(side, closed_at=number + 1), number + 1)
    found = known.after_trades(account)
    assert found is not None
    assert found.cash is not None
    assert found.cash.amount == free(known.now()[0])["USD"]


def test_nothing_is_carried_on_before_a_reading() -> None:
    known = CarriedBalances()
    assert (known.known, known.after_trades(None)) == (False, None)
    with pytest.raises(RuntimeError, match="nothing was read"):
        known.now()
