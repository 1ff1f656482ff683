"""A whole Shoal with a notifier beside it, whose messages arrive at a webhook of this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.support.processes import Service, wait_for
from tests.support.stack import Stack
from tests.support.webhook import Received, Webhook, webhook_in_background

_SETTINGS: Final = 'unknown_after_seconds = 5\ncollect_seconds = 5\nsummary_at = "off"\n[events]\nfault = "on"\n'
_PATIENCE: Final = 60.0
_START: Final = 32.0
"""Seconds after which a notifier misses services: at first it allows for all being started."""


class MessageStack(Stack):
    """A stack with a webhook, and with a notifier as soon as a test starts one."""

    def __init__(self, folder: Path, users: Sequence[str] = (), *, rules: str = _SETTINGS, **more: Any) -> None:
        super().__init__(folder, users, **more)
        self._rules = rules
        self._open = ExitStack()
        self.hook = Webhook()
        self._begun = 0.0

    def __enter__(self) -> Self:
        super().__enter__()
        self.hook = self._open.enter_context(webhook_in_background())
        (self.config / "notifications.toml").write_text(self._rules)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._open.close()

    def notifier(self, **more: str) -> Service:
        """Start a notifier, and wait until it sends."""
        service = self.start("notifier", "services.notifier", **({"NOTIFY_URLS": self.hook.url} | more))
        wait_for(lambda: self._sends(service), _PATIENCE, "the notifier sends")
        self._begun = time.monotonic()
        return service

    def _sends(self, service: Service) -> bool:
        return f"-{service.pid}-" in str(self.client.get("shoal:lease:{notifier}"))

    def until_services_are_missed(self) -> None:
        """Wait until the notifier would report a service that is not there."""
        time.sleep(max(0.0, self._begun + _START - time.monotonic()))

    def message(self, *words: str, since: float, seconds: float = _PATIENCE) -> Received:
        """Wait for a message with these words in its title or body, that came after an instant (steady seconds).

        How long it took is noted in `seconds.txt` beside the logs.
        """
        found: list[Received] = []

        def arrived() -> bool:
            found[:] = [
                each
                for each in list(self.hook.taken)
                if each.at >= since and all(word in f"{each.title}\n{each.body}" for word in words)
            ]
            return bool(found)

        try:
            wait_for(arrived, seconds, f"a message with {words}")
        except AssertionError as error:
            error.add_note(f"instead: {[each.title for each in self.hook.taken]}")
            raise
        with (self.folder / "seconds.txt").open("a") as file:
            file.write(f"{found[0].at - since:6.2f} {found[0].title}\n")
        return found[0]
