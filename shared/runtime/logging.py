"""Configures the log of every process: events with fields, one line each, with secrets masked before a line is written.

The last processor sees every finished field, tracebacks included; each registered secret is replaced there.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from bisect import bisect_left
from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import quote

import structlog

_MASK: Final = "[secret]"
_SHORTEST_SECRET: Final = 6  # shorter ones would mask ordinary words
_LINE_END: Final = re.compile(r"\r?\n|\\n")
_PEM_FRAME: Final = re.compile(r"-----[A-Z ]+-----")
_secrets: list[str] = []  # of this process; filled when keys are read, before the first line is written
_starts: set[str] = set()  # their beginnings: a process may know thousands, and each field of each line is searched


def hide(*texts: str) -> None:
    """Register texts that must never appear in a log line of this process, however they are escaped there.

    Each line of a secret with several lines (a PEM key) is registered too: a representation separates them.
    """
    parts = {part for text in texts for part in (text, *_LINE_END.split(text))}
    hidden: set[str] = set()
    for part in parts:
        if len(part) >= _SHORTEST_SECRET and not _PEM_FRAME.fullmatch(part):
            hidden |= {part, repr(part)[1:-1], json.dumps(part)[1:-1], quote(part, safe="")}
    for secret in hidden:
        place = bisect_left(_secrets, _longest_first(secret), key=_longest_first)
        if _secrets[place : place + 1] != [secret]:
            _secrets.insert(place, secret)
        _starts.add(secret[:_SHORTEST_SECRET])


def _longest_first(secret: str) -> tuple[int, str]:
    """Return the sort key of a secret: a short one that is masked first would break a longer one around it."""
    return -len(secret), secret


def configure_logging(service: str, log_format: str) -> None:
    """Configure structlog (and the standard library's loggers through it) for one process.

    `log_format` is `json` (one object per line) or `console` (for people). Lines go to stdout.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_service(service),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        mask_secrets,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(sort_keys=False)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), sort_keys=False, pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Request lines of HTTP libraries carry URLs and bodies; failures reach us as exceptions anyway.
    for name in ("aiohttp.access", "uvicorn.access", "urllib3", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)


def mask_secrets(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace every registered secret in every field of a log event."""
    if not _secrets:
        return event
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _masked(value)
        elif not isinstance(value, (int, float, bool, type(None))):
            text = repr(value)  # as the renderers write it
            masked = _masked(text)
            if masked != text:
                event[name] = masked
    return event


def _masked(text: str) -> str:
    if len(text) < len(_secrets[-1]):
        return text
    begins = {text[at : at + _SHORTEST_SECRET] for at in range(len(text) - _SHORTEST_SECRET + 1)} & _starts
    for secret in _secrets if begins else ():
        if secret in text:
            text = text.replace(secret, _MASK)
    return text


def _add_service(service: str) -> structlog.typing.Processor:
    def add(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return add
