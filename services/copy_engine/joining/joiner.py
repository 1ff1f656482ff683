"""Joins users to positions that the master had open when they started to follow: between two signals, one user at a time.

A decision is written to the user's stream before the join is recorded as done, and is searched for there before it is made: the
engine may crash at any point. While signals are waiting, no user is joined: exits come first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import structlog

from services.copy_engine.decisions.markets import Markets
from services.copy_engine.followers.follower_reader import FollowerReader
from services.copy_engine.followers.following_record import PendingJoin, record_joined
from services.copy_engine.followers.open_positions import JoinablePosition
from services.copy_engine.joining.join_decision import JoinContext, JoinDelay, as_one_entry, decide_join
from services.copy_engine.joining.past_signals import PastSignals
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.flow.joined_ids import joined_id
from shared.bus.flow.streams import NOTHING_DELIVERED, Group, flatten, read_entries
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.messages import OrderMessage
from shared.domain.copying.decision_plan import decide_skip, decision_failed
from shared.domain.limits.policy import OnJoin, UserPolicy
from shared.domain.order import Decision
from shared.domain.portfolio import Portfolio
from shared.domain.signal import Signal
from shared.domain.values.instrument import Instrument
from shared.domain.values.symbol import Symbol

_AT_ONCE: Final = 16
"""Users processed between two signals, so that many joins at once delay no exit."""
_PAGE: Final = 500

log = structlog.get_logger()


@dataclass(slots=True)
class _Newcomer:
    """A user who is being joined. `decided` are the signals of the decisions in their stream, once they have been read."""

    joining: PendingJoin
    decided: set[str] | None = None
    waits_for: str = ""


class Joiner:
    """The joins of one engine's turn."""

    def __init__(self, bus: Bus, group: Group, clock: Callable[[], int]) -> None:
        self._bus = bus
        self._group = group
        self._clock = clock
        self._records = Records(bus)
        self._reader = FollowerReader(bus, clock)
        self._newcomers: dict[str, _Newcomer] = {}
        self._queue: deque[str] = deque()
        self._past: PastSignals | None = None

    def set_pending(self, joining: Mapping[str, PendingJoin]) -> None:
        """Replace the pending joins by those recorded in Redis."""
        before = self._newcomers
        self._newcomers = {
            user: before[user] if user in before and before[user].joining == each else _Newcomer(each)
            for user, each in joining.items()
        }

    async def run_round(self, users: Sequence[UserPolicy], markets: Markets) -> bool:
        """Join the next users; return True if there is more to do at once. Call it only between two signals.

        Raises BusUnavailable.
        """
        if not self._newcomers:
            self._past = None
            return False
        past = self._past = self._past or PastSignals(self._bus, self._group)
        if not await past.catch_up():
            return True
        policies = {policy.user: policy for policy in users}
        self._queue = self._queue or deque(self._newcomers)
        for _ in range(min(_AT_ONCE, len(self._queue))):
            user = self._queue.popleft()
            # A user whose file is unusable joins once it can be used.
            if user in policies and user in self._newcomers and not policies[user].fault:
                await self._join_safely(policies[user], past, markets)
        return bool(self._queue)

    async def _join_safely(self, policy: UserPolicy, past: PastSignals, markets: Markets) -> None:
        """Join one user; a failure affects no other user. It is retried when settings change or another turn starts."""
        try:
            await self._join(policy, self._newcomers[policy.user], past, markets)
        except BusRefused as error:  # one of this user's keys: retried in the next round, because it may be repaired
            newcomer = self._newcomers[policy.user]
            newcomer.decided = None
            if newcomer.waits_for != str(error):
                newcomer.waits_for = str(error)
                log.error("a user cannot be joined yet", user=policy.user, reason=str(error))
        except ENDS_A_TURN:
            raise
        except Exception:  # joining must not end the turn: the exits of all users depend on it
            log.exception("a user cannot be joined", user=policy.user)
            del self._newcomers[policy.user]

    async def _join(self, policy: UserPolicy, newcomer: _Newcomer, past: PastSignals, markets: Markets) -> None:
        waits_for = ""
        wanted = policy.on_join is OnJoin.COPY_OPEN  # the setting may have changed meanwhile
        for each in past.positions.joinable(newcomer.joining.start) if wanted else []:
            signal = each.latest.signal
            if newcomer.decided is None:
                newcomer.decided = await self._read_decided(policy.user, each.latest.entry_id)
            if signal.id in newcomer.decided:
                continue
            venue = policy.venue_for(signal.leader) or signal.venue
            found = await self._decide(policy, each, newcomer, venue, await markets.instruments(venue))
            if isinstance(found, JoinDelay):
                waits_for = f"{signal.symbol}: {found.reason}"
            elif horizon := await past.horizon():
                await self._write(found, horizon)
                newcomer.decided.add(found.signal_id)
            else:
                waits_for = "a signal that must be distributed first"
        if not waits_for:
            await record_joined(self._bus, policy.user)
            log.info("user has been joined to what the master had open", user=policy.user)
            del self._newcomers[policy.user]
        elif waits_for != newcomer.waits_for:
            newcomer.waits_for = waits_for
            log.info("joining waits", user=policy.user, reason=waits_for)

    async def _read_decided(self, user: str, start: str) -> set[str]:
        """Return the ids of the signals that a user's stream has decisions on, from an entry id on."""
        found: set[str] = set()
        while True:
            rows = await self._bus.do("XRANGE", keys.orders(user), start, "+", "COUNT", _PAGE)
            found.update(entry.fields.get("signal_id", "") for entry in read_entries(keys.orders(user), rows))
            if len(rows) < _PAGE:
                return found
            start = f"({rows[-1][0]}"

    async def _decide(
        self,
        policy: UserPolicy,
        joinable: JoinablePosition,
        newcomer: _Newcomer,
        venue: str,
        instruments: Mapping[Symbol, Instrument],
    ) -> Decision | JoinDelay:
        signal = joinable.latest.signal
        symbol = policy.symbols.mapped(signal.symbol)
        context, unreadable = await self._read_context(policy.user, signal, venue, symbol)
        # Dated 0, so that the balance counts as read after the fill: the cash before it is the present cash plus the cost.
        whole = replace(as_one_entry(joinable, context.master, self._clock()), filled_at=0)
        (follower,) = await self._reader.followers(whole, [policy])
        follower = replace(follower, unreadable=unreadable or follower.unreadable)
        now = self._clock()
        waited = now - newcomer.joining.since
        try:
            return decide_join(joinable, follower, context, instruments.get(symbol), now, waited)
        except Exception as error:  # as in the fan-out: any failure in a decision is a skip
            log.exception("decision failed", signal_id=signal.id, user=policy.user)
            return decide_skip(replace(whole, filled_at=now), follower, decision_failed(error), now)

    async def _read_context(self, user: str, signal: Signal, venue: str, symbol: Symbol) -> tuple[JoinContext, str]:
        """Read what joining needs beside the follower, of both venues; the text names what cannot be read."""
        (master,) = await self._records.accounts([(signal.owner, signal.venue)])
        price = (await self._records.prices_of(venue, [symbol])).get(symbol)
        try:
            holdings = await self._records.holdings(user, venue)
        except BusRefused as error:
            return JoinContext(price, master), f"what is held cannot be read: {error}"
        if holdings.may_hold(symbol.base):
            return JoinContext(price, master), f"what is held cannot be read: a record of {symbol.base}"
        books = {name: position.book(signal.book) for name, position in holdings.positions.items()}
        portfolio = Portfolio(books, {symbol: price[0]} if price else {})
        return JoinContext(price, master, portfolio.assets()), ""

    async def _write(self, decision: Decision, horizon: int) -> None:
        """Append a decision behind every signal that has been distributed."""
        stream = keys.orders(decision.user)
        facts = (await self._bus.do_all([("XINFO", "STREAM", stream)]))[0]  # an error where there is no stream yet
        entry_id = joined_id(horizon, str(pairs(facts).get("last-generated-id", NOTHING_DELIVERED)))
        await self._bus.do("XADD", stream, entry_id, *flatten(OrderMessage.from_domain(decision).fields()))
        log.info(
            "user joins the master's open position" if decision.copy else "user does not join the master's position",
            signal_id=decision.signal_id,
            user=decision.user,
            symbol=str(decision.symbol),
            reason=decision.reason,
        )
