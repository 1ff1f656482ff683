"""The tape: its counts, its events, and that none is missed when the API restarts."""

from __future__ import annotations

import re

from services.api.web.events import ALIVE, Pulse
from services.api.web.tape.tally import MOST, Tape
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.order import OrderState
from tests.integration.api.web.conftest import events, page
from tests.support.copies import Copies
from tests.support.open_api import OpenApi
from tests.support.redis_server import RedisServer

USERS = ["alice", "bob", "carol"]


async def users() -> list[str]:
    return USERS


async def test_a_signal_is_counted_as_its_copies_end(bus: Bus, copies: Copies) -> None:
    tape = Tape(bus, users)
    told = await copies.signal()
    (tally,) = await tape.refresh()
    assert (tally.users, tally.copied, tally.waiting) == (0, 0, 0)
    for user in USERS:
        await copies.decide(told, user, copy=user != "carol", reason="below the venue's minimum")
    (tally,) = await tape.refresh()
    assert (tally.users, tally.copied, tally.waiting) == (3, 0, 3)
    await copies.report(told, "alice")
    await copies.report(told, "bob", OrderState.EXPIRED)
    await copies.report(told, "carol", OrderState.SKIPPED)
    for _ in range(2):  # nothing is counted twice
        (tally,) = await tape.refresh()
        assert (tally.users, tally.copied, tally.missed, tally.waiting) == (3, 1, 2, 0)
    assert dict(tally.codes) == {"expired": 1, "skipped": 1}


async def test_an_exit_of_the_users_own_counts_for_no_signal(bus: Bus, copies: Copies) -> None:
    tape = Tape(bus, users)
    await copies.signal()
    await copies.report(None, "alice")
    (tally,) = await tape.refresh()
    assert tally.copied == 0


async def test_only_the_newest_signals_are_kept_and_counted(bus: Bus, copies: Copies) -> None:
    tape = Tape(bus, users)
    first = await copies.settled(["alice"], count=MOST - 2)
    assert [each.entry.id for each in await tape.refresh()] == [each.entry_id for each in first]
    more = await copies.settled(["alice"], count=5)
    found = await tape.refresh()
    assert [each.entry.id for each in found] == [each.entry_id for each in (first + more)[-MOST:]]
    assert {each.copied for each in found} == {1}
    again = await copies.settled(["alice"], count=MOST + 3)  # more at once than are kept
    found = await tape.refresh()
    assert [each.entry.id for each in found] == [each.entry_id for each in again[-MOST:]]
    assert {each.copied for each in found} == {1}


async def test_a_new_signal_and_its_counts_come_as_events(site: OpenApi, copies: Copies) -> None:
    old = await copies.signal()
    text = await page(site, "/")
    assert f'data-after="{old.entry_id}"' in text
    async with events(site, f"/tape/events?after={old.entry_id}") as reader:
        told = await copies.signal()
        row = await reader.next("row")
        assert (row.id, told.entry_id in row.data, "not decided yet" in row.data) == (told.entry_id, True, True)
        await copies.decide(told, "alice")
        await copies.report(told, "alice")
        while "1 of 1 copied" not in (change := await reader.next("change")).data:
            pass
        assert change.id == ""  # the last id stays that of the newest signal


async def test_counts_are_sent_of_the_lines_that_the_page_shows_and_of_no_others(
    bus: Bus, site: OpenApi, copies: Copies
) -> None:
    old = await copies.settled(["alice"], count=5)
    async with events(site, "/tape/events?lines=2&state=0") as reader:
        first = [await reader.next("change") for _ in range(2)]
        for told, change in zip(old[3:], first, strict=True):
            assert f'id="signal-{told.entry_id}"' in change.data
        await copies.decide(old[0], "bob")  # of a line that the page does not show
        await copies.decide(old[4], "bob")
        assert f'id="signal-{old[4].entry_id}"' in (await reader.next("change", "state")).data


async def test_a_page_hears_that_redis_answers_again_even_if_nothing_has_changed(
    redis_server: RedisServer, site: OpenApi, copies: Copies
) -> None:
    for path in ("/tape/events?state=0", "/users/alice/events"):
        async with events(site, path) as reader:
            await reader.next("here")
            redis_server.freeze()
            try:
                assert (await reader.next("outage", "here")).name == "outage"
            finally:
                redis_server.thaw()
            assert (await reader.next("outage", "here")).name == "here"


