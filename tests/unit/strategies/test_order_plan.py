"""Intents become orders that the venue takes, or a reason."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.master_strategy.trading.own_order import OwnOrder
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.skip import Skip
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.money import Money, Quantity
from shared.execution.record import OrderRecord
from shared.strategies.order_plan import OrderPlan, plan_entry, plan_exit
from shared.strategies.port import Enter, Exit
from shared.venues.port import OrderRequest, Outgoing
from tests.unit.master_strategy.values import BTC, NOW, btc, btc_price, usd

INSTRUMENT = seed_instruments("kraken")[BTC]


def _entry(equity: Money, cash: Money, share: str = "0.06", slippage_bps: Decimal | None = None) -> OrderPlan | Skip:
    return plan_entry(
        Enter(BTC, Decimal(share), "above"),
        INSTRUMENT,
        btc_price(60_000),
        equity=equity,
        cash=cash,
        taker_fee=Decimal("0.004"),
        slippage_bps=slippage_bps,
    )


def _exit(held: str, fraction: str, free: Quantity | None = None) -> OrderPlan | Skip:
    position = Position(BTC, btc(held), usd("1"), NOW, NOW)
    intent = Exit(BTC, Decimal(fraction), "below")
    return plan_exit(intent, INSTRUMENT, btc_price(60_000), position=position, free=free, slippage_bps=None)


def test_an_entry_is_a_share_of_the_equity_floored_to_the_lot() -> None:
    plan = _entry(usd("10000"), usd("10000"))
    assert plan == OrderPlan(Side.BUY, btc("0.01"), None, "above")


def test_an_entry_never_spends_more_than_the_free_cash_and_its_fee() -> None:
    plan = _entry(usd("10000"), usd("301.20"))
    assert isinstance(plan, OrderPlan)
    assert plan.size == btc("0.005")


def test_an_entry_below_the_minimum_is_a_reason_and_not_a_bigger_order() -> None:
    assert isinstance(_entry(usd("10"), usd("10")), Skip)


def test_no_cash_is_a_reason() -> None:
    assert isinstance(_entry(usd("10000"), usd("0")), Skip)


def test_a_limit_order_is_sized_by_its_limit() -> None:
    plan = _entry(usd("10000"), usd("10000"), slippage_bps=Decimal(20))
    assert isinstance(plan, OrderPlan)
    assert plan.limit_price is not None
    assert plan.limit_price.amount == Decimal(60_120)
    assert plan.size * plan.limit_price <= usd("600")


def test_an_exit_sells_the_fraction_of_what_the_book_holds() -> None:
    plan = _exit("0.1", "0.37")
    assert isinstance(plan, OrderPlan)
    assert (plan.side, plan.size) == (Side.SELL, btc("0.037"))


def test_an_exit_is_cut_to_what_is_free_only_when_that_is_given() -> None:
    plan = _exit("0.1", "1", free=btc("0.04"))
    assert isinstance(plan, OrderPlan)
    assert plan.size == btc("0.04")


def test_dust_is_a_reason() -> None:
    assert isinstance(_exit("0.00001", "1"), Skip)


def test_an_own_order_reads_back_from_its_record_as_it_was_written() -> None:
    own = OwnOrder(
        id="2a3b8c1e-7b1c-4f0e-9a55-0f6f5f3f7a10",
        venue="kraken",
        symbol=BTC,
        side=Side.BUY,
        size=btc("0.01"),
        limit_price=btc_price("60120.1"),
        begun_at=NOW,
        strategy="sma-cross",
        reason="above",
        owner="master.swing",
    )
    leg = own.leg()
    assert leg.order.user == "master.swing"
    request = OrderRequest(leg.client_order_id, BTC, Side.BUY, leg.size, leg.limit_price, NOW + 8_000)
    fields = OrderRecord.intent(leg, request, Outgoing(NOW + 5_000), sent_at=NOW)
    assert (leg.client_order_id, OwnOrder.read(own.id, {**fields, "state": "sending"}, own.owner)) == (own.id, own)
    assert OwnOrder.read(own.id, {**fields, "venue_order_id": "O1"}, own.owner) == replace(own, venue_order_id="O1")
