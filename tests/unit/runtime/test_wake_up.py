"""What a task waits for between its rounds."""

from __future__ import annotations

import asyncio

import pytest

from shared.runtime.wake_up import WakeUp


async def test_a_wait_ends_when_it_is_set() -> None:
    wake = WakeUp()
    waiting = asyncio.create_task(wake.wait(60))
    await asyncio.sleep(0)
    wake.set()
    assert await waiting is True


async def test_a_wait_ends_when_the_time_is_over() -> None:
    wake = WakeUp()
    assert await wake.wait(0.001) is False
    assert not wake.is_set()


async def test_what_was_set_before_is_not_waited_for() -> None:
    wake = WakeUp()
    wake.set()
    assert await wake.wait() is True
    wake.clear()
    assert await wake.wait(0.001) is False


async def test_what_is_set_during_a_round_ends_the_next_wait() -> None:
    wake = WakeUp()
    wake.clear()
    wake.set()  # while the round reads
    assert await wake.wait(60) is True


async def test_a_wait_that_was_cancelled_leaves_nothing_behind() -> None:
    wake = WakeUp()
    waiting = asyncio.create_task(wake.wait(60))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    wake.set()
    assert await wake.wait(60) is True


async def test_a_second_task_that_waits_is_refused() -> None:
    wake = WakeUp()
    waiting = asyncio.create_task(wake.wait(60))
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="another task waits"):
        await wake.wait(60)
    wake.set()
    await waiting
