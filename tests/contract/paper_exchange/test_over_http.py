"""The exchange as a client sees it through a socket: cut connections, pages for answers, delays, its start and its end."""

from __future__ import annotations

import threading
import time
from email.utils import parsedate_to_datetime

import krakenex
import pytest
import requests

from tests.contract.paper_exchange.conftest import BUY, Paper, Start, Trader
from tests.support.ports import free_port


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
    paper.arm("delay_beyond_timeout_then_processed", user=trader.user, count=1, seconds=6)
    with pytest.raises(requests.ReadTimeout):
        trader.call("AddOrder", timeout=0.2, **BUY)
    assert trader.orders() == []
    deadline = time.monotonic() + 60
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


def test_the_latency_of_the_file_is_that_of_both_venues_unless_the_environment_switches_it_off(start: Start) -> None:
    settings = "[market]\nspeed = 0\n[latency]\nmin_ms = 300\nmax_ms = 300\n"
    on, off = start(settings, PAPER_LATENCY="on"), start(settings)
    for path in ("/0/public/Time", "/api/v3/brokerage/time"):
        before = time.monotonic()
        assert on.session.get(on.url + path, timeout=10).status_code == 200
        assert time.monotonic() - before >= 0.3
    trader = Trader(on)
    before = time.monotonic()
    assert trader.call("Balance")["error"] == []
    assert time.monotonic() - before >= 0.3
    assert "latency_ms=300 to 300" in on.service.log().replace("'", "")
    assert "latency_ms=none" in off.service.log()
    trader.api.close()


def test_sigterm_ends_it_promptly_even_with_a_request_hanging(start: Start) -> None:
    paper = start()
    trader = Trader(paper)
    paper.arm("hang")

    def hang() -> None:
        with pytest.raises(requests.ConnectionError):
            trader.call("Balance")

    hanging = threading.Thread(target=hang)
    hanging.start()
    deadline = time.monotonic() + 60
    while not paper.get("faults")[0]["fired"]:
        assert time.monotonic() < deadline
    assert paper.service.stop() == 0  # it does not wait for the request that hangs: stop() gives up after 15 s
    hanging.join()
    trader.api.close()
    assert "Traceback" not in paper.service.log()


def test_every_answer_is_dated_by_the_clock_that_judges_deadlines(paper: Paper) -> None:
    for path in ("/0/public/Time", "/0/public/AssetPairs", "/0/private/Balance"):
        before = int(time.time())
        answer = requests.request("POST" if "private" in path else "GET", f"{paper.url}{path}", timeout=10)
        dated = parsedate_to_datetime(answer.headers["date"]).timestamp()
        assert before <= dated <= time.time()
