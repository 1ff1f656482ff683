"""Repeats a lookup while the venue is unavailable, for about one time-out. Never used for an order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import stamina

from shared.venues.errors import Unavailable

ATTEMPTS: Final = 3
_PATIENCE: Final = 5.0  # seconds; callers decide about a longer wait

_T = TypeVar("_T")


async def with_patience(once: Callable[[], Awaitable[_T]], timeout: float) -> _T:
    """Run a lookup; repeat it only while the venue is unavailable, and only for about one time-out (seconds)."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    first: Unavailable | None = None
    try:
        return await once()
    except Unavailable as failure:
        left = began + timeout - loop.time()
        if left <= 0 or _again(failure) is False:
            raise
        first = failure
    # Built only after a failure, since building it costs as much as the lookup itself. The first attempt's failure is raised in
    # it again, so that attempts and waits are counted from there.
    context = stamina.retry_context(
        on=_again, attempts=ATTEMPTS, timeout=left, wait_initial=0.1, wait_max=2.0, wait_jitter=0.2
    )
    async for attempt in context:
        with attempt:
            if first is not None:
                failed, first = first, None
                raise failed
            return await once()
    raise AssertionError("unreachable")  # stamina raises the last failure


def _again(error: Exception) -> bool | float:
    if not isinstance(error, Unavailable):
        return False
    return error.retry_after if 0 < error.retry_after <= _PATIENCE else error.retry_after == 0
