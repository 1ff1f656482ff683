"""Slippage against the master's price, and the parts of a copy's way."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.bus.flow.streams import Entry
from shared.contracts.messages import ReportMessage
from shared.domain.order import Kind, OrderState, Side
from shared.ledger.performance.copies import delay_of, slippage_bps
from shared.ledger.performance.trades import Trade, trade_of
from tests.support.examples import BTC_USD, an_id


def a_trade(side: Side = Side.BUY, cost: str = "6006", **changes: object) -> Trade:
    """Return a trade of 0.1 BTC."""
    report = ReportMessage.of(
        id=an_id("report"),
        order_id=an_id("order"),
        user="alice",
        venue="kraken",
        symbol=BTC_USD,
        side=side,
        kind=Kind.ENTRY if side is Side.BUY else Kind.EXIT,
        outcome=OrderState.FILLED,
        filled_size=Decimal("0.1"),
        average_price=Decimal(60_060),
        fee=Decimal("24"),
        cost=Decimal(cost) if cost else None,
        signal_at=1_000,
        sent_at=1_100,
        accepted_at=1_250,
        settled_at=1_800,
    )
    found = trade_of(Entry("", "1-0", report.fields() | {name: str(value) for name, value in changes.items()}))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("side", "cost", "bps"),
    [(Side.BUY, "6006", "10"), (Side.BUY, "5994", "-10"), (Side.SELL, "5994", "10"), (Side.SELL, "6006", "-10")],
)
def test_slippage_is_above_zero_where_the_user_did_worse(side: Side, cost: str, bps: str) -> None:
    assert slippage_bps(a_trade(side, cost), Decimal(60_000)) == Decimal(bps)


def test_a_price_of_zero_has_no_slippage() -> None:
    assert slippage_bps(a_trade(), Decimal(0)) is None


def test_the_parts_of_the_way_add_up() -> None:
    delay = delay_of(a_trade())
    assert (delay.to_send, delay.to_accept, delay.to_settle, delay.total) == (100, 150, 550, 800)


def test_a_part_that_is_not_known_hides_the_sum_alone() -> None:
    delay = delay_of(replace(a_trade(), accepted_at=None))
    assert (delay.to_send, delay.to_accept, delay.to_settle, delay.total) == (100, None, None, None)


def test_a_report_of_a_former_version_is_read_by_its_rounded_price() -> None:
    trade = a_trade(cost="")
    assert (trade.exact, trade.cost.amount, trade.fee.amount) == (False, Decimal(6006), Decimal(24))


def test_a_fee_in_base_is_not_money() -> None:
    trade = a_trade(fee_base="0.0004", fee_quote="0")
    assert (trade.fee.amount, trade.base_fee.amount, trade.fee_value.amount) == (
        Decimal(0),
        Decimal("0.0004"),
        Decimal(24),
    )
    assert (trade.paid.amount, trade.gained.amount) == (Decimal(6006), Decimal("0.0996"))


def test_what_a_sale_paid_is_negative() -> None:
    trade = a_trade(Side.SELL, "5994")
    assert (trade.paid.amount, trade.gained.amount) == (Decimal(24 - 5994), Decimal("-0.1"))
