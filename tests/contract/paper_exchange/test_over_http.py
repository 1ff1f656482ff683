"""The exchange as a client sees it through a socket: cut connections, pages for answers, delays; and its control plane."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from typing import Any

import krakenex
import pytest
import requests

from tests.contract.paper_exchange.conftest import Paper, Start, free_port

BUY: dict[str, Any] = {"pair": "XBTUSD", "type": "buy", "ordertype": "market", "volume": "0.1"}
numbers = itertools.count(1)


class Trader:
    """An account with krakenex, whose nonces count up."""

    def __init__(self, paper: Paper) -> None:
        self.user = f"user{next(numbers)}"
        self.account = paper.account(self.user)
        self.paper = paper
        self.api = krakenex.API(self.account["api_key"], self.account["api_secret"])
        self.api.uri = paper.url
        self.api.session.trust_env = False
        nonces = itertools.count(time.time_ns() // 1000)
        self.api._nonce = lambda: next(nonces)

    def call(self, method: str, timeout: float = 10, **data: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self.api.query_private(method, data, timeout=timeout)
        return answer

    def orders(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.paper.get("orders", user=self.user)
        return found


@pytest.fixture
def trader(paper: Paper) -> Iterator[Trader]:
    made = Trader(paper)
    yield made
    made.api.close()


def test_a_dropped_reply_is_a_cut_connection_and_a_filled_order(paper: Paper, trader: Trader) -> None:
    paper.arm("processed_then_reply_dropped", user=trader.user, count=1)
    with pytest.raises(requests.ConnectionError):
        trader.call("AddOrder", **BUY, cl_ord_id="lost")
    assert [(order["client_order_id"], order["status"]) for order in trader.orders()] == [("lost", "closed")]
    assert trader.call("Balance")["error"] == []


def test_a_dropped_request_is_a_cut_connection_and_no_order(paper: Paper, trader: Trader) -> None:
    paper.arm("drop_before_process", user=trader.user, count=1)
    with pytest.raises(requests.ConnectionError):
        trader.call("AddOrder", **BUY)
    assert trader.orders() == []


@pytest.mark.parametrize(
    ("fault", "status"), [("http_502", 502), ("http_503", 503), ("http_520", 520), ("502_after_accept", 502)]
)
def test_an_http_error_reaches_the_client_as_one(paper: Paper, trader: Trader, fault: str, status: int) -> None:
    paper.arm(fault, user=trader.user, count=1)
    with pytest.raises(requests.HTTPError) as caught:
        trader.call("AddOrder", **BUY)
    assert caught.value.response.status_code == status
    assert len(trader.orders()) == (fault == "502_after_accept")


@pytest.mark.parametrize("fault", ["html_error_page", "truncated_json"])
def test_an_unreadable_answer_hides_a_filled_order(paper: Paper, trader: Trader, fault: str) -> None:
    paper.arm(fault, user=trader.user, count=1)
    with pytest.raises(requests.JSONDecodeError):
        trader.call("AddOrder", **BUY)
    assert len(trader.orders()) == 1


def test_a_hang_is_a_timeout_that_never_becomes_an_order(paper: Paper, trader: Trader) -> None:
    paper.arm("hang", user=trader.user, count=1)
    with pytest.raises(requests.ReadTimeout):
        trader.call("AddOrder", timeout=0.3, **BUY)
    assert trader.call("Balance")["error"] == []
    assert trader.orders() == []


def test_a_delay_beyond_the_timeout_becomes_an_order_after_the_client_has_gone(paper: Paper, trader: Trader) -> None:
    paper.arm("delay_beyond_timeout_then_processed", user=trader.user, count=1, seconds=2)
    with pytest.raises(requests.ReadTimeout):
        trader.call("AddOrder", timeout=0.2, **BUY)
    assert trader.orders() == []
    deadline = time.monotonic() + 10
    while not trader.orders():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert trader.orders()[0]["status"] == "closed"


def test_a_slow_reply_keeps_its_client_waiting_for_what_is_done_already(paper: Paper, trader: Trader) -> None:
    paper.arm("slow_reply", user=trader.user, count=1, seconds=0.5)
    began = time.monotonic()
    assert trader.call("AddOrder", **BUY)["error"] == []
    assert time.monotonic() - began >= 0.5


def test_unmodified_krakenex_in_four_threads_collides_with_itself(start: Start) -> None:
    """Its nonce is the clock in ms: this is why Shoal gives each key one lane and a counter of its own."""
    paper = start("[market]\nspeed = 0\n[limits]\nlockout_failures = 1000\n")
    account = paper.account("krakenex", tier="unlimited")
    api = krakenex.API(account["api_key"], account["api_secret"])
    api.uri = paper.url
    api.session.trust_env = False

    def work() -> None:
        for _ in range(100):
            api.query_private("Balance", {}, timeout=10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    api.close()
    rows = paper.get("requests", api_key=account["api_key"])
    assert len(rows) == 400
    assert sum(row["verdict"] == "EAPI:Invalid nonce" for row in rows) > 0
    last = 0
    for row in rows:  # the journal's order is the order in which the nonces were judged
        assert row["verdict"] == ("ok" if row["nonce"] > last else "EAPI:Invalid nonce")
        last = max(last, row["nonce"])


def test_a_body_without_end_is_refused(paper: Paper) -> None:
    answer = paper.session.post(f"{paper.url}/0/private/Balance", data=b"x" * 1_100_000, timeout=10)
    assert answer.status_code == 413


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
        ("accounts", {"user": "x", "venue": "kraken", "balance": {}}, "balance"),
        ("faults", {"fault": "gremlins"}, "allowed: 502_after_accept"),
        ("faults", {"fault": "busy", "symbol": "NO/PE"}, "unknown symbol"),
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


def test_an_unwatched_order_fills_by_the_exchanges_own_beat(start: Start) -> None:
    paper = start("[market]\nspeed = 600\nvolatility = 3.0\n")
    trader = Trader(paper)
    last = float(trader.api.query_public("Ticker", {"pair": "XBTUSD"})["result"]["XXBTZUSD"]["b"][0])
    trader.call("AddOrder", **{**BUY, "ordertype": "limit", "price": f"{last * 0.9995:.1f}", "volume": "0.01"})
    deadline = time.monotonic() + 30
    while trader.orders()[0]["status"] != "closed":
        assert time.monotonic() < deadline
        time.sleep(0.1)
    trader.api.close()


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


def test_a_port_in_use_is_one_clear_line_and_a_failure(start: Start, paper: Paper) -> None:
    port = int(paper.url.rsplit(":", 1)[1])
    second = start(port=port, ready=False)
    assert second.service.wait(20) != 0
    (line,) = second.service.log().strip().splitlines()
    assert line.endswith(f"PAPER_PORT: {port} on 127.0.0.1 is in use by another program; choose another port")


def test_a_wrong_market_file_is_one_clear_line_and_a_failure(start: Start) -> None:
    service = start("[market]\nspeeed = 1\n", port=free_port(), ready=False).service
    assert service.wait(20) != 0
    (line,) = service.log().strip().splitlines()
    assert "paper.toml: market.speeed" in line


def test_sigterm_ends_it_promptly_even_with_a_request_hanging(start: Start) -> None:
    paper = start()
    trader = Trader(paper)
    paper.arm("hang")

    def hang() -> None:
        with pytest.raises(requests.ConnectionError):
            trader.call("Balance")

    hanging = threading.Thread(target=hang)
    hanging.start()
    deadline = time.monotonic() + 10
    while not paper.get("faults")[0]["fired"]:
        assert time.monotonic() < deadline
    began = time.monotonic()
    assert paper.service.stop() == 0
    assert time.monotonic() - began < 4
    hanging.join()
    trader.api.close()
    assert "Traceback" not in paper.service.log()
