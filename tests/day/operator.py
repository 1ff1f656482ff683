"""The operator of the day: stops and resumes by `ops` while the market runs, and moves of money at the exchange."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from urllib.error import HTTPError

from tests.day.limits import Stop
from tests.day.people import PEOPLE, Person
from tests.support.ops_command import CommandResult, run_ops
from tests.support.stack import Stack

_FLOWS: Final = 16
_STILL: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Watchword:
    """One stop of the plan: from which share of the day to which."""

    begins: float
    ends: float
    command: str
    user: str = ""
    symbol: str = ""

    @property
    def words(self) -> list[str]:
        """Return its scope as options."""
        return [*(["--user", self.user] if self.user else []), *(["--symbol", self.symbol] if self.symbol else [])]


PLAN: Final = (
    Watchword(0.10, 0.22, "pause", user="equity-plain"),
    Watchword(0.26, 0.33, "pause"),
    Watchword(0.40, 0.50, "pause", symbol="ETH/USD"),
    Watchword(0.53, 0.60, "halt", user="fixed-plain"),
    Watchword(0.64, 0.74, "flatten", user="equity-double"),
    Watchword(0.80, 0.88, "flatten", symbol="SOL/USD"),
)


@dataclass(slots=True)
class Operator:
    """Carries the plan out, each act in a thread of its own: a `flatten` waits for its positions."""

    stack: Stack
    note: Callable[..., None]
    stops: list[Stop] = field(default_factory=list)
    flows: dict[str, list[tuple[int, Decimal]]] = field(default_factory=dict)
    flattened: list[dict[str, Any]] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, seconds: float, seed: int) -> None:
        """Begin a day of so many seconds."""
        dice = random.Random(seed)  # moves of play money
        for word in PLAN:
            self._spawn(self._stop, word, seconds)
        for _ in range(_FLOWS):
            person = dice.choice(PEOPLE)
            share = Decimal(dice.randint(5, 40)) / 100
            self._spawn(
                self._move,
                person,
                dice.choice(["deposit", "withdraw"]),
                (person.cash * share).quantize(Decimal("0.01")),
                dice.uniform(0.05, 0.95) * seconds,
            )

    def wait(self) -> None:
        """Wait until everything has been done."""
        for thread in self._threads:
            thread.join(120)

    def flatten_all(self) -> CommandResult:
        """End the day: close everything."""
        told = self._ops("flatten", "--yes", "--reason", "end of the day")
        self._read_flattened(told)
        return told

    def _spawn(self, work: Callable[..., None], *args: object) -> None:
        def whole() -> None:
            try:
                work(*args)
            except Exception as error:
                self.failed.append(f"the operator could not go on: {error!r}")
                raise

        thread = threading.Thread(target=whole, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _stop(self, word: Watchword, seconds: float) -> None:
        begins = time.monotonic() + word.begins * seconds
        ends = begins + (word.ends - word.begins) * seconds
        self._sleep_until(begins)
        asked = ["--yes"] if word.command == "flatten" else []
        told = self._ops(word.command, *word.words, *asked, "--reason", "the day's plan")
        since = self._set_at(word)
        if word.command == "flatten":
            self._read_flattened(told)
        self._sleep_until(ends)
        until = int(time.time() * 1000)
        self._ops("resume", *word.words)
        self.stops.append(Stop(word.command.replace("-", "_"), since, until, word.user, word.symbol))

    def _set_at(self, word: Watchword) -> int:
        """Return the instant at which the switch was set, from the switch itself."""
        scope = f":symbol:{word.symbol}" if word.symbol else f":{{{word.user}}}" if word.user else ""
        at = self.stack.client.hget(f"shoal:control{scope}", "at")
        return int(str(at)) if at else _STILL

    def _move(self, person: Person, what: str, amount: Decimal, after: float) -> None:
        self._sleep_until(time.monotonic() + after)
        user, began = person.user, int(time.time() * 1000)
        body = {"user": user, "venue": person.venue, "asset": "USD", "amount": str(amount)}
        try:
            self.stack.post(f"/paper/{what}", body)
        except HTTPError as error:
            self.note(f"{what} refused", user=user, amount=str(amount), why=error.read().decode()[:200])
            return
        came = what == "deposit"  # at some instant while the exchange was asked: the one that allows more counts
        at = began if came else int(time.time() * 1000)
        self.flows.setdefault(user, []).append((at, amount if came else -amount))
        self.note(what, user=user, amount=str(amount))

    def _ops(self, *words: str) -> CommandResult:
        began = time.time()
        told = run_ops(self.stack, *words, "--json")
        self.note("ops", words=" ".join(words), code=told.code, seconds=round(time.time() - began, 1))
        if told.code not in {0, 1} or not told.out:
            self.failed.append(f"ops {' '.join(words)}: {told.code} {told.err[-300:]}")
        return told

    def _read_flattened(self, told: CommandResult) -> None:
        if told.out:
            rows = json.loads(told.out.splitlines()[-1]).get("positions", [])
            self.flattened += rows
            self.failed += [f"not flattened: {row}" for row in rows if row["outcome"] == "open"]

    def _sleep_until(self, when: float) -> None:
        time.sleep(max(when - time.monotonic(), 0.0))  # the day has its hours: nothing is waited for
