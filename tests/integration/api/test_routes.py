"""What the API answers."""

from __future__ import annotations

import aiohttp

from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import HeartbeatRecord, Phase
from shared.domain.account import MASTER, AccountState
from shared.domain.order import OrderState
from tests.integration.api.conftest import serving
from tests.support.copies import Copies


async def make_ready(bus: Bus) -> Copies:
    copies, records = Copies(bus), Records(bus)
    await copies.account(MASTER, AccountState.READY)
    await copies.account("alice", AccountState.READY)
    await copies.account("carol", AccountState.PARKED, reason="key is blank")
    await copies.serve("alice", "carol")
    await records.write_heartbeat("master-strategy", "m", HeartbeatRecord(state="trading"))
    await records.write_heartbeat("copy-engine", "e", HeartbeatRecord(state="running"))
    return copies


async def test_it_is_alive_and_not_ready_and_says_why(api: aiohttp.ClientSession) -> None:
    async with api.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "alive"})
    async with api.get("/readyz") as answer:
        found = await answer.json()
        assert answer.status == 503
    assert [found["ready"], found["master"], found["engine"]] == [False, False, False]
    assert len(found["reasons"]) == 3


async def test_it_is_ready_once_master_engine_and_a_user_are(bus: Bus, api: aiohttp.ClientSession) -> None:
    await make_ready(bus)
    async with api.get("/readyz") as answer:
        found = await answer.json()
        assert (answer.status, found["reasons"]) == (200, [])
    assert (found["users_ready"], found["users_parked"], found["users_unknown"]) == (["alice"], ["carol"], ["bob"])


async def test_status_shows_amounts_as_texts(bus: Bus, api: aiohttp.ClientSession) -> None:
    await make_ready(bus)
    async with api.get("/status") as answer:
        found = await answer.json()
    alice = next(user for user in found["users"] if user["user"] == "alice")
    assert (alice["state"], alice["accounts"][0]["equity"]) == ("ready", "5000")
    assert {stream["stream"] for stream in found["streams"]} == {
        keys.SIGNALS,
        *(keys.orders(user) for user in ("alice", "bob", "carol")),
    }


async def test_signals_come_newest_first_and_no_more_than_asked_for(bus: Bus, api: aiohttp.ClientSession) -> None:
    copies = Copies(bus)
    told = [await copies.signal() for _ in range(5)]
    async with api.get("/signals", params={"count": 2}) as answer:
        found = await answer.json()
    assert [(each["entry_id"], each["id"]) for each in found] == [(each.entry_id, each.id) for each in told[:2:-1]]
    assert (found[0]["symbol"], found[0]["price"], found[0]["base_size"]) == ("BTC/USD", "60000", "0.5")
    for count in ("0", "501", "many"):
        async with api.get("/signals", params={"count": count}) as answer:
            assert answer.status == 422


async def test_a_signal_is_told_with_everybodys_part_by_either_id(bus: Bus, api: aiohttp.ClientSession) -> None:
    copies = Copies(bus)
    told = await copies.signal()
    await copies.decide(told, "alice")
    await copies.report(told, "alice")
    await copies.decide(told, "carol", copy=False, reason="below venue minimum")
    await copies.report(told, "carol", OrderState.SKIPPED, reason="below venue minimum")
    for wanted in (told.id, told.entry_id):
        async with api.get(f"/signals/{wanted}") as answer:
            assert answer.status == 200
            story = await answer.json()
        parts = {part["user"]: part for part in story["users"]}
        assert story["signal"]["id"] == told.id
        assert (parts["alice"]["outcome"], parts["alice"]["filled_size"]) == ("filled", "0.1")
        assert (parts["carol"]["outcome"], parts["carol"]["reason"]) == ("skipped", "below venue minimum")
        assert (parts["bob"]["decision"], parts["bob"]["outcome"]) == ("none", "")
    async with api.get("/signals/nothing") as answer:
        assert (answer.status, (await answer.json())["detail"]) == (404, "no signal nothing in shoal:signals")


async def metric_lines(bus: Bus, **more: str) -> list[str]:
    copies = await make_ready(bus)
    await copies.settled(["alice", "carol"], count=3)
    told = await copies.signal()
    await copies.report(told, "alice", OrderState.EXPIRED)
    async with serving(bus, **more) as (client, counter):
        assert [await counter.step(), await counter.step()] == [7, 0]
        async with client.get("/metrics") as answer:
            return (await answer.text()).splitlines()


