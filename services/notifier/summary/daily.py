"""Sends the daily summary at its hour, once: what it covers begins where the one before ended, also after an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from services.notifier.delivery.outbox import Outbox
from services.notifier.rules.incident import Level, Message
from services.notifier.rules.incidents import Incidents
from services.notifier.rules.quiet import last_due
from services.notifier.rules.wording import Words
from services.notifier.summary.figures import Account, read_equities, read_figures
from services.notifier.summary.text import write_summary
from shared.bus.connection import Bus
from shared.config.notifications import Event, NotifySettings, Volume
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.money import Money, plain

_EVERY: Final = 5.0
_AT: Final = "summary_at"
_EQUITY: Final = "equity:"


class DailySummary:
    """What was known at the last summary, and the next one."""

    def __init__(
        self,
        bus: Bus,
        settings: NotifySettings,
        words: Words,
        users: Callable[[], Mapping[str, UserPolicy]],
        incidents: Incidents,
        outbox: Outbox,
        clock: Callable[[], int],
        kept: Mapping[str, str],
    ) -> None:
        """`kept` are the fields of the notices, as the summary before left them."""
        self._bus = bus
        self._settings = settings
        self._words = words
        self._users = users
        self._incidents = incidents
        self._outbox = outbox
        self._clock = clock
        self._last = int(kept[_AT]) if kept.get(_AT, "").isdigit() else None
        self._equities = _read_equities(kept)

    async def run(self) -> None:
        """Send summaries until cancelled. Raises LeaseLost, BusUnavailable."""
        while True:
            await self.step()
            await asyncio.sleep(_EVERY)

    async def step(self) -> bool:
        """Send a summary if one is due; return whether it was. Raises LeaseLost, BusUnavailable."""
        if self._settings.summary_at is None:
            return False
        now = self._clock()
        if self._last is None:  # nothing to compare with yet: the first one comes at the next hour
            await self._begin(now, await read_equities(self._bus, self._users()), [], {})
            return False
        if last_due(self._settings.summary_at, self._settings.zone, now) <= self._last:
            return False
        users = self._users()
        figures = await read_figures(self._bus, users, self._last, now)
        title, body = write_summary(
            self._words,
            figures,
            self._equities,
            self._incidents.counts,
            self._incidents.standing,
            self._outbox.given_up,
        )
        wanted = self._settings.volume(Event.DAILY_SUMMARY) is Volume.ON
        messages = [Message("", title, body, Level.INFO, now)] if wanted else []
        fields = self._incidents.reset_counts() | self._outbox.forget_given_up()
        await self._begin(now, figures.equities, messages, fields)
        return True

    async def _begin(
        self, now: int, equities: Mapping[Account, Money], messages: list[Message], fields: Mapping[str, str]
    ) -> None:
        """Record, in one step with the message, from where the next summary counts."""
        gone = {_field(account): "" for account in self._equities.keys() - equities.keys()}
        known = {_field(account): f"{plain(money.amount)} {money.currency}" for account, money in equities.items()}
        self._last, self._equities = now, dict(equities)
        await self._outbox.add(messages, {**fields, **gone, **known, _AT: str(now)})


def _field(account: Account) -> str:
    return f"{_EQUITY}{account[0]}|{account[1]}"


def _read_equities(kept: Mapping[str, str]) -> dict[Account, Money]:
    found = {}
    for name, written in kept.items():
        if not name.startswith(_EQUITY):
            continue
        user, _, venue = name.removeprefix(_EQUITY).partition("|")
        amount, _, currency = written.partition(" ")
        try:
            found[user, venue] = Money(Decimal(amount), currency)
        except InvalidOperation:
            continue  # damaged: this account has no change in the next summary
    return found
