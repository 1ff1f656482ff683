"""What only a person can settle, by the forms of the pages: an unresolved order, a stop-out."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, expect

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.stop_out_lift import lift_field
from shared.operations.control_log import read_changes
from tests.support.copies import Copies
from tests.support.open_api import OpenApi
from tests.support.operating import leave_unknown, stop_out
from tests.web.conftest import PHONE, Tab, open_tab

MASTERS = "0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11"


async def unknown_order_of_alice(bus: Bus, **fields: str) -> str:
    """Leave an order of alice unknown, as its executor would: its entry is still pending."""
    copies = Copies(bus)
    signal = await copies.signal()
    order = await copies.decide(signal, "alice")
    stream = keys.orders("alice")
    await bus.do("XGROUP", "CREATE", stream, keys.EXECUTOR, "0", "MKSTREAM")
    await bus.do("XREADGROUP", "GROUP", keys.EXECUTOR, "x", "STREAMS", stream, ">")
    await leave_unknown(bus, order, **fields)
    return order


async def test_an_unresolved_order_is_settled_as_filled_from_the_operations_page(
    bus: Bus, tab: Tab, copies: Copies
) -> None:
    order = await unknown_order_of_alice(bus)
    page = tab.page
    await page.goto("/operations")
    await page.get_by_role("link", name="settle by hand").click()
    assert await tab.faults() == []
    await page.get_by_label("that it filled").check()
    await page.get_by_label("Filled size in BTC").fill("0.7")
    await page.get_by_role("button", name="Show what this means").click()
    await expect(page.locator("main")).to_contain_text("it must be above 0 and at most 0.5")
    await page.get_by_role("link", name="Back", exact=True).click()
    await expect(page.get_by_label("that it filled")).to_be_checked()
    await page.get_by_label("Filled size in BTC").fill("0.2")
    await page.get_by_label("Fee in USD").fill("3")
    await page.get_by_role("button", name="Show what this means").click()
    await expect(page.locator("main")).to_contain_text(
        "the copied position grows by 0.2 BTC at 60300 USD (12,060.00 USD, fee 3 USD)"
    )
    await expect(page.locator("main")).to_contain_text("later exits are refused")
    assert await tab.faults() == []
    assert (await record_of(bus, "alice", order)).get("verdict") is None, "nothing is written before the confirmation"
    await page.get_by_label("Why").fill("seen at the venue")
    await page.get_by_role("button", name="Settle the order").click()
    await expect(page.locator("main")).to_contain_text("Done. It is in the control log.")
    record = await record_of(bus, "alice", order)
    assert (record["verdict"], record["verdict_size"], record["verdict_fee"]) == ("filled", "0.2", "3")
    change, *_ = await read_changes(bus, 5)
    assert (change.action, change.of, change.reason) == ("resolve", f"alice {order}", "seen at the venue")


async def test_one_who_says_that_an_exit_never_filled_reads_that_it_is_sold_again(
    bus: Bus, tab: Tab, copies: Copies
) -> None:
    order = await unknown_order_of_alice(bus, side="sell")
    await tab.page.goto("/users/alice")
    await tab.page.get_by_role("link", name="settle by hand").click()
    await tab.page.get_by_label("no such order").check()
    await tab.page.get_by_role("button", name="Show what this means").click()
    await expect(tab.page.locator("main")).to_contain_text("the exit goes on, and sells up to 0.5 BTC again")
    await expect(tab.page.locator("main")).to_contain_text("if the venue did fill it, the same BTC is sold twice")
    await tab.page.get_by_role("link", name="Cancel").click()
    await expect(tab.page.get_by_label("no such order")).to_be_checked()
    assert (await record_of(bus, "alice", order)).get("verdict") is None


async def test_the_masters_order_is_settled_and_one_that_has_ended_is_not(bus: Bus, tab: Tab, copies: Copies) -> None:
    await leave_unknown(bus, MASTERS, user="master")
    await tab.page.goto("/operations")
    await tab.page.get_by_role("link", name="settle by hand").click()
    await tab.page.get_by_label("no such order").check()
    await tab.page.get_by_role("button", name="Show what this means").click()
    await expect(tab.page.locator("main")).to_contain_text("it ends, and nothing is booked")
    await bus.do("HSET", keys.order("master", MASTERS), "state", "filled")
    await tab.page.get_by_label("Why").fill("x")
    await tab.page.get_by_role("button", name="Settle the order").click()
    await expect(tab.page.locator("main")).to_contain_text("Not done")
    assert (await record_of(bus, "master", MASTERS)).get("verdict") is None
    answer = await tab.page.goto(f"/operations/orders/master/{MASTERS}")
    assert answer is not None
    assert answer.status == 409


async def test_a_stop_out_is_ended_from_the_users_page(bus: Bus, tab: Tab, copies: Copies) -> None:
    until = await stop_out(bus, "alice")
    await stop_out(bus, "alice", "coinbase")
    await tab.page.goto("/users/alice")
    stopped = tab.page.locator("li").filter(has_text="kraken: 6 % lost; no entries until")
    assert await tab.faults() == []
    await stopped.get_by_role("link", name="End it now").click()
    await expect(tab.page.locator("main")).to_contain_text(
        "Lifts the stop-out of alice at kraken: entries go on, and losses are counted from now on."
    )
    control = pairs(await bus.do("HGETALL", keys.control("alice")))
    assert control.get(lift_field("kraken")) is None
    await tab.page.get_by_label("Why").fill("it was a withdrawal")
    await tab.page.get_by_role("button", name="End the stop-out").click()
    await expect(tab.page.locator("main")).to_contain_text("Done. It is in the control log.")
    control = pairs(await bus.do("HGETALL", keys.control("alice")))
    assert control[lift_field("kraken")] == str(until)
    assert lift_field("coinbase") not in control, "the other account stays stopped"
    change, *_ = await read_changes(bus, 5)
    assert (change.action, change.of, change.reason) == ("lift", "alice", "it was a withdrawal")
    assert tab.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_form_of_an_order_fits_a_phone(
    bus: Bus, browser: Browser, site: OpenApi, copies: Copies, scheme: str
) -> None:
    order = await unknown_order_of_alice(bus)
    tab = await open_tab(browser, site, PHONE, color_scheme=scheme)
    for path in (
        f"/operations/orders/alice/{order}",
        f"/confirm/resolve?user=alice&order={order}&outcome=none",
        "/operations",
        "/users/alice/confirm/flatten",
    ):
        await tab.page.goto(path)
        assert await tab.faults() == [], path
        assert await tab.scrolls_sideways() <= 0, path
    assert tab.complaints == []


async def record_of(bus: Bus, user: str, order: str) -> dict[str, str]:
    return dict(pairs(await bus.do("HGETALL", keys.order(user, order))))
