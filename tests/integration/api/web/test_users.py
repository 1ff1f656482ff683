"""The list of users and the page of one user."""

from __future__ import annotations

import re
import time
from decimal import Decimal
from pathlib import Path

from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.order import OrderState
from shared.domain.position import Position
from shared.domain.values.money import Money, Price, Quantity
from tests.integration.api.web.conftest import events, page
from tests.support.copies import BTC, Copies, now_ms
from tests.support.open_api import OpenApi, open_api

_NAMES = re.compile(r'<th scope\W+row\W+><a href="/users/([^"]*)"')


async def hold(bus: Bus, user: str, size: str, cost: str) -> None:
    position = Position(
        BTC, Quantity(Decimal(size), "BTC"), Money(Decimal(cost), "USD"), opened_at=now_ms(), updated_at=now_ms()
    )
    await Records(bus).write_position(user, "kraken", position)
    await Records(bus).write_prices("kraken", [Price(Decimal(60_000), BTC)], now_ms())


async def test_the_list_says_state_why_equity_profit_and_drift(bus: Bus, site: OpenApi, copies: Copies) -> None:
    await hold(bus, MASTER, "0.1", "6000")
    await hold(bus, "alice", "0.11", "6000")
    await bus.do("HSET", keys.control("bob"), "mode", "pause", "reason", "lunch", "by", "anna")
    text = await page(site, "/users")
    assert _NAMES.findall(text) == ["alice", "bob", "carol"]
    for words in ("5,000.00 USD", "+600.00 USD", "+10.00 %", "pause: lunch (anna)", "the venue refuses the key"):
        assert words in text, words


async def test_users_are_searched_by_name_and_state(site: OpenApi, copies: Copies) -> None:
    for query, names in (
        ("q=AR", ["carol"]),
        ("q=a", ["alice", "carol"]),
        ("state=ready", ["alice", "bob"]),
        ("q=b&state=parked", []),
        ("state=nonsense", []),
    ):
        text = await page(site, f"/users?{query}")
        assert _NAMES.findall(text) == names, query
        assert _NAMES.findall(await page(site, f"/users?{query}", hx_request="true")) == names


async def test_five_thousand_users_are_paged_and_searchable(bus: Bus, tmp_path: Path) -> None:
    """The bound is generous: it is there to notice work that grows with the square of the users."""
    folder = tmp_path / "users"
    folder.mkdir()
    names = [f"user-{number:04}" for number in range(5_000)]
    for name in names:
        (folder / f"{name}.toml").write_text('enabled = true\nvenues = ["kraken"]\n', encoding="utf-8")
    account = {"state": "ready", "equity": "5000", "cash": "5000", "currency": "USD", "as_of": "1", "taker_fee": "0"}
    flat = [part for pair in account.items() for part in pair]
    for first in range(0, len(names), 500):
        await bus.do_all([("HSET", keys.account(name, "kraken"), *flat) for name in names[first : first + 500]])
    copies = Copies(bus)
    told = await copies.signal()
    for name in names[::50]:
        await copies.decide(told, name)
        await copies.report(told, name)
    async with open_api(bus, tmp_path) as site:
        began = time.monotonic()
        text = await page(site, "/users")
        assert _NAMES.findall(text) == names[:50]
        assert "Page 1 of 100" in text
        assert _NAMES.findall(await page(site, "/users?page=100")) == names[-50:]
        assert _NAMES.findall(await page(site, "/users?page=999")) == names[-50:]
        assert _NAMES.findall(await page(site, "/users?q=4999")) == ["user-4999"]
        for _ in range(len(names) // 500 + 1):  # of so many users more each page counts the decisions
            overview = await page(site, "/")
        assert "100 of 100 copied" in overview
        assert "so far for" not in overview
        assert "more users" in overview
        assert len(overview) < 60_000
        assert "Page 1 of 100" in await page(site, f"/tape/{told.entry_id}")
        for path in ("/tape", "/users/user-2500", "/operations", "/price/BTC/USD"):
            assert len(await page(site, path)) < 100_000
        assert time.monotonic() - began < 40  # nine pages, on a busy machine


async def test_one_user_has_positions_decisions_key_and_settings(bus: Bus, site: OpenApi, copies: Copies) -> None:
    await hold(bus, "alice", "0.1", "5000")
    told = await copies.signal()
    await copies.decide(told, "alice", reason="0.5 BTC × 5,000 / 100,000")
    await copies.report(told, "alice")
    missed = await copies.signal()
    await copies.decide(missed, "alice", copy=False, reason="below the venue's minimum")
    await copies.report(missed, "alice", OrderState.SKIPPED, reason="below the venue's minimum")
    await copies.report(None, "alice", reason="stop loss at 5 %")
    text = await page(site, "/users/alice")
    for words in (
        "0.1 BTC",
        "50,000.00 USD",  # average cost
        "+1,000.00 USD",  # unrealised
        "0.5 BTC × 5,000 / 100,000",
        "below the venue&#39;s minimum",
        "own exit",
        "stop loss at 5 %",
        "limits.max_order_pct",
        "exits.stop_loss_pct",
        "no check has been made yet",
    ):
        assert words in text, words


async def test_earlier_decisions_are_a_link_away(site: OpenApi, copies: Copies) -> None:
    told = await copies.settled(["alice"], count=70)
    text = await page(site, "/users/alice")
    assert text.count('<tbody id="order-') == 50
    (before,) = re.findall(r"before=([0-9-]+)", text)
    assert before == told[20].entry_id
    text = await page(site, f"/users/alice?before={before}")
    assert text.count('<tbody id="order-') == 20
    assert text.count("filled</span>") == 20


async def test_an_outcome_comes_as_an_event_and_after_a_restart_no_less(site: OpenApi, copies: Copies) -> None:
    async with events(site, "/users/alice/events?after=0-0") as reader:
        told = await copies.signal()
        await copies.decide(told, "alice", reason="scaled")
        order = await copies.report(told, "alice")
        row = await reader.next("row")
        assert f'id="order-{order}"' in row.data
        assert "+1.7 bps" in row.data
    await site.stop()
    orders = [await copies.report(None, "alice") for _ in range(3)]
    await site.start()
    async with events(site, "/users/alice/events", row.id) as reader:
        assert [(await reader.next("row")).data.split('"')[1] for _ in orders] == [f"order-{each}" for each in orders]


async def test_a_divided_position_says_how_much_is_held_for_each_master(
    bus: Bus, site: OpenApi, copies: Copies
) -> None:
    await hold(bus, "alice", "0.11", "6000")
    whole = await Records(bus).position("alice", "kraken", BTC)
    assert whole is not None
    assert "for the venue" not in await page(site, "/users/alice")
    swing = Position(BTC, Quantity(Decimal("0.02"), "BTC"), Money(Decimal(1200), "USD"), now_ms(), now_ms())
    await Records(bus).write_position("alice", "kraken", whole.with_book("swing", swing))
    text = await page(site, "/users/alice")
    for words in ("0.13 BTC", "0.11 BTC for the venue", "0.02 BTC for swing"):
        assert words in text, words
