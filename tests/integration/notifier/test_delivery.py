"""A webhook that refuses, hangs or is down: nothing is lost, nothing waits for it, and the failure is shown."""

from __future__ import annotations

import asyncio
import json

import pytest

from services.notifier.delivery.outbox import KEPT_MS, MOST_MESSAGES, Outbox
from services.notifier.rules.incident import Level, Message
from services.notifier.store import NoticeStore
from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.ownership.lease import acquire
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import read_faults
from shared.domain.account import AccountState
from shared.domain.fault import FaultKind
from tests.integration.notifier.conftest import Notify, now_ms
from tests.support.copies import Copies
from tests.support.leases import take_over
from tests.support.ports import free_port
from tests.support.webhook import TOKEN, Webhook, until, webhook

PARKED = "PAPER Shoal: account parked (alice at kraken)"


async def _park(bus: Bus) -> None:
    await Copies(bus).account("alice", AccountState.PARKED, reason="the key is refused")


async def _faults(bus: Bus) -> list[str]:
    """Return what status shows of the notifier."""
    beats = await Records(bus).heartbeats()
    found = [
        fault for name, beat in beats.items() if name.startswith("notifier:") for fault in read_faults(beat.faults)
    ]
    assert all(fault.kind is FaultKind.NOTIFY and not fault.blocks for fault in found)
    return [f"{fault.subject}: {fault.reason}" for fault in found]


