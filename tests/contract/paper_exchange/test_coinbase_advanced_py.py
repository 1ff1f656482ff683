"""coinbase-advanced-py against the paper Coinbase: wallets, products, market data, rights, portfolios, conversions, faults."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import requests
from coinbase.rest import RESTClient

from tests.contract.paper_exchange.coinbase_client import open_account, open_client
from tests.contract.paper_exchange.conftest import FROZEN, Paper, Start, numbers

Account = tuple[dict[str, str], RESTClient]


@pytest.fixture(scope="module")
def shared_paper(start: Start) -> Paper:
    """An exchange without rate limits: these tests come faster than the ten public calls a second of one address."""
    return start(FROZEN + "[limits]\ncoinbase = false\n")


@pytest.fixture(params=["ecdsa", "ed25519"])
def account(paper: Paper, request: pytest.FixtureRequest) -> Account:
    """A rich account with a key of each kind."""
    return open_account(paper, f"coinbase{next(numbers)}", key_type=request.param, tier="unlimited")


def test_wallets(paper: Paper, account: Account) -> None:
    made, client = account
    answer = client.get_accounts(limit=1)
    assert (len(answer.accounts), answer.has_next, answer.size) == (1, True, 1)
    second = client.get_accounts(limit=1, cursor=answer.cursor)
    wallets = [*answer.accounts, *second.accounts]
    assert (second.has_next, second.cursor) == (False, "")
    assert {row.currency: row.available_balance["value"] for row in wallets} == {"USD": "100000", "BTC": "2"}
    one = client.get_account(wallets[1].uuid).account
    assert (one.currency, one.hold["value"], one.retail_portfolio_id) == (
        wallets[1].currency,
        "0",
        made["portfolio_uuid"],
    )
    assert answer.rate_limit_remaining is None, "an unlimited key has no limit to tell"
    shown = paper.get(f"accounts/{made['user']}/coinbase")
    assert (shown["balances"], shown["api_keys"]) == ({"USD": "100000", "BTC": "2"}, [made["api_key"]])


def test_products_and_their_public_twins(paper: Paper, account: Account) -> None:
    _, client = account
    nobody = open_client(paper)
    products = client.get_products(product_ids=["BTC-USD", "BTC-USDC"]).products
    assert products is not None
    assert [(row.product_id, row.alias, row.price_increment) for row in products] == [
        ("BTC-USD", "", "0.01"), ("BTC-USDC", "BTC-USD", "0.01"),
    ]  # fmt: skip
    twins = client.get_product("BTC-USD").to_dict(), nobody.get_public_product("BTC-USD").to_dict()
    assert twins[0] == twins[1]
    assert {"price", "base_min_size", "trading_disabled"} <= twins[0].keys()
    assert len(nobody.get_public_products(limit=5).products) == 5
    best = client.get_best_bid_ask(product_ids=["BTC-USD", "ETH-USD"]).pricebooks
    assert [row.product_id for row in best] == ["BTC-USD", "ETH-USD"]
    book = client.get_product_book("BTC-USD", limit=2)
    assert [len(book.pricebook.bids), len(book.pricebook.asks)] == [2, 2]
    assert nobody.get_public_product_book("BTC-USD", limit=2).pricebook.bids[0].price == best[0].bids[0].price
    trades = client.get_market_trades("BTC-USD", limit=3)
    assert 0 < len(trades.trades) <= 3
    assert (trades.best_bid, trades.best_ask) == (best[0].bids[0].price, best[0].asks[0].price)
    assert nobody.get_public_market_trades("BTC-USD", limit=1).trades[0].product_id == "BTC-USD"


def test_candles_and_time(paper: Paper, account: Account) -> None:
    _, client = account
    now = int(client.get_unix_time().epoch_seconds)
    assert abs(now - time.time()) < 10
    rows = client.get_candles("BTC-USD", str(now - 3600), str(now), "FIVE_MINUTE").candles
    assert rows is not None
    assert len(rows) in {12, 13}
    assert [int(row.start) for row in rows] == sorted((int(row.start) for row in rows), reverse=True)
    public = open_client(paper).get_public_candles("BTC-USD", str(now - 3600), str(now), "FIVE_MINUTE").candles
    assert public is not None
    assert [row.to_dict() for row in public][1:] == [row.to_dict() for row in rows][1:]
    with pytest.raises(requests.HTTPError, match="less than 350") as refused:
        client.get_candles("BTC-USD", str(now - 360 * 60), str(now), "ONE_MINUTE")
    assert refused.value.response.status_code == 400


def test_rights_fees_and_portfolios(paper: Paper, account: Account) -> None:
    made, client = account
    rights = client.get_api_key_permissions()
    assert (rights.can_view, rights.can_trade, rights.can_transfer) == (True, True, False)
    assert (rights.portfolio_uuid, rights.portfolio_type) == (made["portfolio_uuid"], "DEFAULT")
    (portfolio,) = client.get_portfolios().portfolios
    assert (portfolio.uuid, portfolio.name, portfolio.deleted) == (made["portfolio_uuid"], "Default", False)
    breakdown = client.get_portfolio_breakdown(portfolio.uuid).breakdown
    assert {row.asset for row in breakdown.spot_positions} == {"USD", "BTC"}
    summary = client.get_transaction_summary()
    assert (summary.fee_tier["taker_fee_rate"], summary.total_fees) == ("0.012", 0)
    assert client.list_payment_methods().payment_methods == []


def test_a_conversion(paper: Paper, account: Account) -> None:
    made, client = account
    quote = client.create_convert_quote("USD", "USDC", "40").trade
    done = client.commit_convert_trade(quote.id, "USD", "USDC").trade
    assert done.status == "TRADE_STATUS_COMPLETED"
    assert client.get_convert_trade(quote.id, "USD", "USDC").trade.status == done.status
    shown = paper.get(f"accounts/{made['user']}/coinbase")
    assert (shown["balances"]["USD"], shown["balances"]["USDC"], shown["orders"], shown["fills"]) == (
        "99960",
        "40",
        [],
        [],
    )


def test_errors_come_as_the_library_knows_them(paper: Paper, account: Account) -> None:
    made, client = account
    calls: tuple[tuple[Callable[[], Any], int, str], ...] = (
        (lambda: client.get_product("NO-USD"), 404, "NOT_FOUND"),
        (lambda: client.get_accounts(limit=251), 400, "INVALID_ARGUMENT"),
        (lambda: open_client(paper, made["api_key"], other_secret(paper)).get_accounts(), 401, "Unauthorized"),
    )
    for call, status, words in calls:
        with pytest.raises(requests.HTTPError, match=words) as refused:
            call()
        assert refused.value.response.status_code == status
    reader = paper.account(made["user"], venue="coinbase", permissions=["query-funds"])
    viewer = open_client(paper, reader["api_key"], reader["api_secret"])
    assert viewer.get_accounts().size == 2
    with pytest.raises(requests.HTTPError, match="Missing Required Scopes"):
        viewer.create_convert_quote("USD", "USDC", "40")


def other_secret(paper: Paper) -> str:
    return paper.account(f"other{next(numbers)}", venue="coinbase")["api_secret"]


def test_the_rate_limit_and_its_headers(start: Start) -> None:
    paper = start()
    made, client = open_account(paper, "limited")
    answer = client.get_accounts()
    assert (answer.rate_limit_limit, int(answer.rate_limit_remaining) < 30) == ("30", True)
    paper.arm("rate_limited", user=made["user"], count=1)
    with pytest.raises(requests.HTTPError, match="429") as refused:
        client.get_accounts()
    assert refused.value.response.json()["errors"][0]["id"] == "rate_limit_exceeded"


def test_faults_on_the_wire(paper: Paper, account: Account) -> None:
    made, client = account
    user = made["user"]
    quote = client.create_convert_quote("USD", "USDC", "40").trade

    def usdc() -> Any:
        return paper.get(f"accounts/{user}/coinbase")["balances"].get("USDC")

    def commit(timeout: float | None = None) -> Any:
        client.timeout = timeout or 10
        try:
            return client.commit_convert_trade(quote.id, "USD", "USDC").trade.status
        finally:
            client.timeout = 10

    for fault, error in (
        ("drop_before_process", requests.ConnectionError), ("http_429_html", requests.HTTPError),
        ("http_503_go_sg", requests.HTTPError), ("unauthorized_burst", requests.HTTPError),
    ):  # fmt: skip
        paper.arm(fault, user=user, count=1)
        with pytest.raises(error):
            commit()
        assert usdc() is None, fault
    paper.arm("hang", user=user, count=1, seconds=30)
    with pytest.raises(requests.Timeout):
        commit(timeout=0.5)
    assert usdc() is None
    paper.arm("processed_then_reply_dropped", user=user, method="CommitConvertTrade", count=1)
    with pytest.raises(requests.ConnectionError):
        commit()
    assert usdc() == "40"
    assert commit() == "TRADE_STATUS_COMPLETED"
    assert usdc() == "40"
    rows = [row for row in paper.get("requests", api_key=made["api_key"]) if row["method"] == "CommitConvertTrade"]
    assert [row["verdict"] for row in rows] == [*["not processed"] * 3, "401 Unauthorized", "not processed", "ok", "ok"]


def test_a_late_request_is_processed_after_the_client_gave_up(paper: Paper, account: Account) -> None:
    made, client = account
    quote = client.create_convert_quote("USD", "USDC", "40").trade
    paper.arm("delay_beyond_timeout_then_processed", method="CommitConvertTrade", user=made["user"], seconds=1, count=1)
    client.timeout = 0.3
    with pytest.raises(requests.Timeout):
        client.commit_convert_trade(quote.id, "USD", "USDC")
    deadline = time.monotonic() + 30
    while paper.get(f"accounts/{made['user']}/coinbase")["balances"].get("USDC") != "40":
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_the_date_header_is_the_venues_clock(paper: Paper) -> None:
    def date() -> str:
        return paper.session.get(f"{paper.url}/api/v3/brokerage/time", timeout=10).headers["date"]

    honest = date()
    paper.arm("clock_ahead", seconds=86_400)
    assert date()[:16] != honest[:16]
