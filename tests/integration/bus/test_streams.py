"""Streams and groups: what was delivered comes back until it is acknowledged, also to a successor, also after a flush."""

from __future__ import annotations

import asyncio

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import MAX_DELIVERIES, Entry, Group, entry_ms, entry_order
from shared.contracts import keys

STREAM = keys.orders("alice")
OTHER = keys.orders("bob")


@pytest.fixture
async def group(bus: Bus) -> Group:
    """The executors' group on alice's stream."""
    made = Group(bus, keys.EXECUTOR)
    await made.ensure([STREAM])
    return made


async def add(bus: Bus, stream: str = STREAM, entry_id: str = "*", **fields: str) -> str:
    """Append an entry; answers its id."""
    flat = [part for pair in (fields or {"n": "1"}).items() for part in pair]
    added: str = await bus.do("XADD", stream, entry_id, *flat)
    return added


async def test_an_entry_is_delivered_once_and_keeps_its_fields(bus: Bus, group: Group) -> None:
    entry_id = await add(bus, a="1", b="")
    assert await group.read_new([STREAM], 10, 1) == [Entry(STREAM, entry_id, {"a": "1", "b": ""})]
    assert await group.read_new([STREAM], 10, 1) == []


async def test_what_was_written_before_the_group_was_made_is_delivered(bus: Bus) -> None:
    entry_id = await add(bus)
    group = Group(bus, keys.EXECUTOR)
    await group.ensure([STREAM])
    assert [entry.id for entry in await group.read_new([STREAM], 10, 1)] == [entry_id]


async def test_making_a_group_again_keeps_its_place(bus: Bus, group: Group) -> None:
    await add(bus)
    await group.read_new([STREAM], 10, 1)
    await group.ensure([STREAM, OTHER])
    assert await group.read_new([STREAM, OTHER], 10, 1) == []


async def test_one_read_serves_several_streams(bus: Bus, group: Group) -> None:
    await group.ensure([OTHER])
    await add(bus, STREAM)
    await add(bus, OTHER)
    assert {entry.stream for entry in await group.read_new([STREAM, OTHER], 10, 1)} == {STREAM, OTHER}


async def test_a_read_that_waits_is_woken_by_an_entry(bus: Bus, group: Group) -> None:
    reading = asyncio.create_task(group.read_new([STREAM], 10, 10_000))
    while "blocked_clients:1" not in str(await bus.do("INFO", "clients")):
        continue
    entry_id = await add(bus)
    assert [entry.id for entry in await reading] == [entry_id]


async def test_after_a_flush_the_reader_makes_its_groups_anew_and_misses_nothing(bus: Bus, group: Group) -> None:
    await bus.do_everywhere("FLUSHALL")
    entry_id = await add(bus)
    assert await group.read_new([STREAM, OTHER], 10, 1) == []  # NOGROUP: the groups are made
    assert [entry.id for entry in await group.read_new([STREAM, OTHER], 10, 1)] == [entry_id]


async def test_a_successor_replays_what_was_delivered_and_not_acknowledged(bus: Bus, group: Group) -> None:
    ids = [await add(bus) for _ in range(3)]
    await group.read_new([STREAM], 10, 1)
    await group.ack(STREAM, ids[1])
    successor = Group(bus, keys.EXECUTOR)
    assert [entry.id for entry in await successor.all_pending(STREAM)] == [ids[0], ids[2]]
    await successor.ack(STREAM, ids[0], ids[2])
    assert await successor.all_pending(STREAM) == []


async def test_a_pending_list_of_several_pages_is_replayed_in_whole_and_in_order(bus: Bus, group: Group) -> None:
    await bus.do_all([("XADD", STREAM, f"{number}-0", "n", str(number)) for number in range(1, 1_202)])
    await group.read_new([STREAM], 2_000, 1)
    assert [entry.id for entry in await group.all_pending(STREAM)] == [f"{number}-0" for number in range(1, 1_202)]


async def test_an_entry_that_was_deleted_while_pending_is_replayed_without_fields(bus: Bus, group: Group) -> None:
    entry_id = await add(bus)
    await group.read_new([STREAM], 10, 1)
    await bus.do("XDEL", STREAM, entry_id)
    assert await group.all_pending(STREAM) == [Entry(STREAM, entry_id, {})]


@pytest.mark.parametrize("entry_id", ["5-0", "5-1", "5-7"])
async def test_delivering_again_counts_for_that_entry_alone(bus: Bus, group: Group, entry_id: str) -> None:
    ids = ["4-3", entry_id, "6-0"]
    for each in ids:
        await add(bus, entry_id=each)
    entries = await group.read_new([STREAM], 10, 1)
    counts = [await group.deliver_again(entries[1]) for _ in range(MAX_DELIVERIES - 1)]
    assert counts == [2, 3, 4, 5]
    assert [await group.deliveries(STREAM, each) for each in ids] == [1, 5, 1]


async def test_what_is_not_pending_was_never_delivered(bus: Bus, group: Group) -> None:
    assert await group.deliveries(STREAM, await add(bus)) == 0


async def test_a_buried_entry_lies_with_its_reason_among_the_dead_and_is_acknowledged(bus: Bus, group: Group) -> None:
    entry_id = await add(bus, v="1", price="much")
    (entry,) = await group.read_new([STREAM], 10, 1)
    await group.dead_letter(entry, "OrderMessage.price: not a number")
    ((_, flat),) = await bus.do("XRANGE", keys.dead(STREAM), "-", "+")
    assert flat == [
        "entry_id", entry_id, "group", "executor", "reason", "OrderMessage.price: not a number",
        "field:v", "1", "field:price", "much",
    ]  # fmt: skip
    assert await group.all_pending(STREAM) == []


async def test_an_entry_without_fields_can_be_buried_too(bus: Bus, group: Group) -> None:
    entry_id = await add(bus)
    await group.read_new([STREAM], 10, 1)
    await bus.do("XDEL", STREAM, entry_id)
    (entry,) = await group.all_pending(STREAM)
    await group.dead_letter(entry, "deleted")
    assert await bus.do("XLEN", keys.dead(STREAM)) == 1


async def test_the_last_delivered_entry_is_told_per_group(bus: Bus, group: Group) -> None:
    assert await group.last_delivered(STREAM) == "0-0"
    entry_id = await add(bus)
    await Group(bus, "audit").ensure([STREAM])
    await group.read_new([STREAM], 10, 1)
    assert await group.last_delivered(STREAM) == entry_id
    assert await Group(bus, "audit").last_delivered(STREAM) == "0-0"


async def test_acknowledging_nothing_asks_nothing(bus: Bus) -> None:
    await Group(bus, "executor").ack("no such stream")


def test_entry_ids_compare_by_number_and_carry_their_instant() -> None:
    assert entry_order("9-0") < entry_order("10-0") < entry_order("10-2") < entry_order("10-10")
    assert entry_ms("1763829000000-4") == 1763829000000