async def test_a_webhook_that_refuses_is_tried_again_and_shown_as_a_fault(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    hook.status = 500
    async with notify(hook.url):
        await _park(bus)
        await until(lambda: len(hook.received) > 1, "a second attempt")
        assert await _faults(bus) == ["json #1: 1 message could not be sent yet: it answered with the error 500"]
        hook.status = 200
        await until(lambda: hook.taken, "it is sent")
        await asyncio.sleep(3)
        assert await _faults(bus) == []
    assert hook.titles == [PARKED]
    assert "second time" not in hook.taken[0].body, "a refusal is an end that is known"
    assert await bus.do("HLEN", keys.OUTBOX) == 0


async def test_a_webhook_that_is_down_gets_everything_when_it_is_back(bus: Bus, notify: Notify) -> None:
    port = free_port()
    state = Webhook(port=port)
    async with notify(state.url):
        await _park(bus)
        for _ in range(600):
            if await _faults(bus):
                break
            await asyncio.sleep(0.1)
        assert await _faults(bus) == ["json #1: 1 message could not be sent yet: it cannot be reached"]
        async with webhook(port, state):
            await until(lambda: state.taken, "it is sent")
    assert state.titles == [PARKED]


async def test_a_webhook_that_hangs_delays_no_other_and_gets_the_message_again_with_a_word_about_it(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    async with webhook() as hanging:
        hanging.open.clear()
        async with notify(f"{hanging.url}?rto=1", hook.url):
            await _park(bus)
            await until(lambda: hook.taken, "the other one has it")
            await until(lambda: len(hanging.received) > 1, "a second attempt")
            assert "it did not answer in time" in (await _faults(bus))[0]
            hanging.open.set()
            for _ in range(600):
                if not await bus.do("HLEN", keys.OUTBOX):
                    break
                await asyncio.sleep(0.1)
        assert "second time" not in hanging.received[0].body
        assert "may come a second time" in hanging.received[-1].body
    assert await bus.do("HLEN", keys.OUTBOX) == 0
    assert hook.titles == [PARKED]


async def test_a_thread_that_hangs_does_not_delay_the_end(bus: Bus, hook: Webhook, notify: Notify) -> None:
    hook.open.clear()
    async with notify(hook.url):
        await _park(bus)
        await until(lambda: hook.received, "it hangs")
        began = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - began < 10
    kept = dict(zip(*[iter(await bus.do("HGETALL", keys.OUTBOX))] * 2, strict=True))
    (message,) = map(Message.read, kept.values())
    assert message.waiting
    assert message.begun == list(message.waiting), "whether it arrived is not known"
    assert TOKEN not in json.dumps(kept)


async def test_a_send_that_ends_while_the_process_is_stopped_is_recorded(
    bus: Bus, hook: Webhook, notify: Notify
) -> None:
    hook.open.clear()
    async with notify(hook.url):
        await _park(bus)
        await until(lambda: hook.received, "it is on its way")
        asyncio.get_running_loop().call_later(0.5, hook.open.set)
    assert await bus.do("HLEN", keys.OUTBOX) == 0
    async with notify(hook.url):
        await asyncio.sleep(3)
    assert len(hook.received) == 1


async def test_a_restart_sends_what_is_left_and_nothing_twice(bus: Bus, hook: Webhook, notify: Notify) -> None:
    hook.status = 500
    async with notify(hook.url):
        await _park(bus)
        await until(lambda: hook.received, "an attempt")
    hook.status = 200
    for _ in range(3):
        async with notify(hook.url):
            await until(lambda: hook.taken, "it is sent")
            await asyncio.sleep(1.5)
    assert hook.titles == [PARKED]


async def test_without_the_lease_nothing_is_written(bus: Bus) -> None:
    lease = await acquire(bus, keys.NOTIFIER, "first")
    assert lease is not None
    outbox = Outbox(NoticeStore(bus, lease), ["json-1"])
    await outbox.add([_message(0)], {"a": "b"})
    await take_over(bus, keys.NOTIFIER)
    message = outbox.next_for("json-1")
    assert message is not None
    with pytest.raises(LeaseLost):
        await outbox.begin(message, "json-1")  # before every send: the second notifier has it now
    with pytest.raises(LeaseLost):
        await outbox.add([_message(1)], {"a": "c"})
    assert await bus.do("HGET", keys.NOTICES, "a") == "b"


async def test_the_outbox_is_bounded_and_what_is_too_old_is_given_up(bus: Bus) -> None:
    lease = await acquire(bus, keys.NOTIFIER, "first")
    assert lease is not None
    outbox = Outbox(NoticeStore(bus, lease), ["json-1"])
    await outbox.add([_message(0, critical=True)], {})
    for number in range(1, MOST_MESSAGES + 5):
        await outbox.add([_message(number)], {})
    assert outbox.waiting_for("json-1") == await bus.do("HLEN", keys.OUTBOX) == MOST_MESSAGES
    assert outbox.given_up == 5
    first = outbox.next_for("json-1")
    assert first is not None
    assert first.critical, "it was not the one to go"
    assert not await outbox.fail(first, "json-1", first.created_at + KEPT_MS + 1, uncertain=False)
    assert await bus.do("HGET", keys.NOTICES, "given_up") == "6"
    again = Outbox(NoticeStore(bus, lease), ["another"])
    await again.load({"x": "damaged", **_pairs(await bus.do("HGETALL", keys.OUTBOX))}, "6")
    assert again.given_up == 6
    assert await bus.do("HLEN", keys.OUTBOX) == 0, "the address is gone, and its messages with it"


async def test_a_message_that_is_refused_again_and_again_lets_others_pass(bus: Bus) -> None:
    lease = await acquire(bus, keys.NOTIFIER, "first")
    assert lease is not None
    outbox = Outbox(NoticeStore(bus, lease), ["json-1"])
    await outbox.add([_message(0), _message(1)], {})
    for _ in range(5):
        first = outbox.next_for("json-1")
        assert first is not None
        assert first.title == "0"
        await outbox.fail(first, "json-1", now_ms(), uncertain=False)
    second = outbox.next_for("json-1")
    assert second is not None
    assert second.title == "1"


def _message(number: int, *, critical: bool = False) -> Message:
    return Message("", str(number), "body", Level.WARNING, now_ms() + number, critical)


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
