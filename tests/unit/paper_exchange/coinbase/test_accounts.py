"""Wallets and their pages, fees, and conversions between the two dollars."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.paper_exchange.control.messages import NewTransfer
from services.paper_exchange.control.registry import transfer_funds
from services.paper_exchange.core.account import Account
from tests.unit.paper_exchange.coinbase.bench import VIEW_ONLY, Bench, Client, answer_of


def deposit(bench: Bench, asset: str, amount: str, *, into: bool = True, **fields: Any) -> Account:
    wish = {"user": "alice", "venue": "coinbase", "asset": asset, "amount": amount, **fields}
    return transfer_funds(bench.exchange, NewTransfer.model_validate(wish), into=into)


def test_a_wallet_has_the_recorded_shape(bench: Bench, alice: Client) -> None:
    answer = alice.get("accounts")
    assert (answer["has_next"], answer["cursor"], answer["size"]) == (False, "", 2)
    dollars, coins = answer["accounts"]
    portfolio = alice.get("key_permissions")["portfolio_uuid"]
    assert dollars == {
        "uuid": dollars["uuid"],
        "name": "USD Wallet",
        "currency": "USD",
        "available_balance": {"value": "100000", "currency": "USD"},
        "default": True,
        "active": True,
        "created_at": "2023-11-14T22:13:20.000000Z",
        "updated_at": "2023-11-14T22:13:20.000000Z",
        "deleted_at": None,
        "type": "ACCOUNT_TYPE_FIAT",
        "ready": True,
        "hold": {"value": "0", "currency": "USD"},
        "retail_portfolio_id": portfolio,
        "platform": "ACCOUNT_PLATFORM_CONSUMER",
    }
    assert (coins["type"], coins["default"], coins["available_balance"]["value"]) == ("ACCOUNT_TYPE_CRYPTO", False, "2")
    assert alice.get("accounts/" + coins["uuid"]) == {"account": coins}
    assert alice.call("GET", "accounts/" + "0" * 36).status == 404
    assert alice.get("accounts", retail_portfolio_id="another")["accounts"] == []
    assert len(alice.get("accounts", retail_portfolio_id=portfolio)["accounts"]) == 2


def test_what_is_on_hold_is_not_available(bench: Bench, alice: Client) -> None:
    bench.exchange.accounts["alice", "coinbase"].holds["USD"] = Decimal("250.5")
    assert alice.wallet("USD") == (Decimal("99749.5"), Decimal("250.5"))


def test_money_that_comes_and_goes_is_seen(bench: Bench, alice: Client) -> None:
    deposit(bench, "ETH", "3")
    assert alice.wallet("ETH") == (3, 0)
    deposit(bench, "ETH", "3", into=False)
    assert alice.wallet("ETH") == (0, 0), "a currency that was touched once keeps its wallet"
    assert alice.wallet("DOGE") is None


def test_pages_have_49_wallets_unless_asked_and_miss_none_that_comes_meanwhile(bench: Bench) -> None:
    coins = {f"C{number:03}": "1" for number in range(120)}
    client = bench.client("alice", balances=coins)
    first = client.get("accounts")
    assert (len(first["accounts"]), first["size"], first["has_next"]) == (49, 49, True)
    deposit(bench, "NEW", "1")
    seen = [row["currency"] for row in first["accounts"]]
    page = first
    while page["has_next"]:
        page = client.get("accounts", cursor=page["cursor"], limit=50)
        seen += [row["currency"] for row in page["accounts"]]
    assert seen == [*coins, "NEW"]
    assert page["cursor"] == ""
    assert len(client.get("accounts", limit=250)["accounts"]) == 121
    assert client.call("GET", "accounts", cursor="Tk9QRQ").status == 400, "a cursor of another list"
    assert "C048" not in first["cursor"], "opaque"


def test_fees_are_those_of_the_first_tier_and_sums_are_numbers(bench: Bench, alice: Client) -> None:
    summary = alice.get("transaction_summary")
    assert (summary["total_volume"], summary["total_fees"], summary["margin_rate"]) == (0, 0, None)
    assert (summary["fee_tier"]["taker_fee_rate"], summary["fee_tier"]["maker_fee_rate"]) == ("0.012", "0.006")
    assert (summary["fee_tier"]["pricing_tier"], summary["fee_tier"]["usd_to"]) == ("Intro 1", "")
    assert summary["total_balance"] == "220000.00"


QUOTE = {"from_account": "USD", "to_account": "USDC", "amount": "250.5"}


def test_a_conversion_moves_money_and_leaves_no_order_and_no_fill(bench: Bench, alice: Client) -> None:
    quote = alice.post("convert/quote", QUOTE)["trade"]
    assert (quote["status"], quote["amount"], quote["total"]) == (
        "TRADE_STATUS_CREATED", {"value": "250.5", "currency": "USD"}, {"value": "250.5", "currency": "USDC"},
    )  # fmt: skip
    assert alice.wallet("USDC") is None
    pair = {"from_account": "USD", "to_account": "USDC"}
    done = alice.post("convert/trade/" + quote["id"], pair)["trade"]
    assert done["status"] == "TRADE_STATUS_COMPLETED"
    assert alice.post("convert/trade/" + quote["id"], pair)["trade"] == done, "moved once"
    assert alice.wallet("USD") == (Decimal("99749.5"), 0)
    assert alice.wallet("USDC") == (Decimal("250.5"), 0)
    assert alice.get("convert/trade/" + quote["id"], **pair)["trade"] == done
    account = bench.exchange.accounts["alice", "coinbase"]
    assert (account.trades, account.orders) == ([], {})


def test_wallets_may_be_named_by_their_ids(bench: Bench, alice: Client) -> None:
    deposit(bench, "USDC", "10")
    ids = {row["currency"]: row["uuid"] for row in alice.get("accounts")["accounts"]}
    ask = {"from_account": ids["USDC"], "to_account": ids["USD"], "amount": "10"}
    quote = alice.post("convert/quote", ask)["trade"]
    assert (quote["source_currency"], quote["target_currency"], quote["source_id"]) == ("USDC", "USD", ids["USDC"])
    alice.post("convert/trade/" + quote["id"], ask)
    assert alice.wallet("USDC") == (0, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": "0"}, {"amount": 5}, {"amount": "0.001"}, {"amount": "-1"}, {"to_account": "BTC"}, {"to_account": "USD"},
        {"to_account": 1},
    ],
)  # fmt: skip
def test_only_dollars_convert_and_only_whole_cents(alice: Client, changes: dict[str, Any]) -> None:
    assert alice.call("POST", "convert/quote", {**QUOTE, **changes}).status == 400


def test_a_quote_is_carried_out_only_by_its_owner_as_quoted_and_with_the_money(bench: Bench, alice: Client) -> None:
    path = "convert/trade/" + alice.post("convert/quote", {**QUOTE, "amount": "100000.01"})["trade"]["id"]
    pair = {"from_account": "USD", "to_account": "USDC"}
    assert alice.call("POST", path, pair).json["message"] == "Insufficient balance in source account"
    assert alice.call("POST", path, {"from_account": "USDC", "to_account": "USD"}).status == 400
    assert bench.client("bob").call("POST", path, pair).status == 404
    assert bench.client("alice", permissions=VIEW_ONLY).call("POST", path, pair).status == 403
    deposit(bench, "USD", "0.01")
    assert alice.post(path, pair)["trade"]["status"] == "TRADE_STATUS_COMPLETED"
    assert alice.wallet("USD") == (0, 0)


def test_a_further_portfolio_has_funds_of_its_own(bench: Bench, alice: Client) -> None:
    bots = bench.client("alice", portfolio="Bots", balances={})
    deposit(bench, "USD", "7", portfolio="Bots")
    assert bots.wallet("USD") == (7, 0)
    assert alice.wallet("USD") == (100000, 0)
    with pytest.raises(KeyError):
        deposit(bench, "USD", "7", portfolio="Nowhere")


def test_the_app_api_lists_the_same_wallets_with_their_totals(bench: Bench) -> None:
    client = bench.client("alice", balances={f"C{number:03}": "1" for number in range(130)} | {"USD": "7.5"})
    bench.exchange.accounts["alice", "coinbase"].holds["USD"] = Decimal("2.5")

    def page(**query: Any) -> Any:
        request = client.request("GET", "", **query)
        request.path = "/v2/accounts"
        request.authorization = "Bearer " + client.sign(client.claims("GET", request.path))
        return answer_of(bench.front.answer(request))

    first = page(limit=250).json
    assert (len(first["data"]), first["pagination"]["limit"], first["pagination"]["order"]) == (100, 100, "desc")
    dollars = first["data"][0]
    assert (dollars["type"], dollars["balance"]) == ("fiat", {"amount": "7.5", "currency": "USD"})
    rest = page(starting_after=first["pagination"]["next_starting_after"], limit=100).json
    assert rest["pagination"]["next_uri"] is None
    both = client.get("accounts", limit=250)["accounts"]
    assert [row["id"] for row in first["data"] + rest["data"]] == [row["uuid"] for row in reversed(both)]
    assert len(page().json["data"]) == 25
    assert page(starting_after="nothing").status == 400
