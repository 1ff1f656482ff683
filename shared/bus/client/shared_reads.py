"""Reads of keys that concern everybody: all orders of a signal ask for the same few at once, and one question serves them all.

Only a question that has not been sent yet is shared. An answer that is older than a caller's question must never be used for it:
a kill switch could have been set between the two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from shared.bus.client.wire import Command

Ask = Callable[[Sequence[Command]], Awaitable[list[Any]]]
"""Runs commands and returns their answers, as `Bus.do_all` does."""


class SharedReads:
    """The questions of one process that wait for the end of this turn of the event loop."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._unsent: dict[tuple[str, str], asyncio.Future[Any]] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def hget(self, questions: Sequence[tuple[str, str]]) -> list[Any]:
        """Return what answers HGET of each key and field; a refusal is its ResponseError. Raises what `ask` raises."""
        asked = [self._answer_to(question) for question in questions]
        return [await asyncio.shield(each) for each in asked]  # a cancelled caller takes nothing from the others

    def _answer_to(self, question: tuple[str, str]) -> asyncio.Future[Any]:
        answer = self._unsent.get(question)
        if answer is None:
            answer = self._unsent[question] = asyncio.get_running_loop().create_future()
            sending = asyncio.create_task(self._send(question))
            self._sending.add(sending)
            sending.add_done_callback(self._sending.discard)
        return answer

    async def _send(self, question: tuple[str, str]) -> None:
        answer = self._unsent.pop(question)  # who asks from here on gets another question
        try:
            (found,) = await self._ask([("HGET", *question)])
        except Exception as error:  # noqa: BLE001  # whatever it is: an order waits for this answer
            answer.set_exception(error)
            answer.exception()  # all of them may have been cancelled
        else:
            answer.set_result(found)