async def test_metrics_count_each_outcome_once_and_sum_over_users(bus: Bus) -> None:
    lines = await metric_lines(bus)
    for line in (
        'shoal_outcomes_total{outcome="filled"} 6.0',
        'shoal_outcomes_total{outcome="expired"} 1.0',
        'shoal_copy_latency_seconds_bucket{le="0.1"} 0.0',
        'shoal_copy_latency_seconds_bucket{le="0.2"} 6.0',
        'shoal_stream_length{stream="shoal:signals"} 4.0',
        'shoal_stream_length{stream="shoal:orders:{*}"} 6.0',
        'shoal_stream_lag{group="executor",stream="shoal:orders:{*}"} 6.0',
        'shoal_equity{currency="USD",user="*",venue="kraken"} 10000.0',
        'shoal_equity{currency="USD",user="master",venue="kraken"} 5000.0',
    ):
        assert line in lines
    assert [line for line in lines if "alice" in line] == []


async def test_metrics_have_series_of_each_user_if_they_are_switched_on(bus: Bus) -> None:
    lines = await metric_lines(bus, api_metrics_per_user="on")
    for line in (
        'shoal_outcomes_total{outcome="filled",user="alice"} 3.0',
        'shoal_outcomes_total{outcome="expired",user="alice"} 1.0',
        'shoal_copy_latency_seconds_bucket{le="0.1",user="alice"} 0.0',
        'shoal_copy_latency_seconds_bucket{le="0.2",user="alice"} 3.0',
        "shoal_signals_total 4.0",
        "shoal_ready 1.0",
        'shoal_users{state="parked"} 1.0',
        'shoal_stream_length{stream="shoal:orders:{alice}"} 3.0',
    ):
        assert line in lines


async def test_the_page_shows_what_became_of_the_signals_and_escapes_it(bus: Bus, api: aiohttp.ClientSession) -> None:
    copies = await make_ready(bus)
    await copies.account("bob", AccountState.PARKED, reason="<script>alert(1)</script>")
    await copies.serve("bob")
    told = await copies.signal()
    await copies.decide(told, "alice")
    await copies.report(told, "alice", reason='" onmouseover="alert(2)')
    await bus.do("XADD", keys.SIGNALS, "*", "symbol", "<b>no signal</b>", "filled_at", "9" * 40)
    pages = []
    for path in ("/", f"/tape/{told.entry_id}"):
        async with api.get(path) as answer:
            assert (answer.status, answer.content_type) == (200, "text/html")
            pages.append(await answer.text())
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    page = "".join(pages)
    for words in ("buy BTC/USD", "1 of 1 copied", f'href="/tape/{told.entry_id}"', "&lt;script&gt;"):
        assert words in pages[0]
    for words in ("filled", "0.1 BTC", "60,010.00 USD", f'href="/signals/{told.entry_id}"', "&#34; onmouseover="):
        assert words in pages[1]
    for words in ("<script>", "<b>no signal", 'onmouseover="'):
        assert words not in page


async def test_the_page_says_whose_money_it_is_and_who_is_paused(bus: Bus, api: aiohttp.ClientSession) -> None:
    """Cases N2 and N5: red LIVE in the header, and no green "ready" about a user who is paused."""
    await make_ready(bus)
    record = HeartbeatRecord(state="mirror only", mode="live", phase=Phase.MIRROR)
    await Records(bus).write_heartbeat("master-strategy", "m", record)
    await bus.do("HSET", keys.control("alice"), "mode", "pause", "reason", "<lunch>", "by", "anna", "at", "0")
    async with api.get("/") as answer:
        page = await answer.text()
    for words in (
        '<body class="live">',
        "LIVE: real money",
        "only mirrored: no strategy trades it",
        '<p class="headline mild">Ready: signals are being copied. 3 users: 1 paused, 1 parked, 1 unknown.</p>',
        '<li class="mild">alice: pause: &lt;lunch&gt; (anna)</li>',
        '<span class="badge mild">paused</span>',
    ):
        assert words in page
    assert "PAPER" not in page


async def test_a_page_on_paper_says_paper(bus: Bus, api: aiohttp.ClientSession) -> None:
    """Case N2."""
    await make_ready(bus)
    await Records(bus).write_heartbeat("master-strategy", "m", HeartbeatRecord(state="trading", mode="paper"))
    async with api.get("/") as answer:
        page = await answer.text()
    assert "PAPER: no real money" in page
    assert "LIVE" not in page
