"""A supervisor that dies is seen: a background task that fails or ends is counted, shown and begun again (kind 5, S5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from shared.domain.fault import FaultKind, Faults
from shared.runtime.supervision import Supervisor, TaskEndedError, endless

Work = Callable[[], Coroutine[Any, Any, None]]


async def _until(true: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  # nothing tells of what is waited for
            await asyncio.sleep(0.001)


async def _cancelled_from_within() -> None:
    inner = asyncio.get_running_loop().create_future()
    inner.cancel()
    await inner


async def _raises() -> None:
    raise ValueError("a surprise")


async def _group() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_raises())


async def _ends() -> None:
    return


@pytest.mark.parametrize(
    ("work", "reason"),
    [
        (_raises, "ValueError: a surprise"),
        (_group, "ValueError: a surprise"),
        (_ends, "TaskEndedError: the watch has ended"),
        (_cancelled_from_within, "TaskEndedError: the watch was cancelled from within"),
    ],
)
async def test_a_task_that_fails_or_ends_is_begun_again_counted_and_shown(work: Work, reason: str) -> None:
    faults, runs = Faults(), 0
    third = asyncio.Event()

    async def fail_twice() -> None:
        nonlocal runs
        runs += 1
        if runs == 3:
            third.set()
            await asyncio.Event().wait()
        await work()

    with capture_logs() as logs:
        running = asyncio.create_task(Supervisor(faults, pause=0).keep_up("the watch", fail_twice))
        async with asyncio.timeout(10):
            await third.wait()
    (fault,) = faults.standing
    assert (fault.kind, fault.subject, fault.reason) == (
        FaultKind.TASK,
        "the watch",
        f"failed and was restarted: {reason}",
    )
    assert (fault.count, faults.events[FaultKind.TASK]) == (2, 2)
    assert [line["task"] for line in logs] == ["the watch"]  # once, and not once for each failure
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_failure_is_over_once_the_task_has_run_for_a_while() -> None:
    faults, runs = Faults(), 0

    async def fail_once() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            raise ValueError
        await asyncio.Event().wait()

    running = asyncio.create_task(Supervisor(faults, pause=0, settled=0.01).keep_up("feed", fail_once))
    await _until(lambda: runs == 2 and not faults.standing)
    assert faults.events[FaultKind.TASK] == 1
    running.cancel()


async def test_a_task_that_may_end_is_done_once_it_returns() -> None:
    faults = Faults()
    await Supervisor(faults, pause=0).keep_up("master watch", _ends, may_end=True)
    assert faults.events == {}


async def test_rounds_that_fail_are_shown_until_they_have_worked_for_a_while() -> None:
    faults = Faults()
    supervisor = Supervisor(faults, settled=0.01)
    assert supervisor.failed("guardian of alice", ValueError("x"))
    assert not supervisor.failed("guardian of alice", ValueError("x"))
    supervisor.worked("guardian of bob")  # nothing of his stands, and no timer is wanted
    assert [fault.subject for fault in faults.standing] == ["guardian of alice"]
    supervisor.worked("guardian of alice")
    await _until(lambda: not faults.standing)


@pytest.mark.parametrize("work", [_ends, _cancelled_from_within])
async def test_a_group_hears_of_a_task_that_just_ends(work: Work) -> None:
    """A task group takes both for done: a guardian that ends like that would leave every position without its stop."""

    async def turn() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(endless("guardian", work()))
            tasks.create_task(asyncio.sleep(60))

    with pytest.raises(BaseExceptionGroup) as ended:
        await turn()
    assert isinstance(ended.value.exceptions[0], TaskEndedError)


async def test_being_cancelled_is_no_failure() -> None:
    running = asyncio.create_task(endless("guardian", asyncio.sleep(60)))
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
