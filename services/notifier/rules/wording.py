"""The words of messages: short, plain, with what happened, to whom, since when, and what to do. PAPER or LIVE is in every title.

A message leaves this machine. No secret may be in it, and no whole id: what other services wrote about a cause is shortened here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from services.notifier.rules.incident import Incident
from services.notifier.rules.quiet import moment
from shared.config.notifications import Event
from shared.config.settings import Mode

LISTED: Final = 8
"""Causes that one message lists; of the others it has the number."""
_LONGEST: Final = 300
_UUID: Final = re.compile(r"\b([0-9a-fA-F]{8})-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_LONG_WORD: Final = re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9+/_=-]{24,}")
_DIGIT: Final = re.compile(r"\d")
_TITLES: Final = {
    Event.PARKED: ("account parked", "accounts parked"),
    Event.UNKNOWN_ORDER: ("an order without a known outcome", "orders without a known outcome"),
    Event.STOP_OUT: ("stop-out", "stop-outs"),
    Event.KILL_SWITCH: ("kill switch set", "kill switches set"),
    Event.SERVICE_DOWN: ("not running", "not running"),
    Event.MASTER_FILLS: ("the master's fills are not seen", "the master's fills are not seen"),
    Event.CLOCK: ("a clock is wrong", "clocks are wrong"),
    Event.DEAD_LETTER: ("a dead letter", "dead letters"),
    Event.BOOKS_LOST: ("records lost", "records lost"),
    Event.STREAM: ("a private stream is down", "private streams are down"),
    Event.KEY: ("an API key is refused", "API keys are refused"),
    Event.REDIS: ("Redis is nearly full", "Redis is nearly full"),
    Event.STAGE: ("a change of stage", "changes of stage"),
    Event.BLOCKED: ("no signal is copied", "no signal is copied"),
    Event.FAULT: ("a fault", "faults"),
    Event.DAILY_SUMMARY: ("daily summary", "daily summaries"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """How messages are worded: the mode, and the time zone of their instants."""

    mode: Mode
    zone: tzinfo

    def title(self, text: str) -> str:
        """Return a title: `LIVE Shoal: account parked (alice)`."""
        return f"{self.mode.upper()} Shoal: {text}"

    def opened(self, found: Sequence[Incident], passed: int, *, later: bool) -> tuple[str, str]:
        """Return title and body about causes that stand.

        `passed` came and went meanwhile; `later`: an earlier message was sent.
        """
        event = found[0].event
        total = len(found) + passed
        one, many = _TITLES[event]
        more = "more " if later and total > 1 else ""
        what = f"{one} ({found[0].who})" if total == 1 else f"{total} {more}{many}"
        lines = [self._line(each) for each in found[:LISTED]]
        if (hidden := len(found) - LISTED) > 0:
            lines.append(f"and {hidden} more")
        if passed:
            lines.append(f"{passed} came and went meanwhile")
        return self.title(what), "\n".join([*lines, *_todo(found)])

    def came_and_went(self, event: Event, passed: int) -> tuple[str, str]:
        """Return title and body about causes that are over already."""
        one, many = _TITLES[event]
        return self.title(f"{passed} times: {one}" if passed > 1 else f"{one}, over"), (
            f"{passed} came and went since the last message about {many}; nothing of it is left. See: ops status"
        )

    def over(self, found: Sequence[Incident]) -> tuple[str, str]:
        """Return title and body about causes that are gone."""
        one, many = _TITLES[found[0].event]
        if len(found) == 1:
            what = found[0].gone_words or f"resolved: {one}"
            title = self.title(f"{what} ({found[0].who})")
        else:
            title = self.title(f"resolved: {len(found)} {many}")
        lines = [self._over_line(each) for each in found[:LISTED]]
        if (hidden := len(found) - LISTED) > 0:
            lines.append(f"and {hidden} more")
        return title, "\n".join(lines)

    def _line(self, each: Incident) -> str:
        return f"{each.who}: {each.what} (since {moment(each.since or each.noted_at, self.zone)})"

    def _over_line(self, each: Incident) -> str:
        begin, end = each.since or each.noted_at, each.gone_at or each.noted_at
        return f"{each.who}: over after {lasted(end - begin)}, at {moment(end, self.zone)}. It was: {each.what}"


def _todo(found: Sequence[Incident]) -> list[str]:
    """Return what to do, each sentence once."""
    wanted = list(dict.fromkeys(each.todo for each in found[:LISTED] if each.todo))
    return [f"What to do: {'; '.join(wanted[:3])}"] if wanted else []


def shorten(text: str) -> str:
    """Return a text of another service for a message: on one line, without whole ids, addresses and anything like a key."""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    line = _ADDRESS.sub("[address]", line)
    line = _UUID.sub(r"\1", line)
    line = _LONG_WORD.sub(lambda match: f"{match[0][:6]}…" if _DIGIT.search(match[0]) else match[0], line)
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


def lasted(ms: int) -> str:
    """Format a duration for people: `40 s`, `12 min`, `3 h 5 min`, `2 d 4 h`."""
    seconds = max(ms, 0) // 1000
    if seconds < 120:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 120:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