def test_a_stream_without_news_says_so_now_and_then() -> None:
    now = 100.0
    pulse = Pulse(lambda: now)
    assert [each.event for each in (*pulse.well(), *pulse.well())] == ["here"]
    assert [each.event for each in (*pulse.lost("x"), *pulse.lost("x"), *pulse.well())] == ["outage", "here"]
    now += ALIVE
    assert [each.event for each in pulse.well()] == ["here"]


async def test_a_page_without_signals_misses_the_first_one_no_less(site: OpenApi, copies: Copies) -> None:
    text = await page(site, "/tape")
    (after,) = re.findall(r'data-after="([^"]*)"', text)
    told = await copies.signal()
    async with events(site, f"/tape/events?after={after}") as reader:
        assert (await reader.next("row")).id == told.entry_id


async def test_no_row_is_missed_over_restarts_of_the_api(site: OpenApi, copies: Copies) -> None:
    last = (await copies.signal()).entry_id
    seen: list[str] = []
    expected: list[str] = []
    for _ in range(5):
        async with events(site, "/tape/events", last) as reader:
            expected.append((await copies.signal()).entry_id)
            while last != expected[-1]:
                last = (await reader.next("row")).id
                seen.append(last)
            await site.stop()
        expected += [(await copies.signal()).entry_id for _ in range(3)]  # without a listener
        await site.start()
    async with events(site, "/tape/events", last) as reader:
        while last != expected[-1]:
            last = (await reader.next("row")).id
            seen.append(last)
    assert seen == expected


async def test_one_who_missed_too_many_is_asked_to_load_the_page_again(site: OpenApi, copies: Copies) -> None:
    for _ in range(502):
        await copies.signal()
    async with events(site, "/tape/events", "0-1") as reader:
        assert (await reader.next("row", "reload")).name == "reload"


async def test_a_last_id_that_is_none_begins_at_the_end(site: OpenApi, copies: Copies) -> None:
    await copies.signal()
    for last in ("x", "-1", "1-1-1", str(2**64), "١-١"):
        async with events(site, "/tape/events?after=nothing", last if last.isascii() else "") as reader:
            await reader.next("state")
            told = await copies.signal()
            assert (await reader.next("row")).id == told.entry_id


async def test_a_switch_is_seen_by_who_has_the_page_open(bus: Bus, site: OpenApi, copies: Copies) -> None:
    async with events(site, "/tape/events") as reader:
        await reader.next("state")
        await bus.do("HSET", keys.control("alice"), "mode", "pause", "reason", "lunch", "by", "anna")
        while "alice: pause: lunch (anna)" not in (await reader.next("state")).data:
            pass


async def test_each_users_part_has_reason_arithmetic_and_price_against_the_masters(
    site: OpenApi, copies: Copies
) -> None:
    told = await copies.signal()
    await copies.decide(told, "alice", reason="0.5 BTC × 5,000 / 100,000")
    await copies.report(told, "alice")
    await copies.decide(told, "carol", copy=False, reason="the account is parked")
    await copies.report(told, "carol", OrderState.SKIPPED, reason="the account is parked")
    text = await page(site, f"/tape/{told.entry_id}")
    for words in (
        "0.5 BTC × 5,000 / 100,000",
        "+1.7 bps",
        "fill to acceptance 120 ms",
        "the account is parked",
        "no decision",
    ):
        assert words in text
    assert "<html" not in (part := await page(site, f"/tape/{told.entry_id}", hx_request="true"))
    assert "the account is parked" in part


async def test_earlier_signals_are_a_link_away(site: OpenApi, copies: Copies) -> None:
    told = [await copies.signal() for _ in range(60)]
    text = await page(site, "/tape")
    assert f'id="signal-{told[10].entry_id}"' in text
    assert f'id="signal-{told[9].entry_id}"' not in text
    text = await page(site, f"/tape?before={told[10].entry_id}")
    assert re.findall(r'<tbody id="signal-([^"]*)"', text) == [each.entry_id for each in told[9::-1]]
    assert "data-live" not in text
