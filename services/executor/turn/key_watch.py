"""Watches the key files of the served users: a key that was replaced, or came at last, takes a new turn of its user.

The turn in progress ends between two orders if it can, since its orders are best resolved by the key that sent them. It never
waits for long: the former key may be revoked. However the turn ends, the next one resolves what was sent, as after any other end:
an order ends by its own deadline, whichever key signed it, and its absence is proved only after that.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from services.executor.account.context_factory import AccountContextFactory
from services.executor.account.keys.gates import subject
from services.executor.turn.user_turn import UserTurn
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy

_EVERY: Final = 1.0
_PATIENCE: Final = 10.0
"""Seconds that a turn whose key was replaced may take to finish the orders under way."""
_SHOWN_AFTER: Final = 10.0
"""Seconds after which a change that cannot be used is reported: a person writes two files one after the other."""

log = structlog.get_logger()


class KeyWatch:
    """Ends the turns of users whose key was replaced. `turns` is the executor's own table, `end` cancels a turn."""

    def __init__(
        self,
        contexts: AccountContextFactory,
        turns: Mapping[str, UserTurn],
        end: Callable[[str], None],
        faults: Faults,
    ) -> None:
        self._contexts = contexts
        self._turns = turns
        self._end = end
        self._faults = faults
        self._until: dict[UserTurn, float] = {}
        """The turns that are to end, and when at the latest (steady seconds)."""
        self._ended: set[UserTurn] = set()
        """The turns that were cancelled and have not finished: a second cancel would interrupt how they end."""
        self._waiting: dict[str, float] = {}
        """Since when (steady seconds) an account has changed files that are not used."""

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.look()

    async def look(self) -> None:
        """Look at the files of every served account once, and end the turns that are due."""
        accounts = [
            (turn, context.policy, venue, context.account.ready)
            for turn in self._turns.values()
            for venue, context in turn.contexts.items()
        ]
        others = await asyncio.to_thread(self._with_other_keys, accounts)
        now = time.monotonic()
        for turn, policy, venue in others:
            if turn not in self._until and turn not in self._ended:
                self._until[turn] = now + _PATIENCE
                what = "was replaced" if turn.contexts[venue].account.ready else "can be used now"
                log.info(f"the API key {what}: a new turn begins with it", user=policy.user, venue=venue)
        self._report(accounts, now)
        self._end_turns(now)

    def _with_other_keys(
        self, accounts: list[tuple[UserTurn, UserPolicy, str, bool]]
    ) -> list[tuple[UserTurn, UserPolicy, str]]:
        return [
            (turn, policy, venue)
            for turn, policy, venue, works in accounts
            if self._contexts.has_other_key(policy, venue, works=works)
        ]

    def _end_turns(self, now: float) -> None:
        present = {turn: user for user, turn in self._turns.items()}
        self._ended &= present.keys()
        for turn, until in list(self._until.items()):
            if turn not in present:
                del self._until[turn]
            elif turn.idle or now >= until or not any(each.account.ready for each in turn.contexts.values()):
                del self._until[turn]
                self._ended.add(turn)
                self._end(present[turn])

    def _report(self, accounts: list[tuple[UserTurn, UserPolicy, str, bool]], now: float) -> None:
        """Report files that changed and are not used for a while; the key in use goes on."""
        waiting = {}
        for _, policy, venue, _ in accounts:
            name = subject(policy.user, f"key files at {venue}")
            if not (why := self._contexts.why_key_waits(policy, venue)):
                self._faults.clear(FaultKind.KEY, name)
                continue
            waiting[name] = self._waiting.get(name, now)
            reason = f"the files of {policy.user}'s key at {venue} have changed and are not used: {why}"
            if now - waiting[name] >= _SHOWN_AFTER and self._faults.report(FaultKind.KEY, name, reason):
                log.warning("a changed API key is not used", user=policy.user, venue=venue, reason=why)
        self._waiting = waiting
