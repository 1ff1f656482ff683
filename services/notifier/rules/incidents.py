"""Decides which causes become messages, and when.

    new cause       -> a message at once; further ones of its group are collected for a while and become one summary
    cause is gone   -> "resolved", if a message was made of it; a cause that comes back meanwhile was never gone
    quiet hours     -> what is not critical is collected until they end
    silent, off     -> no message; a silent one is counted in the daily summary

While causes of a group keep coming, each collection lasts twice as long as the one before: 1,000 causes never become 1,000
messages. Pure: state in, changes and messages out. What it returns must be written in one step, or a crash could send twice or
lose one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Final

from services.notifier.rules.cause import Cause
from services.notifier.rules.incident import Incident, Level, Message, Stage, Window
from services.notifier.rules.quiet import is_quiet
from services.notifier.rules.wording import Words, shorten
from shared.config.notifications import Event, NotifySettings, Volume

LONGEST_MS: Final = 3_600_000
"""The longest collection."""
MOST_KEPT: Final = 2_000
"""Causes that are kept one by one: further ones of a flood are left out, and seen again once there is room."""
_INCIDENT: Final = "cause:"
_WINDOW: Final = "window:"
_COUNT: Final = "count:"


@dataclass(slots=True)
class Outcome:
    """What one step has decided: fields to write (an empty text removes one) and messages to send."""

    fields: dict[str, str] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)


class Incidents:
    """All causes that stand, and what was sent about them."""

    def __init__(self, settings: NotifySettings, words: Words, kept: Mapping[str, str] | None = None) -> None:
        """`kept` is what earlier steps returned, in the fields of one hash; what cannot be read is dropped."""
        self._settings = settings
        self._words = words
        self._incidents: dict[str, Incident] = {}
        self._windows: dict[str, Window] = {}
        self._counts: dict[Event, int] = {}
        for name, written in (kept or {}).items():
            self._restore(name, written)

    @property
    def standing(self) -> Sequence[Incident]:
        """Return the causes that stand, silent ones included."""
        return [
            each
            for each in self._incidents.values()
            if each.stage is not Stage.OVER and each.gone_at is None and not each.momentary
        ]

    @property
    def counts(self) -> Mapping[Event, int]:
        """Return how many causes of each event have begun since the counts were reset."""
        return dict(self._counts)

    def reset_counts(self) -> dict[str, str]:
        """Begin to count again; return the fields to write."""
        gone = {f"{_COUNT}{event}": "" for event in self._counts}
        self._counts = {}
        return gone

    def step(self, now: int, causes: Iterable[Cause], unread: Collection[Event] = ()) -> Outcome:
        """Compare with the causes that stand at `now` (epoch ms). Of the events `unread` nothing is known: theirs stay."""
        outcome = Outcome()
        present = {each.id: each for each in causes if self._settings.volume(each.event) is not Volume.OFF}
        for cause in present.values():
            self._note(cause, now, outcome)
        for incident in list(self._incidents.values()):
            if incident.id not in present and incident.event not in unread:
                self._miss(incident, now, outcome)
        self._send(now, outcome)
        return outcome

    def _note(self, cause: Cause, now: int, outcome: Outcome) -> None:
        known = self._incidents.get(cause.id)
        if known is not None and known.stage is not Stage.OVER:
            known.what = shorten(
                cause.what
            )  # written with its next change: it may change every second, such as an offset
            if known.gone_at is not None:
                known.gone_at = None
                self._keep(known, outcome)
            return
        if known is None and len(self._incidents) >= MOST_KEPT:
            return
        if known is not None:  # its "resolved" was not sent yet: for the reader it was never gone
            known.stage, known.gone_at, known.what = Stage.SENT, None, shorten(cause.what)
            self._keep(known, outcome)
            return
        fields = asdict(cause) | {
            "what": shorten(cause.what),  # what others wrote may hold more than may be kept here, or leave this machine
            "critical": cause.critical or cause.event in self._settings.critical,
            "noted_at": now,
            "silent": self._settings.volume(cause.event) is Volume.SILENT,
        }
        incident = self._incidents[cause.id] = Incident(**fields)
        self._counts[cause.event] = self._counts.get(cause.event, 0) + 1
        outcome.fields[f"{_COUNT}{cause.event}"] = str(self._counts[cause.event])
        self._keep(incident, outcome)

    def _miss(self, incident: Incident, now: int, outcome: Outcome) -> None:
        if incident.stage is Stage.OVER:
            return
        if incident.momentary:
            if incident.stage is Stage.SENT or incident.silent:
                self._drop(incident, outcome)
            return  # of one that happened long ago a message is still due: at the end of quiet hours, for example
        if incident.gone_at is None:
            incident.gone_at = now
            self._keep(incident, outcome)
        if now - incident.gone_at < incident.settle_ms:
            return
        if incident.stage is Stage.NOTED or incident.silent:
            if not incident.silent:
                name = _group(incident, "open")
                window = self._windows.setdefault(name, Window())
                window.passed += 1
                outcome.fields[f"{_WINDOW}{name}"] = window.text()
            self._drop(incident, outcome)
            return
        incident.stage = Stage.OVER
        self._keep(incident, outcome)

    def _send(self, now: int, outcome: Outcome) -> None:
        quiet = is_quiet(self._settings.quiet, self._settings.zone, now)
        opened, over = self._pending()
        for name in sorted({*opened, *(each for each, window in self._windows.items() if window.passed)}):
            found = opened.get(name, [])
            window = self._windows.get(name, Window())
            if now < window.until or (quiet and not any(each.critical for each in found)):
                continue
            outcome.messages.append(self._opened(name, found, window, now))
            for each in found:
                each.stage = Stage.SENT
                self._keep(each, outcome)
            self._begin_window(name, now, outcome)
        for name, found in over.items():
            window = self._windows.get(name, Window())
            if now < window.until or (quiet and not any(each.critical for each in found)):
                continue
            title, body = self._words.over(found)
            outcome.messages.append(self._message(now, title, body, Level.SUCCESS, found))
            for each in found:
                self._drop(each, outcome)
            self._begin_window(name, now, outcome)
        self._forget_windows(now, outcome)

    def _pending(self) -> tuple[dict[str, list[Incident]], dict[str, list[Incident]]]:
        """Return, by group, the causes of which no message was made, and those whose end is still to be sent."""
        opened: dict[str, list[Incident]] = {}
        over: dict[str, list[Incident]] = {}
        for each in self._incidents.values():
            if each.silent:
                continue
            if each.stage is Stage.NOTED and each.gone_at is None:
                opened.setdefault(_group(each, "open"), []).append(each)
            elif each.stage is Stage.OVER:
                over.setdefault(_group(each, "over"), []).append(each)
        return opened, over

    def _opened(self, name: str, found: Sequence[Incident], window: Window, now: int) -> Message:
        if not found:
            title, body = self._words.came_and_went(Event(name.split("|", maxsplit=1)[0]), window.passed)
            return self._message(now, title, body, Level.WARNING, ())
        title, body = self._words.opened(found, window.passed, later=bool(window.span_ms))
        level = Level.FAILURE if any(each.critical for each in found) else Level.WARNING
        return self._message(now, title, body, level, found)

    def _message(self, now: int, title: str, body: str, level: Level, found: Sequence[Incident]) -> Message:
        return Message(
            id="",  # given by the outbox
            title=title,
            body=body,
            level=level,
            created_at=now,
            critical=any(each.critical for each in found),
        )

    def _begin_window(self, name: str, now: int, outcome: Outcome) -> None:
        """Begin to collect; twice as long as before if the last collection has just ended."""
        before = self._windows.get(name)
        least = self._settings.collect_ms
        again = before is not None and before.span_ms and now < before.until + before.span_ms
        span = min(before.span_ms * 2, max(LONGEST_MS, least)) if again and before else least
        self._windows[name] = Window(now + span, span)
        outcome.fields[f"{_WINDOW}{name}"] = self._windows[name].text()

    def _forget_windows(self, now: int, outcome: Outcome) -> None:
        for name, window in list(self._windows.items()):
            if not window.passed and now >= window.until + window.span_ms:
                del self._windows[name]
                outcome.fields[f"{_WINDOW}{name}"] = ""

    def _keep(self, incident: Incident, outcome: Outcome) -> None:
        outcome.fields[f"{_INCIDENT}{incident.id}"] = incident.text()

    def _drop(self, incident: Incident, outcome: Outcome) -> None:
        self._incidents.pop(incident.id, None)
        outcome.fields[f"{_INCIDENT}{incident.id}"] = ""

    def _restore(self, name: str, written: str) -> None:
        try:
            if name.startswith(_INCIDENT):
                incident = Incident.read(written)
                volume = self._settings.volume(incident.event)
                if volume is not Volume.OFF:
                    incident.silent = volume is Volume.SILENT
                    self._incidents[incident.id] = incident
            elif name.startswith(_WINDOW):
                self._windows[name.removeprefix(_WINDOW)] = Window.read(written)
            elif name.startswith(_COUNT):
                self._counts[Event(name.removeprefix(_COUNT))] = int(written)
        except (ValueError, TypeError, LookupError):
            return  # of another version, or damaged: the cause is noted again if it stands


def _group(incident: Incident, kind: str) -> str:
    return f"{incident.event}|{incident.group}|{kind}"
