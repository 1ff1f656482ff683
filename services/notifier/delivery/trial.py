"""Answers `ops notify --test`: sends one message to every target at once, beside the outbox, and records in words what failed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from services.notifier.delivery.target import Target
from services.notifier.rules.incident import Level
from services.notifier.rules.wording import Words
from services.notifier.store import NoticeStore
from shared.contracts.fields import MalformedMessageError
from shared.contracts.notify_test import TestAnswer, TestRequest, write_results

_EVERY: Final = 1.0

log = structlog.get_logger()


class Trial:
    """Looks for requests and answers each once."""

    def __init__(self, store: NoticeStore, targets: Sequence[Target], words: Words) -> None:
        self._store = store
        self._targets = targets
        self._words = words

    async def run(self) -> None:
        """Answer until cancelled. Raises LeaseLost, BusUnavailable."""
        while True:
            await self.step()
            await asyncio.sleep(_EVERY)

    async def step(self) -> bool:
        """Answer a request, if there is a new one. Raises LeaseLost, BusUnavailable."""
        fields = await self._store.test_request()
        try:
            request, answer = TestRequest.parse(fields), TestAnswer.parse(fields)
        except MalformedMessageError:
            return False
        if not request.test_id or request.test_id == answer.answered_id:
            return False
        # Recorded first: a test that is asked for once must not be sent twice, and a lost one is asked for again by a person.
        await self._store.write(test={"answered_id": request.test_id, "results": ""})
        title = self._words.title("test message")
        body = f"Asked for by {request.test_by or 'an operator'}. Messages reach you here; nothing is wrong."
        sent = await asyncio.gather(*(target.send(title, body, Level.INFO) for target in self._targets))
        results = {target.label: result.reason for target, result in zip(self._targets, sent, strict=True)}
        log.info("test message sent", by=request.test_by, failed=sum(map(bool, results.values())))
        await self._store.write(test={"results": write_results(results)})
        return True
