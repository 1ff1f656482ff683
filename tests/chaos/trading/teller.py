"""Where the signals of a run come from: the harness tells them as a master does, or trades so that the real master tells them."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import redis
from redis.exceptions import RedisClusterException

from tests.chaos.agenda import Agenda
from tests.chaos.judging.evidence import entries
from tests.chaos.trading.hands import emit
from tests.chaos.trading.market import PlannedSignal
from tests.chaos.trading.person import Person

AWAY: Final = (redis.ConnectionError, redis.TimeoutError, redis.ResponseError, RedisClusterException)
"""Redis is away, loading, or refuses: the harness tries again, as everything of Shoal must."""
_AGAIN: Final = 0.25
_MOST_TRIES: Final = 600
"""How often one signal is told again to a Redis that will not have it: no refusal of a script lasts that long."""


class Teller(Protocol):
    """Gives the signals of a script, one with each call."""

    def tell_next(self) -> None:
        """Return the next signal."""

    def tell_again(self) -> None:
        """Return what Redis has lost once more."""

    def finish(self, seconds: float) -> bool:
        """Wait until everything that was to be told has been given; answers whether that came about."""


class StandIn:
    """Plays the master: appends each signal itself, in order, and anew after a fail-over."""

    def __init__(self, client: redis.Redis, signals: Sequence[PlannedSignal], agenda: Agenda) -> None:
        self._client = client
        self._signals = signals
        self._agenda = agenda
        self._fields: dict[str, Mapping[str, str]] = {}
        self._told = 0
        self._refused = 0

    def tell_next(self) -> None:
        """Append the next signal; again a little later if Redis is away."""
        signal = self._signals[self._told]
        fields = self._fields.setdefault(signal.id, signal.fields())
        try:
            emit(self._client, fields)
        except AWAY:
            self._refused += 1
            if self._refused > _MOST_TRIES:
                raise
            self._agenda.after(_AGAIN, self.tell_next)
            return
        self._refused = 0
        self._told += 1
        self._agenda.note("signal", number=self._told, id=signal.id, symbol=signal.symbol, fraction=signal.fraction)

    def tell_again(self) -> None:
        """Append what Redis has lost, as the master does when it compares its fills with the stream."""
        try:
            there = {fields["id"] for _, fields in entries(self._client, "shoal:signals")}
            for signal in self._signals[: self._told]:
                if signal.id not in there:
                    emit(self._client, self._fields[signal.id])
                    self._agenda.note("signal again", id=signal.id)
        except AWAY:
            self._agenda.after(_AGAIN, self.tell_again)

    def finish(self, seconds: float) -> bool:
        """Say so: a signal is told when the act is done."""
        return seconds >= 0


class Trader:
    """Trades on the masters' accounts, and leaves the telling to the real masters."""

    def __init__(self, persons: Mapping[str, Person], signals: Sequence[PlannedSignal], agenda: Agenda) -> None:
        self._persons = persons
        self._signals = iter(signals)
        self._agenda = agenda

    def tell_next(self) -> None:
        """Have the next order placed."""
        signal = next(self._signals)
        self._persons[signal.venue].wish(signal)
        self._agenda.note("wish", id=signal.id, symbol=signal.symbol, fraction=signal.fraction)

    def tell_again(self) -> None:
        """Do nothing: the master finds out by itself."""

    def finish(self, seconds: float) -> bool:
        """Wait until every order is placed."""
        end = time.monotonic() + seconds
        placed = [person.finish(end - time.monotonic()) for person in self._persons.values()]  # each is told to end
        return all(placed)
