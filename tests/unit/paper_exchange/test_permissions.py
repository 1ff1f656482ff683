"""What each key may do. The permission is checked before any argument: a query-only key never learns that its size is absurd."""

from __future__ import annotations

import pytest

from services.paper_exchange.kraken.methods import METHODS
from tests.unit.paper_exchange.venue import QUERY_ONLY, Venue

DENIED = "EGeneral:Permission denied"
FUNDS_ELSEWHERE = (  # methods that are missing here, for a key that may query funds
    "DepositAddresses", "DepositStatus", "WalletTransfer", "CreditLines", "Earn/AllocateStatus", "Earn/DeallocateStatus",
    "Earn/Allocations",
)  # fmt: skip
TRADING = (
    "AddOrder", "AmendOrder", "EditOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter", "AddOrderBatch",
    "CancelOrderBatch",
)  # fmt: skip


@pytest.mark.parametrize("method", TRADING)
def test_a_query_only_key_is_denied_before_its_arguments_are_looked_at(venue: Venue, method: str) -> None:
    reader = venue.client("reader", permissions=QUERY_ONLY)
    assert reader.error(method) == DENIED
    assert (
        reader.error(method, pair="NOPE", volume="10000000", price="-1", validate="True", txid="OB6JJR-7NZ5P-N5SKCB")
        == DENIED
    )


@pytest.mark.parametrize(
    ("permission", "opened"),
    [
        ("query-funds", {"Balance", "BalanceEx", "TradeVolume", *FUNDS_ELSEWHERE}),
        ("query-open-orders", {"OpenOrders", "TradeBalance", "QueryOrders", "OpenPositions", "OrderAmends"}),
        ("query-closed-orders", {"ClosedOrders", "TradesHistory", "QueryTrades", "QueryOrders"}),
        (
            "modify-orders",
            {"AddOrder", "AmendOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter", "CancelOrderBatch"},
        ),
        ("cancel-orders", {"AmendOrder", "CancelOrder", "CancelAll", "CancelAllOrdersAfter", "CancelOrderBatch"}),
        ("query-ledger", {"Ledgers", "QueryLedgers", "WithdrawStatus"}),
        ("websockets", {"GetWebSocketsToken"}),
        (
            "withdraw",
            {"WithdrawInfo", "Withdraw", "WithdrawStatus", "WithdrawCancel", "CreateSubaccount", "AccountTransfer"},
        ),
    ],
)
def test_each_permission_opens_its_methods_and_no_others(venue: Venue, permission: str, opened: set[str]) -> None:
    client = venue.client("one", permissions=[permission])
    let_in = {method for method in METHODS if client.call(method)["error"] != [DENIED]}
    assert let_in == opened | {"GetApiKeyInfo", "Earn/Strategies"}  # which need no permission


def test_batches_and_edits_need_both_order_permissions(venue: Venue) -> None:
    both = venue.client("both", permissions=["modify-orders", "cancel-orders"])
    assert both.error("EditOrder") != DENIED
    assert both.error("AddOrderBatch") != DENIED


def test_a_new_key_may_do_everything_but_withdraw(venue: Venue) -> None:
    client = venue.client("default")
    assert "withdraw" not in {str(p) for p in venue.exchange.keys[client.name].permissions}
    assert len(venue.exchange.keys[client.name].permissions) == 7


def test_an_order_by_id_needs_the_permission_for_its_state(venue: Venue) -> None:
    trader = venue.client("alice")
    open_id, closed_id = trader.add("buy", "limit", "0.1", price="50000"), trader.add("buy", "market", "0.1")
    opened = venue.client("alice", permissions=["query-open-orders"])
    closed = venue.client("alice", permissions=["query-closed-orders"])
    assert list(opened.ok("QueryOrders", txid=open_id)) == [open_id]
    assert opened.error("QueryOrders", txid=closed_id) == DENIED
    assert list(closed.ok("QueryOrders", txid=closed_id)) == [closed_id]
    assert closed.error("QueryOrders", txid=f"{closed_id},{open_id}") == DENIED
