"""`answers_stay_with_their_request`: something on the way repeats, splits and delays answers, over many accounts at once.

Case S9. Each answer names the account that it was given to; none may reach another account's request.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from contextlib import suppress
from typing import Final

import pytest

from shared.venues.errors import OutcomeUnknown, Unavailable
from shared.venues.factory import HttpSession
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import Line

ACCOUNTS: Final = 40
ASKED: Final = 25
LATEST: Final = 0.03
"""Seconds by which an answer, or a copy of one, may come late."""
_KEY: Final = re.compile(rb"API-Key: (\S+)\r\n")


class Middlebox:
    """Answers every request with the name of its account and its number, and then does what no middlebox should."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # a test's dice
        self.done: Counter[str] = Counter()

    async def __call__(self, line: Line) -> None:
        copies: set[asyncio.Task[None]] = set()
        whole = asyncio.Lock()  # what is mixed into the middle of an answer, no client can tell from the answer
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    await self._exchange(line, whole, copies)
        finally:
            for copy in copies:
                copy.cancel()

    async def _exchange(self, line: Line, whole: asyncio.Lock, copies: set[asyncio.Task[None]]) -> None:
        request = await line.request()
        key = _KEY.search(request)
        assert key is not None
        body = key[1] + b" " + request.rsplit(b"n=", 1)[1]
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        trick = self._chance.choice(["none", "none", "twice", "late copy", "split", "delay", "join", "hint"])
        self.done[trick] += 1
        if trick == "delay":
            await asyncio.sleep(self._chance.random() * LATEST)
        async with whole:
            if trick == "split":
                places = sorted(self._chance.sample(range(1, len(answer)), 5))
                await line.send(*(answer[a:b] for a, b in zip([0, *places], [*places, None], strict=True)), pause=0.001)
            elif trick == "twice":
                await line.send(answer + answer)
            elif trick == "hint":
                await line.send(b"HTTP/1.1 100 Continue\r\n\r\n", answer)
            elif trick == "join":
                await line.send(answer + answer[: self._chance.randrange(len(answer))])
            else:
                await line.send(answer)
        if trick == "late copy":
            copies.add(asyncio.create_task(_late(line, whole, answer, self._chance.random() * LATEST)))


async def _late(line: Line, whole: asyncio.Lock, answer: bytes, seconds: float) -> None:
    await asyncio.sleep(seconds)
    with suppress(ConnectionError):
        async with whole:
            await line.send(answer)


@pytest.mark.parametrize("seed", range(3))
async def test_answers_stay_with_their_request(http: HttpSession, serve: Serve, seed: int) -> None:
    middlebox = Middlebox(seed)
    server = await serve(middlebox)
    got: list[tuple[int, bytes]] = []

    async def one_after_another(account: int) -> None:
        origin, chance = http.origin(server.url), random.Random(f"{seed}-{account}")  # a test's dice
        for number in range(ASKED):
            body = b"n=%d" % number
            with suppress(OutcomeUnknown, Unavailable):
                answer = await origin.ask("POST", "/", {"API-Key": f"account-{account}"}, body, timeout=10)
                got.append((account, answer.body.split(b" ")[0]))
            await asyncio.sleep(chance.random() * LATEST / 2)

    await asyncio.gather(*map(one_after_another, range(ACCOUNTS)))
    assert len(got) > ACCOUNTS * ASKED * 0.7, "hardly anything was answered"
    assert [each for each in got if each[1] != b"account-%d" % each[0]] == []
    assert min(middlebox.done.values()) > 20, "not every trick was played"
