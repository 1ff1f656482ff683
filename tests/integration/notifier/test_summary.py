"""The daily summary: what it counts, when it comes, and that it comes once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, time

from shared.bus.connection import Bus
from shared.config.notifications import Event, NotifySettings, Volume
from shared.contracts import keys
from shared.domain.account import AccountState
from shared.domain.order import OrderState
from tests.integration.notifier.conftest import HOUR, Notify, now_ms
from tests.support.copies import Copies
from tests.support.webhook import Webhook, until


@dataclass
class Clock:
    """The wall clock, put forward by hand."""

    ahead: int = 0

    def __call__(self) -> int:
        return now_ms() + self.ahead


def settings(hook: Webhook, volume: Volume = Volume.ON) -> NotifySettings:
    """A summary that is due in an hour."""
    due = datetime.fromtimestamp(now_ms() / 1000 + 3_600, UTC)
    return NotifySettings(
        urls=(hook.url,), summary_at=time(due.hour, due.minute), volumes={Event.DAILY_SUMMARY: volume}
    )


async def _until_set(bus: Bus, other_than: str = "") -> str:
    for _ in range(600):
        found = await bus.do("HGET", keys.NOTICES, "summary_at")
        if found and found != other_than:
            return str(found)
        await asyncio.sleep(0.1)
    raise AssertionError("no summary was begun within a minute")


async def _play(bus: Bus) -> None:
    """Two signals: alice copies both, bob skips one and is refused one; alice gains and bob loses."""
    copies = Copies(bus, age=-1)
    first, second = await copies.signal(), await copies.signal()
    for told in (first, second):
        await copies.decide(told, "alice")
        await copies.report(told, "alice")
    await copies.decide(first, "bob", copy=False, reason="below the minimum")
    order = await copies.report(first, "bob", OrderState.SKIPPED)
    assert order
    await copies.decide(second, "bob")
    await copies.report(second, "bob", OrderState.REJECTED)
    await copies.account("alice", AccountState.READY, equity="5010.50")
    await copies.account("bob", AccountState.READY, equity="4999")


async def test_it_comes_at_its_hour_with_figures_per_user_and_in_all(bus: Bus, hook: Webhook, notify: Notify) -> None:
    copies, clock = Copies(bus), Clock()
    await copies.settled(["alice"])  # before the span: not counted
    for user in ("alice", "bob"):
        await copies.account(user, AccountState.READY, equity="5000")
    async with notify(settings=settings(hook), clock=clock):
        await _until_set(bus)
        await _play(bus)
        await asyncio.sleep(1.5)
        assert hook.received == []
        clock.ahead = HOUR + 60_000
        await until(lambda: hook.taken, "the summary")
    (message,) = hook.taken
    assert message.title == "PAPER Shoal: daily summary: 2 signals, 2 orders filled, +9.50 USD"
    lines = message.body.splitlines()
    assert lines[1] == ("In all (2 users): 3 copied, 2 filled, 1 skipped (1 other), 1 not filled, equity +9.50 USD")
    assert "alice: 2 copied, 2 filled, 0 skipped, equity +10.50 USD" in lines
    assert "bob: 1 copied, 0 filled, 1 skipped (1 other), 1 not filled, equity -1.00 USD" in lines
    assert "Warnings: none" in lines
    assert lines[-1] == "Open now: nothing"


async def test_a_summary_that_was_missed_is_sent_after_the_restart_and_once(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    chosen, clock = settings(hook), Clock()
    async with notify(settings=chosen, clock=clock):
        await _until_set(bus)
    await _play(bus)
    clock.ahead = 3 * HOUR
    for _ in range(2):
        async with notify(settings=chosen, clock=clock):
            await until(lambda: hook.taken, "the summary")
            await asyncio.sleep(1.5)
    assert len(hook.taken) == 1
    assert "2 signals" in hook.titles[0]


async def test_it_names_the_warnings_since_the_last_one_and_what_is_open(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    clock = Clock()
    async with notify(settings=settings(hook), clock=clock):
        await Copies(bus).account("alice", AccountState.PARKED, reason="the key is refused")
        await until(lambda: hook.taken, "the message about alice")
        await _until_set(bus)
        clock.ahead = HOUR + 60_000
        await until(lambda: len(hook.taken) > 1, "the summary")
    body = hook.taken[1].body
    assert "Warnings: 1 parked" in body
    assert "Open now: 1\n- alice at kraken: the key is refused" in body
    assert await bus.do("HGET", keys.NOTICES, "count:parked") is None, "the next one counts from here"


async def test_switched_off_it_is_not_sent_and_counts_go_on_from_its_hour(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    clock = Clock()
    async with notify(settings=settings(hook, Volume.OFF), clock=clock):
        before = await _until_set(bus)
        clock.ahead = HOUR + 60_000
        await _until_set(bus, other_than=before)
    assert hook.received == []
