"""What needs a person, read from Redis."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from shared.bus.connection import Bus
from shared.bus.flow.streams import Group
from shared.contracts import keys
from shared.contracts.mirror import write_mirror
from shared.domain.account import MASTER
from shared.domain.mirror import Mirror, MirrorAction, MirrorDecision
from shared.domain.order import Copy
from shared.ledger.open_issues import read_differences, read_unresolved
from tests.support.copies import Copies
from tests.support.examples import a_copied_entry, btc, btc_price


async def test_only_orders_whose_send_has_no_proven_end_are_listed_with_their_record(bus: Bus) -> None:
    copies = Copies(bus)
    orders = {}
    states = ("sending", "accepted", "unknown", "planned", "filled", "")
    for state in states:
        orders[state] = await copies.decide(await copies.signal(), "alice")
        if state:
            await bus.do("HSET", keys.order("alice", orders[state]), "state", state, "sent_at", "5", "reason", "502")
    group = Group(bus, keys.EXECUTOR)
    assert await read_unresolved(bus, ["alice", "bob"]) == []  # nothing was handed out, and bob has no stream
    await group.ensure([keys.orders("alice")])
    await group.read_new([keys.orders("alice")], 100, 1)
    found = await read_unresolved(bus, ["alice", "bob"])
    assert [(each.user, each.order_id, each.state, each.sent_at) for each in found] == [
        ("alice", orders[state], state, 5) for state in states[:3]
    ]
    assert found[0].fields["reason"] == "502"
    for entry in await group.all_pending(keys.orders("alice")):
        await group.ack(keys.orders("alice"), entry.id)
    assert await read_unresolved(bus, ["alice"]) == []


async def test_a_pending_list_longer_than_a_page_is_read_to_its_end(bus: Bus) -> None:
    copies = Copies(bus)
    for _ in range(501):
        last = await copies.decide(await copies.signal(), "alice")
    group = Group(bus, keys.EXECUTOR)
    await group.ensure([keys.orders("alice")])
    await group.read_new([keys.orders("alice")], 1_000, 1)
    await bus.do("HSET", keys.order("alice", last), "state", "unknown")
    assert [each.order_id for each in await read_unresolved(bus, ["alice"])] == [last]


async def test_differences_are_read_as_they_were_told(bus: Bus) -> None:
    await bus.do("HSET", keys.differences("bob", "kraken"), "ETH/USD", "less", "BTC/USD", "gone")
    found = await read_differences(bus, [("alice", "kraken"), ("bob", "kraken"), ("bob", "coinbase")])
    assert [(each.user, each.venue, each.symbol, each.text) for each in found] == [
        ("bob", "kraken", "BTC/USD", "gone"),
        ("bob", "kraken", "ETH/USD", "less"),
    ]


async def test_a_mirrored_order_is_listed_while_its_outcome_is_unknown_and_not_while_it_rests(bus: Bus) -> None:
    copy = Copy(btc("0.05"), None, btc_price("59000"), None)
    placed = MirrorDecision(
        replace(a_copied_entry(), copy=copy), MirrorAction.PLACE, "kraken", "O1", 1, Decimal("0.1"), Decimal(0)
    )
    mirror = Mirror.of(placed)
    await bus.do("HSET", keys.mirrored("alice", "kraken"), "O1", write_mirror(mirror), "O2", "damaged")
    listed = []
    for state in ("planned", "accepted", "unknown", "sending"):
        await bus.do("HSET", keys.order("alice", mirror.decision.id), "state", state)
        listed.append([each.order_id for each in await read_unresolved(bus, ["alice", "bob"])])
    assert listed == [[], [], [mirror.decision.id], [mirror.decision.id]]


async def test_a_stop_of_the_masters_that_rests_at_the_venue_is_no_issue_and_one_whose_send_is_unknown_is(
    bus: Bus,
) -> None:
    for name, state, stop in (("1", "accepted", "57000"), ("2", "unknown", "57000"), ("3", "accepted", "")):
        await bus.do("HSET", keys.order("master", name), "state", state, "sent_at", name, "stop_price", stop)
    assert [each.order_id for each in await read_unresolved(bus, ["master"])] == ["2", "3"]


async def test_the_masters_open_orders_are_found_by_their_list(bus: Bus) -> None:
    await bus.do("HSET", keys.order(MASTER, "one"), "state", "unknown", "venue", "kraken")
    await bus.do("HSET", keys.order(MASTER, "two"), "state", "filled", "venue", "kraken")
    assert [each.order_id for each in await read_unresolved(bus, [MASTER])] == ["one"], "without a list by a scan"
    await bus.do("HSET", keys.open_orders(MASTER, "kraken"), "whole", 1, "one", 1, "two", 1)
    await bus.do("CONFIG", "RESETSTAT")
    assert [each.order_id for each in await read_unresolved(bus, [MASTER])] == ["one"]
    assert "cmdstat_scan" not in str(await bus.do("INFO", "commandstats"))
