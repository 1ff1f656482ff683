"""What became of a signal, for each user; and the feed of outcomes."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

from shared.bus.connection import Bus
from shared.bus.flow.joined_ids import joined_id
from shared.contracts import keys
from shared.domain.order import OrderState
from shared.ledger.outcomes import OutcomeFeed
from shared.ledger.signal_views import SignalTraceView
from shared.ledger.why import find_signal, trace_signal
from tests.support.copies import Copies


async def trace(bus: Bus, wanted: str, *users: str) -> SignalTraceView:
    entry = await find_signal(bus, wanted)
    assert entry is not None
    return SignalTraceView.of(await trace_signal(bus, entry, users))


async def test_each_user_has_decision_outcome_and_reason(bus: Bus) -> None:
    copies = Copies(bus)
    told = await copies.signal()
    filled = await copies.decide(told, "alice", reason="0.5 x 0.2 = 0.1")
    await copies.report(told, "alice")
    await copies.decide(told, "bob", copy=False, reason="below venue minimum")
    await copies.report(told, "bob", OrderState.SKIPPED, reason="below venue minimum")
    stuck = await copies.decide(told, "carol")
    await bus.do("HSET", keys.order("carol", stuck), "state", "unknown")
    found = {each.user: each for each in (await trace(bus, told.id, "alice", "bob", "carol", "dave")).users}
    alice = found["alice"]
    assert (alice.decision, alice.outcome, alice.reason, alice.order_id) == (
        "copy",
        "filled",
        "0.5 x 0.2 = 0.1",
        filled,
    )
    assert (alice.base_size, alice.filled_size, alice.average_price, alice.latency_ms) == ("0.1", "0.1", "60010", 120)
    assert (found["bob"].decision, found["bob"].outcome) == ("skip", "skipped")
    assert found["bob"].reason == "below venue minimum"
    assert (found["carol"].decision, found["carol"].outcome, found["carol"].settled_at) == ("copy", "unknown", None)
    assert (found["dave"].decision, found["dave"].outcome) == ("none", "")


async def test_who_joined_by_it_later_is_told_with_the_latency_from_then_on(bus: Bus) -> None:
    copies = Copies(bus)
    told = await copies.signal()
    await copies.settled(["dave"], count=2)  # other signals; dave was not there for the first
    joined = joined_id(int(told.entry_id.split("-")[0]) + 10_000, told.entry_id)
    order = await copies.decide(replace(told, entry_id=joined), "dave", reason="joins the master's 0.5 BTC")
    await copies.report(told, "dave")
    dave, alice = (await trace(bus, told.id, "dave", "alice")).users
    assert (dave.decision, dave.outcome, dave.order_id) == ("copy", "filled", order)
    assert (dave.decision_reason, dave.latency_ms) == ("joins the master's 0.5 BTC", 120)
    assert alice.decision == "none"


async def test_a_signal_is_found_by_its_entry_id_as_by_its_id(bus: Bus) -> None:
    copies = Copies(bus)
    first, second = await copies.signal(), await copies.signal()
    for told in (first, second):
        assert (await trace(bus, told.id)).signal.entry_id == told.entry_id
        assert (await trace(bus, told.entry_id)).signal.id == told.id


async def test_an_emitted_signal_is_found_by_its_instant_however_long_the_stream(bus: Bus) -> None:
    copies = Copies(bus)
    told = await copies.signal()
    await bus.do_all([("XADD", keys.SIGNALS, "*", "id", "x") for _ in range(10_500)])
    assert await find_signal(bus, told.id) is None  # deeper than the search back goes
    await bus.do("ZADD", keys.EMITTED, told.entry_id.split("-")[0], told.id)
    assert (await trace(bus, told.id)).signal.entry_id == told.entry_id


async def test_what_is_no_signal_is_not_found(bus: Bus) -> None:
    await Copies(bus).signal()
    for wanted in (str(uuid4()), "1-1", "99999999999999999999999-0", "", "-", "\N{ARABIC-INDIC DIGIT ONE}-0"):
        assert await find_signal(bus, wanted) is None


async def test_a_report_that_came_long_after_its_order_is_found(bus: Bus) -> None:
    copies = Copies(bus)
    told = await copies.signal()
    await copies.decide(told, "alice")
    await bus.do_all([("XADD", keys.reports("alice"), "*", "order_id", "other") for _ in range(1_200)])
    await copies.report(told, "alice")
    assert (await trace(bus, told.id, "alice")).users[0].outcome == "filled"


async def test_the_feed_gives_each_outcome_once(bus: Bus) -> None:
    copies = Copies(bus)
    await copies.settled(["alice"], count=250)
    feed = OutcomeFeed(bus)
    count = 0
    while page := await feed.read(["alice", "bob"]):  # a few at a time, so that one user's many hold up no other
        count += len(page)
    assert count == 250
    await copies.settled(["bob"])
    again = await feed.read(["alice", "bob"])
    assert [(each.user, each.outcome, each.latency_ms) for each in again] == [("bob", "filled", 120)]
