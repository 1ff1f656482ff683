"""Whatever is ordered, money is neither made nor lost, and nothing is spent twice."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings, strategies as st

from tests.support.property_examples import scaled
from tests.unit.paper_exchange.venue import Venue

SIZES = st.decimals("0.0001", "3", places=4)
STEPS = st.one_of(
    st.tuples(st.just("price"), st.integers(40_000, 80_000)),
    st.tuples(
        st.just("order"), st.sampled_from(["buy", "sell"]),
        st.sampled_from(["market", "limit", "stop-loss", "take-profit", "trailing-stop", "stop-loss-limit"]),
        SIZES, st.integers(45_000, 75_000), st.sampled_from(["", "fcib", "post"]), st.sampled_from(["GTC", "IOC"]),
    ),
    st.tuples(st.just("fault"), st.sampled_from(["partial_fill", "partial_fill_then_cancel", "fill_during_cancel"])),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("amend"), st.integers(0, 20), SIZES),
)  # fmt: skip


@settings(max_examples=scaled(60), deadline=None)
@given(st.lists(STEPS, max_size=25))
@example(
    [("fault", "partial_fill"), ("order", "buy", "market", Decimal("0.5"), 45000, "", "GTC"), ("amend", 0, Decimal(2))]
)
def test_balances_are_what_was_deposited_and_traded_and_holds_are_what_open_orders_need(steps: list[Any]) -> None:
    venue = Venue(market={"pairs": ["BTC/USD"]})
    client = venue.client("alice", balances={"USD": "50000", "BTC": "1"})
    account = venue.exchange.accounts["alice", "kraken"]
    placed: list[str] = []
    for step in steps:
        match step:
            case ("price", price):
                venue.price(str(price))
            case ("order", side, kind, size, price, flags, force):
                order: dict[str, Any] = {"type": side, "ordertype": kind, "volume": str(size), "oflags": flags}
                if kind != "market":
                    order["price"] = f"+{price // 50}" if kind == "trailing-stop" else str(price)
                if kind == "stop-loss-limit":
                    order["price2"] = "-1%"
                if kind == "limit":
                    order["timeinforce"] = force
                placed += client.call("AddOrder", pair="XBTUSD", **order).get("result", {}).get("txid", [])
            case ("fault", name):
                venue.exchange.faults.arm(name, count=1)
                venue.clock.advance(1)
            case ("cancel", index) if placed:
                client.call("CancelOrder", txid=placed[index % len(placed)])
            case ("amend", index, size) if placed:
                client.call("AmendOrder", txid=placed[index % len(placed)], order_qty=str(size))
        _check(account)


def _check(account: Any) -> None:
    expected: defaultdict[str, Decimal] = defaultdict(Decimal, {"USD": Decimal(50000), "BTC": Decimal(1)})
    for trade in account.trades:
        sign = 1 if trade.order.side == "buy" else -1
        expected["BTC"] += sign * trade.size
        expected["USD"] -= sign * trade.cost
        expected[trade.fee_asset] -= trade.fee
    held: defaultdict[str, Decimal] = defaultdict(Decimal)
    for order in account.open_orders.values():
        held[order.held_asset] += order.held
        assert order.is_open
        assert 0 < order.remaining <= order.size
    for asset in ("USD", "BTC"):
        assert account.balances[asset] == expected[asset]
        assert account.balances[asset] >= 0
        assert account.holds[asset] == held[asset]
        assert account.available(asset, 0.0) >= 0
