"""One address to which messages go, through apprise. The only module that imports it.

apprise blocks: every send runs in a daemon thread of its own, with a time limit, and at most one for each target. A thread that
hangs holds up nothing else, not even the end of the process. apprise's log is not shown, because it may contain addresses: it
is only searched for what went wrong.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import threading
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import apprise
from apprise.common import NotifyFormat, NotifyType
from apprise.manager_plugins import NotificationManager

from services.notifier.rules.incident import Level
from shared.config.errors import ConfigurationError
from shared.runtime.logging import hide

SEND_WITHIN: Final = 20.0
"""Seconds for one message to one target, connecting included."""
_STATUS: Final = re.compile(r"error=(\d{3})")
_SCHEMA: Final = re.compile(r"([a-z0-9]{2,20})://")
_PARTS: Final = re.compile(r"[/?&:@=]+")
_LEAST_SECRET: Final = 8
"""Characters of a part of an address from which on it is masked in log lines: shorter ones are ports and words."""
_NO_ANSWER: Final = re.compile(r"read timed out|timed out|timeout", re.IGNORECASE)
_NEVER_ARRIVED: Final = re.compile(r"connect timeout|ConnectTimeout|connection to \S+ timed out", re.IGNORECASE)
_EXCEPTION: Final = re.compile(r"[\w ]*Exception\b")
_CONNECTION: Final = re.compile(r"connection error|connect|socket", re.IGNORECASE)
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1"})
_LEVELS: Final = {
    Level.INFO: NotifyType.INFO,
    Level.SUCCESS: NotifyType.SUCCESS,
    Level.WARNING: NotifyType.WARNING,
    Level.FAILURE: NotifyType.FAILURE,
}
_WORDS: Final = {
    401: "it refuses the credentials in the address (401)",
    403: "it refuses the credentials in the address (403)",
    404: "it does not know the address (404): was it withdrawn?",
    410: "the address was withdrawn (410)",
    413: "the message is too long for it (413)",
    429: "it receives too many messages (429)",
}


@dataclass(frozen=True, slots=True)
class SendResult:
    """How a send ended: `reason` says why it failed, in words. `uncertain`: the message may have arrived all the same."""

    reason: str = ""
    uncertain: bool = False


class Target:
    """One address. `name` is stable and reveals nothing of it; `label` is for people: `telegram #2`."""

    def __init__(self, url: str, number: int) -> None:
        """Raise ConfigurationError for an address that apprise cannot use, without a part of it."""
        asset = apprise.AppriseAsset(
            app_id="Shoal",
            app_desc="Shoal",
            app_url="",
            image_url_mask="",
            async_mode=False,  # these two: in the thread of the send, and in none that the end of the process waits for
            service_timeout=0,
            secure_logging=True,
            allow_templates=False,
        )
        match = _SCHEMA.match(url.lower())
        known = apprise.Apprise.instantiate(url, asset=asset, suppress_exceptions=True) if match else None
        if match is None or not isinstance(known, apprise.NotifyBase):
            kind = f" ({match[1]})" if match and match[1] in _plugins() else ""
            raise ConfigurationError(
                f"address {number} of messages{kind} cannot be used: apprise does not recognise it; "
                "the documentation of apprise has the form of each service's addresses"
            )
        self._apprise = apprise.Apprise(asset=asset)
        self._apprise.add(known)
        self._hanging: threading.Thread | None = None
        self._one_at_a_time = asyncio.Lock()
        self.name = f"{match[1]}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
        self.label = f"{match[1]} #{number}"

    def __repr__(self) -> str:
        return f"Target({self.label})"

    async def send(self, title: str, body: str, level: Level, within: float = SEND_WITHIN) -> SendResult:
        """Send one message."""
        async with self._one_at_a_time:
            if self._hanging is not None and self._hanging.is_alive():
                return SendResult("an earlier attempt has not ended yet")
            loop = asyncio.get_running_loop()
            done: asyncio.Future[SendResult] = loop.create_future()

            def work() -> None:
                result = self._send(title, body, level)
                with suppress(RuntimeError):  # the loop is closed: nothing waits for the result
                    loop.call_soon_threadsafe(_settle, done, result)

            self._hanging = threading.Thread(target=work, name=f"send to {self.label}", daemon=True)
            self._hanging.start()
            try:
                result = await asyncio.wait_for(done, within)
            except TimeoutError:
                return SendResult(f"it did not answer within {within:g} s", uncertain=True)
            self._hanging = None
            return result

    def _send(self, title: str, body: str, level: Level) -> SendResult:
        try:
            result = self._apprise.notify(
                body=body,
                title=title,
                notify_type=_LEVELS[level],
                body_format=NotifyFormat.TEXT,
                log_level=logging.DEBUG,  # only there it says whether a connection failed or an answer did not come
            )
            return SendResult() if result else explain([(entry.level, entry.message) for entry in result.logs()])
        except Exception as error:  # noqa: BLE001  # a plugin of apprise may raise anything; its words may hold the address
            return SendResult(f"apprise failed: {type(error).__name__}", uncertain=True)


def explain(lines: Sequence[tuple[str, str]]) -> SendResult:
    """Return in words of our own why a send failed, by the lines that apprise has logged, each with its level."""
    # Of the lines for debugging only exceptions: others hold the message itself, whose words must not be taken for a reason.
    text = "\n".join(line for level, line in lines if level != "DEBUG" or _EXCEPTION.match(line))
    if found := _STATUS.search(text):
        status = int(found[1])
        return SendResult(_WORDS.get(status, f"it answered with the error {status}"))
    if _NO_ANSWER.search(text) and not _NEVER_ARRIVED.search(text):
        return SendResult("it did not answer in time", uncertain=True)
    if _CONNECTION.search(text):
        return SendResult("it cannot be reached")
    return SendResult("it did not take the message")


def open_targets(urls: Sequence[str]) -> list[Target]:
    """Return the targets of addresses; no part of them is shown in log lines from now on. Raises ConfigurationError."""
    parts = {part for url in urls for part in _PARTS.split(url) if len(part) >= _LEAST_SECRET}
    hide(*urls, *(parts - _LOOPBACK))
    _plugins()
    log = logging.getLogger("apprise")
    log.handlers[:] = [logging.NullHandler()]
    log.propagate = False
    log.setLevel(logging.DEBUG)
    for name in ("urllib3", "requests", "requests_oauthlib", "slixmpp", "aiohttp", "httpx", "paho"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they log addresses with a failure
    return [Target(url, number) for number, url in enumerate(urls, 1)]


def _plugins() -> NotificationManager:
    """Return the kinds of addresses that apprise knows. Loading them warns of old modules, which is no news for an operator."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        manager = NotificationManager()  # type: ignore[no-untyped-call]
        manager.load_modules()  # type: ignore[no-untyped-call]
    return manager


def _settle(done: asyncio.Future[SendResult], result: SendResult) -> None:
    if not done.done():
        done.set_result(result)
