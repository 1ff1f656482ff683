"""A fault that is armed with an option that it cannot honour is refused with a sentence: it would never fire, or for too much."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.paper_exchange.control.fault_options import REQUESTS
from services.paper_exchange.control.messages import NewFault
from services.paper_exchange.core.fault_table import FAULTS, WITH_ERROR_TEXT, Stage
from tests.unit.paper_exchange.faults import arm
from tests.unit.paper_exchange.venue import Client, Venue


def refusal(fault: str, **options: Any) -> str:
    """Return the sentence with which a fault is refused; empty if it is armed."""
    error = {"error": "EGeneral:Internal error"} if fault in WITH_ERROR_TEXT else {}
    try:
        NewFault.model_validate({"fault": fault, **error, **options})
    except ValidationError as refused:
        return str(refused.errors()[0]["msg"]).removeprefix("Value error, ")
    return ""


@pytest.mark.parametrize(
    ("fault", "options", "words"),
    [
        ("pair_halted", {"user": "alice"}, "the same for every user at kraken: arm it without a user"),
        ("ordermin_raised_mid_run", {"user": "alice"}, "at kraken and coinbase: arm it without a user"),
        ("ordermin_raised_mid_run", {"user": "alice", "venue": "coinbase"}, "for every user at coinbase"),
        ("precision_change", {"user": "alice"}, "the same for every user"),
        ("pair_not_listed", {"user": "alice"}, "the same for every user"),
        ("clock_ahead", {"user": "alice"}, "the same for every user at coinbase"),
        ("http_503", {"user": "alice", "method": "Ticker"}, "Ticker is public"),
        ("http_503", {"user": "alice", "method": "GetServerTime"}, "GetServerTime is public"),
        ("stale_open_orders", {"symbol": "BTC/USD"}, "the same for every symbol at kraken and coinbase"),
        ("order_status_unknown", {"symbol": "BTC/USD"}, "the same for every symbol at coinbase"),
        ("alias_in_fills", {"symbol": "BTC/USD"}, "the same for every symbol"),
        ("cancel_only_mode", {"symbol": "BTC/USD"}, "the same for every symbol at kraken"),
        ("maintenance_mode", {"symbol": "BTC/USD", "venue": "coinbase"}, "the same for every symbol at coinbase"),
        ("other_spellings", {"symbol": "BTC/USD"}, "the same for every symbol at kraken"),
        ("throttled_with_401", {"symbol": "BTC/USD"}, "the same for every symbol"),
        ("busy", {"method": "AddOrders"}, "'AddOrders' is not a method of kraken"),
        ("http_503", {"method": "CreateOrder", "venue": "kraken"}, "'CreateOrder' is not a method of kraken"),
        ("http_503", {"method": "Nothing"}, "'Nothing' is not a method of kraken or coinbase"),
        ("partial_fill", {"method": "AddOrderBatch"}, "strikes only AddOrder, CreateOrder, not AddOrderBatch"),
        ("fill_during_cancel", {"method": "CancelAll"}, "strikes only CancelOrder, CancelOrders, not CancelAll"),
        ("row_without_type", {"method": "TradesHistory"}, "strikes only ClosedOrders, OpenOrders, QueryOrders, not"),
        ("response_moves_order_id", {"method": "Balance"}, "strikes only AddOrder, CreateOrder, EditOrder, not"),
        ("delay_beyond_timeout_then_processed", {"method": "Ticker"}, "strikes private methods only"),
        ("duplicate_delivery", {"method": "GetServerTime"}, "strikes private methods only"),
        ("other_spellings", {"method": "Ticker"}, "strikes private methods only"),
        ("balance_lags_fill", {"method": "AddOrder"}, "does not depend on a method"),
        ("pair_halted", {"method": "AddOrder"}, "does not depend on a method"),
        ("precision_change", {"count": 1}, "arm it with seconds instead of count"),
        ("pair_not_listed", {"count": 1}, "arm it with seconds instead of count"),
        ("clock_behind", {"count": 1}, "arm it with seconds instead of count"),
        ("cancel_only_mode", {"probability": 0.5}, "arm it without a probability"),
        ("busy", {"fraction": 0.5}, "fills nothing: fraction is for partial_fill, partial_fill_then_cancel"),
        ("busy", {"venue": "coinbase"}, "busy is a fault of kraken only"),
        ("pending_for", {"venue": "kraken"}, "pending_for is a fault of coinbase only"),
    ],
)
def test_an_option_that_a_fault_cannot_honour_is_refused(fault: str, options: dict[str, Any], words: str) -> None:
    assert words in refusal(fault, **options)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("pair_halted", {"symbol": "BTC/USD", "count": 3}),
        ("pair_halted", {"user": "alice", "venue": "coinbase"}),
        ("cancel_only_mode", {"user": "alice", "count": 2, "probability": 1.0}),
        ("cancel_only_mode", {"symbol": "BTC/USD", "venue": "coinbase"}),
        ("order_status_unknown", {"symbol": "BTC/USD", "venue": "kraken", "method": "QueryOrders"}),
        ("http_503", {"method": "Ticker"}),
        ("http_503", {"method": "CreateOrder", "user": "alice"}),
        ("duplicate_delivery", {"method": "CreateConvertQuote"}),
        ("portfolio_switched", {"user": "alice", "probability": 0.5}),
        ("balance_lags_fill", {"user": None, "method": None, "symbol": "BTC/USD"}),
        ("partial_fill", {"fraction": 0.5, "method": "AddOrder", "symbol": "BTC/USD", "user": "alice"}),
    ],
)
def test_an_option_that_a_fault_honours_is_taken(fault: str, options: dict[str, Any]) -> None:
    assert refusal(fault, **options) == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_what_a_stage_cannot_honour_no_fault_of_it_takes(fault: str) -> None:
    stage = FAULTS[fault].stage
    assert refusal(fault) == ""
    if stage in REQUESTS:
        assert "arm it without a symbol" in refusal(fault, symbol="BTC/USD")
    if stage is Stage.CONDITION:
        assert "arm it without one" in refusal(fault, method="AddOrder")
    elif stage in REQUESTS | {Stage.EFFECT}:
        assert refusal(fault, method="NoSuchMethod") != ""


@pytest.mark.parametrize(("symbol", "filled"), [("BTC/USD", True), ("ETH/USD", False)])
def test_a_fill_during_a_cancel_can_be_bound_to_a_symbol(
    venue: Venue, alice: Client, symbol: str, filled: bool
) -> None:
    arm(venue, "fill_during_cancel", symbol=symbol, count=1)
    txid = alice.add("buy", "limit", "0.1", price="50000")
    alice.call("CancelOrder", txid=txid)
    assert alice.order(txid)["status"] == ("closed" if filled else "canceled")


@pytest.mark.parametrize(("symbol", "late"), [("BTC/USD", True), ("ETH/USD", False)])
def test_a_late_balance_can_be_bound_to_a_symbol(venue: Venue, alice: Client, symbol: str, late: bool) -> None:
    arm(venue, "balance_lags_fill", symbol=symbol, seconds=3)
    before = alice.balance("XXBT")
    alice.add("buy", "market", "0.1")
    assert (alice.balance("XXBT") == before) is late
