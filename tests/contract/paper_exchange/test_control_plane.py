"""The control plane of the exchange: keys and funds, orders as the exchange has them, the market, the faults that are armed."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.contract.paper_exchange.conftest import BUY, Paper, Start, Trader


def test_creating_the_same_key_again_changes_nothing(paper: Paper) -> None:
    first = paper.account("again", api_key="PAPERagain", api_secret="c2VjcmV0")
    paper.post("deposit", user="again", venue="kraken", asset="USD", amount="5").raise_for_status()
    assert paper.account("again", api_key="PAPERagain", api_secret="c2VjcmV0", balances={"USD": "1"}) == first
    assert paper.get("accounts/again/kraken")["balances"]["USD"] == "100005"


def test_another_key_opens_the_same_account(paper: Paper) -> None:
    first, second = paper.account("two-keys"), paper.account("two-keys", permissions=["query-funds"])
    assert first["api_key"] != second["api_key"]
    assert first["api_key"].startswith("PAPER")
    shown = paper.get("accounts/two-keys/kraken")
    assert shown["api_keys"] == [first["api_key"], second["api_key"]]
    assert shown["balances"] == {"BTC": "2", "USD": "100000"}


def test_a_key_belongs_to_one_account_and_has_one_secret(paper: Paper) -> None:
    paper.account("owner", api_key="PAPERowned", api_secret="c2VjcmV0")
    theft = paper.post("accounts", user="thief", venue="kraken", api_key="PAPERowned", api_secret="c2VjcmV0")
    assert (theft.status_code, "another account" in theft.json()["detail"]) == (409, True)
    other = paper.post("accounts", user="owner", venue="kraken", api_key="PAPERowned", api_secret="b3RoZXI=")
    assert (other.status_code, "another secret" in other.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("accounts", {"user": "x", "venue": "nyse"}, "venue"),
        ("accounts", {"user": "no spaces", "venue": "kraken"}, "user"),
        ("accounts", {"user": "x", "venue": "kraken", "api_key": "PAPERx"}, "both api_key and api_secret"),
        ("accounts", {"user": "x", "venue": "kraken", "api_key": "PAPERx", "api_secret": "not base64!"}, "api_secret"),
        ("accounts", {"user": "x", "venue": "kraken", "balances": {"USD": "-1"}}, "balances.USD"),
        ("accounts", {"user": "x", "venue": "kraken", "permissions": ["everything"]}, "permissions"),
        ("accounts", {"user": "x", "venue": "kraken", "tier": "gold"}, "tier"),
        ("accounts", {"user": "x", "venue": "kraken", "key_type": "ecdsa"}, "key_type does not apply to kraken"),
        ("accounts", {"user": "x", "venue": "coinbase", "nonce_window": 5}, "nonce_window does not apply to coinbase"),
        (
            "accounts",
            {"user": "x", "venue": "coinbase", "api_key": "PAPERx", "api_secret": "c2VjcmV0"},
            "32 or 64 bytes",
        ),
        ("faults", {"fault": "busy", "venue": "coinbase"}, "a fault of kraken only"),
        ("faults", {"fault": "product_view_only", "venue": "kraken"}, "a fault of coinbase only"),
        ("accounts", {"user": "x", "venue": "kraken", "balance": {}}, "balance"),
        ("faults", {"fault": "gremlins"}, "allowed: 502_after_accept"),
        ("faults", {"fault": "pair_halted", "symbol": "NO/PE"}, "unknown symbol"),
        ("faults", {"fault": "pair_halted", "user": "alice"}, "pair_halted is the same for every user at kraken"),
        ("faults", {"fault": "busy", "probability": 2}, "probability"),
        ("price", {"symbol": "NO/PE", "price": "1"}, "unknown symbol"),
        ("price", {"symbol": "BTC/USD", "price": "0"}, "price"),
        ("price", {"symbol": "BTC/USD", "price": "NaN"}, "price"),
        ("clock", {"speed": -1}, "speed"),
    ],
)
def test_a_wrong_control_call_is_a_400_that_names_the_field(
    paper: Paper, path: str, body: dict[str, Any], words: str
) -> None:
    answer = paper.post(path, **body)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


def test_the_control_plane_knows_who_is_not_there(paper: Paper) -> None:
    for answer in (
        paper.session.get(f"{paper.url}/paper/accounts/nobody/kraken", timeout=10),
        paper.post("deposit", user="nobody", venue="kraken", asset="USD", amount="1"),
        paper.session.get(f"{paper.url}/paper/nothing", timeout=10),
        paper.session.get(f"{paper.url}/elsewhere", timeout=10),
    ):
        assert answer.status_code == 404


def test_a_coinbase_key_is_made_once_and_its_secret_is_shown_once(paper: Paper) -> None:
    first = paper.account("cb", venue="coinbase")
    again = paper.account(
        "cb", venue="coinbase", api_key=first["api_key"], api_secret=first["api_secret"], balances={"USD": "1"}
    )
    assert again == first
    assert (first["venue"], first["portfolio"], first["api_key"][:6]) == ("coinbase", "Default", "PAPER/")
    further = paper.account("cb", venue="coinbase", portfolio="Bots", balances={"USDC": "3"})
    assert further["portfolio_uuid"] != first["portfolio_uuid"]
    shown = paper.get("accounts/cb/coinbase")
    assert (shown["venue"], shown["balances"], shown["api_keys"]) == (
        "coinbase",
        {"BTC": "2", "USD": "100000"},
        [first["api_key"]],
    )
    assert paper.get("accounts/cb/coinbase", portfolio="Bots")["balances"] == {"USDC": "3"}
    assert first["api_secret"].splitlines()[1] not in str(shown)
    assert paper.session.get(f"{paper.url}/paper/accounts/cb/kraken", timeout=10).status_code == 404
    other = paper.account("thief", venue="coinbase")["api_secret"]
    stolen = paper.post("accounts", user="cb", venue="coinbase", api_key=first["api_key"], api_secret=other)
    assert (stolen.status_code, "another secret" in stolen.json()["detail"]) == (409, True)


def test_funds_of_a_coinbase_portfolio_come_and_go(paper: Paper) -> None:
    paper.account("cb2", venue="coinbase", portfolio="Bots", balances={"USDC": "3"})
    where = {"user": "cb2", "venue": "coinbase", "asset": "USDC"}
    assert paper.post("deposit", **where, portfolio="Bots", amount="0.5").json()["balance"] == "3.5"
    assert paper.post("withdraw", **where, portfolio="Bots", amount="4").status_code == 409
    assert paper.post("deposit", **where, amount="0.5").status_code == 404, "there is no default portfolio"


def test_funds_come_and_go(paper: Paper, trader: Trader) -> None:
    where = {"user": trader.user, "venue": "kraken", "asset": "USD"}
    assert paper.post("deposit", **where, amount="0.5").json()["balance"] == "100000.5"
    assert paper.post("withdraw", **where, amount="100000").json()["balance"] == "0.5"
    assert paper.post("withdraw", **where, amount="1").status_code == 409
    ledger = trader.call("Ledgers")["result"]["ledger"]
    assert sorted(row["type"] for row in ledger.values()) == ["deposit", "deposit", "deposit", "withdrawal"]


def test_every_acceptance_is_shown_with_its_client_id_and_its_trades(paper: Paper, trader: Trader) -> None:
    trader.call("AddOrder", **BUY, cl_ord_id="one")
    trader.call("AddOrder", **{**BUY, "volume": "1000"}, cl_ord_id="refused")
    trader.call("AddOrder", **{**BUY, "ordertype": "limit", "price": "50000"}, cl_ord_id="two")
    first, second = trader.orders()
    assert {
        "user": trader.user, "venue": "kraken", "symbol": "BTC/USD", "client_order_id": "one", "side": "buy",
        "order_type": "market", "size": "0.1", "status": "closed",
    }.items() <= first.items()  # fmt: skip
    assert (first["limit_price"], first["filled_size"], first["average_price"]) == (None, "0.1", "60006")
    assert (first["cost"], first["fee"], len(first["trades"])) == ("6000.6", "24.0024", 1)
    assert isinstance(first["accepted_at"], int)
    assert first["closed_at"] >= first["accepted_at"]
    assert (second["limit_price"], second["status"], second["closed_at"]) == ("50000", "open", None)
    assert [o["client_order_id"] for o in paper.get("orders", client_order_id="two", symbol="BTC/USD")] == ["two"]
    assert paper.get("orders", symbol="ETH/USD") == []
    account = paper.get(f"accounts/{trader.user}/kraken")
    assert [order["client_order_id"] for order in account["orders"]] == ["one", "two"]
    assert [fill["size"] for fill in account["fills"]] == ["0.1"]
    assert account["holds"] == {"USD": "5020"}


def test_the_market_is_steered_by_price_and_speed(start: Start) -> None:
    paper = start()
    paper.price("60000")
    assert paper.post("price", symbol="BTC/USD", price="61234.56").json() == {
        "symbol": "BTC/USD", "price": "61234.6", "bid": "61228.4", "ask": "61240.8",
    }  # fmt: skip
    clock = paper.get("clock")
    assert (clock["speed"], paper.get("clock")["market_time"]) == (0.0, clock["market_time"])
    assert paper.post("clock", speed=1000).json()["speed"] == 1000.0
    deadline = time.monotonic() + 10
    while paper.get("clock")["market_time"] < clock["market_time"] + 100_000:
        assert time.monotonic() < deadline
    assert paper.get("identity")["exchange"] == "shoal-paper"


def test_armed_faults_are_listed_with_how_often_they_fired(paper: Paper, trader: Trader) -> None:
    paper.arm("busy", user=trader.user, method="Balance", count=5)
    for _ in range(3):
        assert trader.call("Balance")["error"] == ["EService:Busy"]
    (switch,) = paper.get("faults")
    assert (switch["fault"], switch["user"], switch["method"], switch["fired"], switch["count_left"]) == (
        "busy", trader.user, "Balance", 3, 2,
    )  # fmt: skip
    paper.session.delete(f"{paper.url}/paper/faults", timeout=10)
    assert paper.get("faults") == []


def test_no_secret_is_shown_again_or_logged(start: Start) -> None:
    paper = start()
    trader = Trader(paper)
    trader.call("AddOrder", **BUY)
    bad = paper.post("accounts", user="x y", venue="kraken", api_key="PAPERq", api_secret=trader.account["api_secret"])
    seen = [
        bad.text,
        str(paper.get("orders")),
        str(paper.get("requests")),
        str(paper.get(f"accounts/{trader.user}/kraken")),
    ]
    trader.api.close()
    paper.service.stop()
    seen.append(paper.service.log())
    assert not [text for text in seen if trader.account["api_secret"] in text]
