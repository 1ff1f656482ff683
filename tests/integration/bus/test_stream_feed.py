"""Following many streams with one command."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.flow.stream_feed import StreamFeed
from shared.contracts import keys

USERS = ["alice", "bob", "carol"]


async def _append(bus: Bus, user: str, *ids: str) -> None:
    for entry_id in ids:
        await bus.do("XADD", keys.reports(user), entry_id, "v", "1")


async def _step(feed: StreamFeed, start: str = "", most: int = 0) -> list[str]:
    found = await feed.step(USERS, start, most)
    return [f"{user} {entry.id}" for user, entries in found.items() for entry in entries]


async def test_each_entry_is_returned_once_and_nothing_is_asked_twice(bus: Bus) -> None:
    feed = StreamFeed(bus, keys.reports, 10)
    await _append(bus, "alice", "1-1", "2-0")
    assert await _step(feed) == ["alice 1-1", "alice 2-0"]
    assert await _step(feed) == []
    await _append(bus, "alice", "3-0")
    await _append(bus, "bob", "3-0")
    assert await _step(feed) == ["alice 3-0", "bob 3-0"]


async def test_a_stream_is_read_from_the_start_that_is_named(bus: Bus) -> None:
    await _append(bus, "alice", "1-0", "2-0", "2-1")
    assert await _step(StreamFeed(bus, keys.reports, 10), "2-0") == ["alice 2-0", "alice 2-1"]
    assert await _step(StreamFeed(bus, keys.reports, 10), "2-1") == ["alice 2-1"]
    feed = StreamFeed(bus, keys.reports, 10)
    await _step(feed, "2-1")
    feed.forget()
    assert len(await _step(feed, "1-0")) == 3


async def test_a_step_returns_at_most_a_page_of_each_stream(bus: Bus) -> None:
    feed = StreamFeed(bus, keys.reports, 2)
    await _append(bus, "alice", "1-0", "2-0", "3-0")
    assert await _step(feed) == ["alice 1-0", "alice 2-0"]
    assert await _step(feed) == ["alice 3-0"]


async def test_a_key_of_another_type_hides_no_other_stream(bus: Bus) -> None:
    await bus.do("SET", keys.reports("alice"), "no stream")
    await _append(bus, "bob", "1-0")
    assert await _step(StreamFeed(bus, keys.reports, 10)) == ["bob 1-0"]


async def test_with_a_bound_all_streams_are_looked_at_in_turn(bus: Bus) -> None:
    feed = StreamFeed(bus, keys.reports, 10)
    assert await _step(feed) == []
    for user in USERS:
        await _append(bus, user, "1-0")
    seen = [await _step(feed, most=1) for _ in USERS]
    assert sorted(each for step in seen for each in step) == ["alice 1-0", "bob 1-0", "carol 1-0"]
    assert all(len(step) == 1 for step in seen)


async def test_many_streams_cost_one_command(bus: Bus) -> None:
    users = [f"user-{number}" for number in range(500)]
    feed = StreamFeed(bus, keys.reports, 10)
    await feed.step(users)
    await bus.do("CONFIG", "RESETSTAT")
    await feed.step(users)
    stats = str(await bus.do("INFO", "commandstats"))
    assert "cmdstat_xread:calls=1," in stats
    assert "xrange" not in stats


async def test_streams_that_are_not_read_to_their_end_are_read_a_few_at_a_time(bus: Bus) -> None:
    feed = StreamFeed(bus, keys.reports, 2)
    for user in USERS:
        await _append(bus, user, "1-0", "2-0", "3-0")
    seen, left = [], []
    while (unfinished := feed.unfinished(USERS)) > 0:
        left.append(unfinished)
        found = await feed.step(USERS, unread=2)
        assert sum(map(len, found.values())) <= 4
        seen += [f"{user} {entry.id}" for user, entries in found.items() for entry in entries]
    assert sorted(seen) == sorted(f"{user} {number}-0" for user in USERS for number in (1, 2, 3))
    assert left[0] == len(USERS)
    assert await feed.step(USERS, unread=2) == {}
