"""Redis is gone, and all that the notifier knows with it: it says so, once, and says when it is back."""

from __future__ import annotations

from datetime import UTC

from services.notifier.delivery.outage import AFTER_MS, OutageNotice
from services.notifier.delivery.target import open_targets
from services.notifier.rules.wording import Words
from shared.config.settings import Mode
from tests.support.webhook import Webhook


class Watched:
    """An outage notice with a clock that is stepped by hand."""

    def __init__(self, hook: Webhook) -> None:
        self.now = 1_795_780_800_000
        self._began = 0
        self.notice = OutageNotice(open_targets([hook.url]), Words(Mode.LIVE, UTC), lambda: self.now)

    async def step(self, after: int) -> None:
        self.now += after
        self._began = await self.notice.step(self._began)


async def test_the_notifier_that_sends_says_it_once_and_says_when_it_is_over(hook: Webhook) -> None:
    watched = Watched(hook)
    watched.notice.lead(leads=True)
    for _ in range(100):
        watched.notice.lost("Redis: Connection refused at redis://u:secretpassword@h")
        await watched.step(AFTER_MS // 10)
    assert hook.titles == ["LIVE Shoal: Redis does not answer"]
    assert "since 2026-11-27 12:00 UTC" in hook.taken[0].body
    assert "secretpassword" not in hook.taken[0].body
    watched.notice.lead(leads=True)
    for _ in range(3):
        await watched.step(1_000)
    assert hook.titles[1:] == ["LIVE Shoal: resolved: Redis answers again"]
    assert "gone for 4 min" in hook.taken[1].body or "gone for 5 min" in hook.taken[1].body


async def test_a_short_outage_and_one_that_a_standby_sees_are_no_message(hook: Webhook) -> None:
    watched = Watched(hook)
    watched.notice.lead(leads=True)
    watched.notice.lost("x")
    await watched.step(AFTER_MS - 1_000)
    watched.notice.lead(leads=False)
    for _ in range(10):
        watched.notice.lost("x")
        await watched.step(AFTER_MS)
    assert hook.received == []


async def test_a_target_that_refuses_is_tried_again_until_redis_is_back(hook: Webhook) -> None:
    watched = Watched(hook)
    hook.status = 500
    watched.notice.lead(leads=True)
    watched.notice.lost("x")
    for _ in range(4):
        await watched.step(AFTER_MS)
    assert len(hook.received) == 4
    hook.status = 200
    await watched.step(AFTER_MS)
    await watched.step(AFTER_MS)
    assert hook.titles == ["LIVE Shoal: Redis does not answer"]
