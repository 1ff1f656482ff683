"""Whatever is ordered at Coinbase, money is neither made nor lost, and what is shown adds up."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Any

from hypothesis import example, given, settings, strategies as st

from tests.support.property_examples import scaled
from tests.unit.paper_exchange.coinbase.bench import Bench, Client
from tests.unit.paper_exchange.coinbase.ordering import GTC, MARKET, body, order

SIZES = st.decimals("0.0001", "3", places=4)
PRICES = st.integers(45_000, 75_000)
SIDES = st.sampled_from(["BUY", "SELL"])
PRODUCTS = st.sampled_from(["BTC-USD", "BTC-USDC"])
FAULTS = ["partial_fill", "partial_fill_then_cancel", "fill_during_cancel", "accepted_then_failed", "balance_lags_fill"]
STEPS = st.one_of(
    st.tuples(st.just("price"), st.integers(40_000, 80_000)),
    st.tuples(st.just("wait"), st.integers(1, 10)),
    st.tuples(st.just("fault"), st.sampled_from(FAULTS)),
    st.tuples(st.just("base"), SIDES, PRODUCTS, SIZES),
    st.tuples(st.just("quote"), SIDES, PRODUCTS, st.decimals("1", "90000", places=2)),
    st.tuples(st.sampled_from([GTC, "sor_limit_ioc", "limit_limit_fok"]), SIDES, PRODUCTS, SIZES, PRICES),
    st.tuples(st.just("stop"), SIDES, PRODUCTS, SIZES, PRICES, PRICES),
    st.tuples(st.just("bracket"), SIDES, PRODUCTS, SIZES, PRICES, PRICES),
    st.tuples(st.just("cancel"), st.integers(0, 20)),
    st.tuples(st.just("edit"), st.integers(0, 20), SIZES, PRICES),
)  # fmt: skip


def configuration(step: tuple[Any, ...]) -> dict[str, dict[str, str]]:
    """Return the configuration that a step asks for."""
    size = str(step[3])
    match step:
        case ("base", *_):
            return {MARKET: {"base_size": size}}
        case ("quote", *_):
            return {MARKET: {"quote_size": size}}
        case ("stop", _, _, _, stop, limit):
            direction = "UP" if stop > 60_000 else "DOWN"
            fields = {
                "limit_price": str(limit),
                "stop_price": str(stop),
                "stop_direction": f"STOP_DIRECTION_STOP_{direction}",
            }
            return {"stop_limit_stop_limit_gtc": {"base_size": size, **fields}}
        case ("bracket", _, _, _, limit, stop):
            return {
                "trigger_bracket_gtc": {"base_size": size, "limit_price": str(limit), "stop_trigger_price": str(stop)}
            }
    return {step[0]: {"base_size": size, "limit_price": str(step[4])}}


def act(bench: Bench, client: Client, placed: list[str], step: tuple[Any, ...]) -> None:
    """Carry out one step; the ids of accepted orders are added to `placed`."""
    if step[0] in {"cancel", "edit"} and not placed:
        return
    match step:
        case ("price", price):
            bench.price(str(price))
        case ("wait", seconds):
            bench.clock.advance(seconds)
        case ("fault", name):
            bench.arm(name, count=1)
        case ("cancel", number):
            client.post("orders/batch_cancel", {"order_ids": [placed[number % len(placed)]]})
        case ("edit", number, size, price):
            change = {"order_id": placed[number % len(placed)], "size": str(size), "price": str(price)}
            client.post("orders/edit", change)
        case (_, _, product, _, *_):
            sent = body(MARKET, step[1], product) | {"order_configuration": configuration(step)}
            answer = client.post("orders", sent)
            if answer["success"]:
                placed.append(answer["success_response"]["order_id"])


@settings(max_examples=scaled(80), deadline=None)
@given(st.lists(STEPS, max_size=25))
@example(
    [("bracket", "SELL", "BTC-USD", Decimal("0.5"), 62000, 58000), ("price", 57000), ("price", 63000), ("cancel", 0)]
)
@example([("fault", "partial_fill"), ("quote", "BUY", "BTC-USDC", Decimal(900)), ("price", 70000), ("wait", 5)])
def test_balances_orders_and_fills_add_up(steps: list[tuple[Any, ...]]) -> None:
    bench = Bench(market={"pairs": ["BTC/USD"]}, limits={"coinbase": False})
    start = {"USD": Decimal(50000), "USDC": Decimal(1000), "BTC": Decimal(1)}
    client = bench.client("alice", balances={asset: str(amount) for asset, amount in start.items()})
    account = bench.exchange.accounts["alice", "coinbase"]
    placed: list[str] = []
    for step in steps:
        act(bench, client, placed, step)
        assert {asset: held for asset, held in account.holds.items() if held} == held_by_open_orders(account)
        assert all(account.balances[asset] >= account.holds[asset] >= 0 for asset in start), step
    bench.clock.advance(10)
    client.get("accounts")
    expected = dict(start)
    rows = {row["order_id"]: row for row in (order(client, order_id) for order_id in placed)}
    for row in rows.values():
        base, quote = row["product_id"].split("-")
        sign = 1 if row["side"] == "BUY" else -1
        expected[base] += sign * Decimal(row["filled_size"])
        expected[quote] -= sign * Decimal(row["total_value_after_fees"])
    assert {asset: account.balances[asset] for asset in start} == expected
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for fill in client.get("orders/historical/fills", limit=1000)["fills"]:
        size, price = Decimal(fill["size"]), Decimal(fill["price"])
        sums[fill["order_id"]] += size if fill["size_in_quote"] else size * price
    assert {key: value for key, value in sums.items() if value} == {
        key: Decimal(row["filled_value"]) for key, row in rows.items() if Decimal(row["filled_value"])
    }


def held_by_open_orders(account: Any) -> dict[str, Decimal]:
    """Return what the open orders hold, by asset."""
    found: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in account.open_orders.values():
        if each.held:
            found[each.held_asset] += each.held
    return dict(found)
