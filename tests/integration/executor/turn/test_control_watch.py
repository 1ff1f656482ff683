"""One read a second of all control hashes of a process; who waits for a change is woken by it, and nothing old passes for new."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from services.executor.account.keys.key_doctor import REQUEST as KEY_CHECK
from services.executor.turn import control_watch
from services.executor.turn.control_watch import ControlWatch
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.control import ControlMode
from shared.domain.values.symbol import Symbol
from tests.integration.executor.rig import crash, until
from tests.support.examples import BTC_USD

ETH_USD = Symbol("ETH", "USD")


@dataclass
class Follower:
    """Keeps what it hears."""

    news: list[str] = field(default_factory=list)

    def follow(self, watch: ControlWatch, user: str) -> None:
        watch.follow(
            user, switched=lambda: self.news.append("switched"), requested=lambda: self.news.append("requested")
        )

    def take(self) -> list[str]:
        news, self.news = self.news, []
        return news


@pytest.fixture
def watch(bus: Bus) -> ControlWatch:
    return ControlWatch(bus)


async def test_who_is_concerned_hears_of_it_and_no_one_else(bus: Bus, watch: ControlWatch) -> None:
    alice, bob = Follower(), Follower()
    alice.follow(watch, "alice")
    bob.follow(watch, "bob")
    assert watch.switch("alice") is None, "it was not read yet"
    await watch.look()
    assert alice.take() == bob.take() == []

    await bus.do("HSET", keys.control("alice"), "mode", "flatten", "reason", "a test")
    await watch.look()
    assert (alice.take(), bob.take()) == (["switched"], [])
    switch = watch.switch("alice")
    assert switch is not None
    assert (switch.mode, switch.reason) == (ControlMode.FLATTEN, "a test")

    for name in ("reconcile_at", "reconcile_mode", KEY_CHECK):
        await bus.do("HSET", keys.control("bob"), name, "1")
        await watch.look()
        assert (alice.take(), bob.take()) == ([], ["requested"]), name


async def test_what_stands_there_when_a_turn_begins_is_news(bus: Bus, watch: ControlWatch) -> None:
    """A guardian may have looked, and a housekeeper have made its round, before it was written."""
    await bus.do("HSET", keys.control("alice"), "mode", "flatten", "reconcile_at", "1")
    alice = Follower()
    alice.follow(watch, "alice")
    for _ in range(2):
        await watch.look()
    assert alice.take() == ["switched", "requested"]


async def test_switches_of_everybody_and_of_watched_symbols_concern_all(bus: Bus, watch: ControlWatch) -> None:
    alice, bob = Follower(), Follower()
    alice.follow(watch, "alice")
    bob.follow(watch, "bob")
    watch.note_symbols("alice", "kraken", frozenset({BTC_USD}))
    watch.note_symbols("alice", "coinbase", frozenset())
    await watch.look()
    assert alice.take() == bob.take() == []
    for key in (keys.CONTROL, keys.control_of_symbol(BTC_USD)):
        await bus.do("HSET", key, "mode", "pause")
        await watch.look()
        assert (alice.take(), bob.take()) == (["switched"], ["switched"]), key
    await bus.do("HSET", keys.control_of_symbol(ETH_USD), "mode", "pause")
    await watch.look()
    assert alice.take() == bob.take() == []


async def test_a_hash_that_cannot_be_read_stops_entries_and_is_news_once(bus: Bus, watch: ControlWatch) -> None:
    alice = Follower()
    alice.follow(watch, "alice")
    await watch.look()
    alice.take()
    await bus.do("SET", keys.control("alice"), "flatten")
    for _ in range(2):
        await watch.look()
    assert alice.take() == ["switched", "requested"]
    switch = watch.switch("alice")
    assert switch is not None
    assert switch.mode is ControlMode.PAUSE


async def test_what_was_not_read_lately_is_unknown(
    bus: Bus, watch: ControlWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = Follower()
    alice.follow(watch, "alice")
    await watch.look()
    assert watch.switch("alice") is not None
    monkeypatch.setattr(control_watch, "_SERVES", -1.0)
    assert watch.switch("alice") is None


async def test_a_turn_that_ends_while_its_hash_is_read_hears_nothing(bus: Bus, watch: ControlWatch) -> None:
    alice, again = Follower(), Follower()
    alice.follow(watch, "alice")
    looking = asyncio.create_task(watch.look())
    await asyncio.sleep(0)
    watch.forget("alice")
    again.follow(watch, "alice")
    await looking
    assert alice.news == again.news == []
    watch.forget("alice")
    watch.forget("alice")
    assert watch.switch("alice") is None


async def test_an_outage_of_redis_does_not_end_it(
    bus: Bus, watch: ControlWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_watch, "_EVERY", 0.01)
    alice = Follower()
    alice.follow(watch, "alice")
    running = asyncio.create_task(watch.run())

    async def read() -> bool:
        return watch.switch("alice") is not None

    async def heard() -> bool:
        return bool(alice.news)

    await until(read, "it is read")
    bus._writer.drop()  # type: ignore[attr-defined]  # the wire of one server
    alice.take()
    await bus.do("HSET", keys.control("alice"), "mode", "pause")
    await until(heard, "it is read again")
    await crash(running)
    assert "switched" in alice.news


async def test_a_switch_of_a_symbol_that_was_set_before_its_first_reading_is_news(
    bus: Bus, watch: ControlWatch
) -> None:
    alice = Follower()
    alice.follow(watch, "alice")
    await watch.look()
    alice.take()
    watch.note_symbols("alice", "kraken", frozenset({BTC_USD}))
    await bus.do("HSET", keys.control_of_symbol(BTC_USD), "mode", "flatten")
    await watch.look()
    assert alice.take() == ["switched"]
