"""What a strategy's position has cost includes the fee, in whichever coin it was taken: by the rule of users' positions."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

import pytest

from services.master_strategy.account.own_positions import OwnPositions, from_reports
from services.master_strategy.trading.own_order import OwnOrder
from shared.contracts.messages import ReportMessage
from shared.domain.account import MASTER
from shared.domain.order import Kind, OrderState, Side
from shared.domain.position import Position
from shared.execution.booking import position_after
from shared.strategies.shown_holding import shown_holding
from tests.unit.master_strategy.values import BTC, NOW, btc, done

SMALLEST = Decimal("0.00005")


def own_order(side: Side = Side.BUY, size: str = "0.1") -> OwnOrder:
    return OwnOrder("id", "kraken", BTC, side, btc(size), None, NOW, "trend", owner=MASTER)


@pytest.mark.parametrize(
    ("fee", "asset", "average"),
    [("24", "USD", Decimal(60_240)), ("0.0004", "BTC", 6_000 / Decimal("0.0996")), ("0", "USD", Decimal(60_000))],
)
def test_a_unit_has_cost_what_was_paid_and_the_fee(fee: str, asset: str, average: Decimal) -> None:
    order = done(Side.BUY, "0.1", "6000", fee=fee, fee_asset=asset)
    own = OwnPositions().after(order, own_order(), NOW)
    held = shown_holding(own, SMALLEST)
    assert held is not None
    assert held.average_price.amount == average
    users = position_after(Position.flat(BTC, NOW), order, NOW)
    assert (own.position.size, own.position.cost) == (users.size, users.cost)


def test_less_than_the_smallest_order_is_shown_to_no_strategy() -> None:
    own = OwnPositions().after(done(Side.BUY, "0.00004", "2.4"), own_order(size="0.00004"), NOW)
    assert shown_holding(own, SMALLEST) is None
    assert shown_holding(own, Decimal("0.00004")) is not None


def test_a_position_derived_from_reports_has_cost_the_fee_too() -> None:
    report = ReportMessage(
        id=str(uuid4()),
        order_id=str(uuid4()),
        user="master",
        venue="kraken",
        symbol=BTC,
        side=Side.BUY,
        kind=Kind.ENTRY,
        outcome=OrderState.FILLED,
        filled_size=Decimal("0.1"),
        average_price=Decimal(60_000),
        fee=Decimal(24),
        settled_at=NOW,
    )
    (own,) = from_reports([report]).held()
    held = shown_holding(own, SMALLEST)
    assert held is not None
    assert held.average_price.amount == Decimal(60_240)
