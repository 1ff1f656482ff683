"""Guards what one account holds from copying, each master's book for itself: the user's own exits, and what the operator wants
closed.

Needs the shared prices and Redis, and nothing of master, engine or api. It must never sell because data is missing: an old price
counts as none, and is reported once.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import structlog

from services.executor.account.context import AccountContext
from services.executor.protection.high_marks import HighMarks
from services.executor.protection.own_exits import USER_MODE, BookName, OwnExits
from services.executor.protection.price_alarm import PriceAlarm
from services.executor.turn.control_watch import ControlWatch
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.state.watch import Watch, WatchedMarket
from shared.domain.control import Control, ControlMode, flattening, refusal
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import OnLeave
from shared.domain.limits.protection import due
from shared.domain.order import Kind
from shared.domain.position import Holdings, Position
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.runtime.supervision import Supervisor
from shared.runtime.wake_up import WakeUp

_EVERY: Final = 1.0
_QUIET: Final = 5.0
"""Seconds between looks while nothing is held, or while all that can close something comes as news: a price or a switch has it
look at once, a trade of this process a moment later."""
_SETTLED: Final = 0.5
"""Seconds from a trade to the look that it triggers."""
_PRICE_SERVES: Final = 0.25
"""Seconds for which what was read for another guardian serves for a look without news: as often as prices are published."""
STALE_MS: Final = 30_000
"""A price older than this closes nothing."""
_ASK_EVERY: Final = 10.0
"""Seconds between requests to the price feed for what is held."""
_LEAVING: Final = "on_leave"

_REFUSED: Final = "Redis refuses a key of this user: nothing is closed by price until it is right"

log = structlog.get_logger()


def _books(held: Holdings) -> list[tuple[str, Position]]:
    """Return what is held by master: each book is guarded by its own cost, age and high."""
    return [each for position in held.positions.values() for each in position.split().items()]


@dataclass(frozen=True, slots=True)
class _Why:
    rule: str
    words: str


class Guardian:
    """Guards the positions of one account."""

    def __init__(
        self,
        context: AccountContext,
        watch: Watch,
        exits: OwnExits,
        supervisor: Supervisor | None = None,
        *,
        alarm: PriceAlarm | None = None,
        controls: ControlWatch | None = None,
    ) -> None:
        """`alarm` has it look as soon as a published price closes something; without one it does so a second later.

        `controls` knows the user's own switch, and whose changes call `switched`; without it that is read at each look.
        """
        self._context = context
        self._alarm = alarm
        self._controls = controls
        self._guarded: dict[BookName, Position] = {}
        """What a price can close, as of the last look."""
        self._alarmed = WakeUp()
        self._supervisor = supervisor or Supervisor()
        self._watch = watch
        self._exits = exits
        self._highs = HighMarks(context.positions)
        self._warned: set[str] = set()
        self._unreadable: frozenset[str] = frozenset()
        self._asked: frozenset[Symbol] = frozenset()
        self._asked_at = 0.0
        self._holding = True
        self._news_at = -math.inf
        """Steady instant of the last news: what was read before it is outdated."""
        self._calm = False
        """Whether, at the last look, nothing could close what is held but what is heard of at once."""
        self.flat = False
        """Whether, at the last look, nothing was held that can be sold: for a user who leaves."""

    async def run(self) -> None:
        """Look every second while something is held, until cancelled. Raises LeaseLost, BusUnavailable."""
        try:
            await self._run()
        finally:
            if self._alarm is not None:
                self._alarm.forget(self)

    async def _run(self) -> None:
        name = f"guardian of {self._context.user}"
        log.info(
            USER_MODE,
            user=self._context.user,
            venue=self._context.venue.name,
            does="closes what is held from copying by the user's own settings",
        )
        while True:
            try:
                async with self._context.priority.look():
                    self._context.positions.changed.clear()  # before looking, so that a change meanwhile triggers another look
                    self._calm = False
                    await self.look()
            except ENDS_A_TURN:
                raise
            except BusRefused as error:  # reported once; tried again, since it may be corrected at any moment
                self.flat = False
                self._warn_once(_REFUSED, [str(error)])
            except Exception as error:  # one failed look must not end the turn: the master's exits depend on it
                if self._supervisor.failed(name, error):
                    log.exception("looking after positions failed", user=self._context.user)
            else:
                self._warn_once(_REFUSED, ())
                self._supervisor.worked(name)
            await self._pause()

    async def _pause(self) -> None:
        if self._calm or not self._holding:
            traded = await self._context.positions.changed.wait(_QUIET)
            if traded and not self._alarmed.is_set():
                await self._alarmed.wait(_SETTLED)  # fills of one moment take one look
        else:
            await self._alarmed.wait(_EVERY)

    def price_moved(self, price: Price, at: int) -> None:
        """Note a new high, and look at once if this price closes something: the look decides."""
        now, exits = self._context.clock(), self._context.policy.exits
        if now - at > STALE_MS:
            return
        for name, book in self._guarded.items():
            if name[0] != price.symbol or at < book.updated_at:
                continue
            seen = book
            if exits.trailing_pct is not None:
                seen = self._guarded[name] = self._highs.note(
                    name[1], book, price
                )  # the key stays, so the loop may go on
            if due(seen, price, now, exits) is not None:
                self.wake()

    def wake(self) -> None:
        """Look at once: something that may close what is held has changed."""
        self._news_at = time.monotonic()
        self._alarmed.set()
        self._context.positions.changed.set()

    async def look(self) -> None:
        """Look once, and close what is due."""
        self._alarmed.clear()  # before reading, so that an alarm meanwhile triggers another look
        guarded: dict[BookName, tuple[Position, Price]] = {}
        try:
            await self._look(guarded)
        finally:
            self._guarded = {name: book for name, (book, _) in guarded.items()}
            if self._alarm is not None:
                prices = {symbol: price for (symbol, _), (_, price) in guarded.items()}
                self._alarm.set(self, self._context.venue.name, prices)

    async def _look(self, guarded: dict[BookName, tuple[Position, Price]]) -> None:
        context = self._context
        quiet = not self._exits.busy  # before reading: a trade meanwhile is not in what is read
        held = (await context.positions.recent()).holdings()
        self._report_unreadable(held)
        await self._look_at_losses(held)
        self.flat = (
            quiet
            and not held.unreadable
            and all(self._exits.ended(master, book, _LEAVING) for master, book in _books(held))
        )
        self._holding = bool(held.positions or held.unreadable)
        if not held.positions:
            self._highs.clear()
            return
        await self._ask_for(frozenset(held.positions))
        sources = [source for source, target in context.policy.symbols.map.items() if target in held.positions]
        sources += [name for symbol in held.positions for name in context.renames.former(symbol)]
        names = frozenset((*held.positions, *sources))
        own_switch = await self._own_switch(names)
        now = time.monotonic()
        since = now if self._controls is None else max(self._news_at, now - _PRICE_SERVES)
        market = await self._watch.market(context.venue.name, names, since=since)
        self._warn_once(
            "no fresh price: nothing is closed by price until there is one",
            [str(symbol) for symbol in held.positions if self._fresh(symbol, market) is None],
        )
        for master, book in _books(held):
            if (book.symbol, master) in self._exits.closing:
                continue
            price = self._price(book, market)
            if price is not None and context.policy.exits.trailing_pct is not None:
                book = await self._highs.raised(master, book, price)  # noqa: PLW2901  # the same book, as seen by now
            why = self._why(book, own_switch, market)
            if why is not None:
                self._exits.close(master, book, why.rule, why.words)
            elif self._alarm is not None and price is not None and self._may_close(book, price):
                guarded[book.symbol, master] = (book, price)
        self._calm = len(guarded) == len(_books(held)) and not held.unreadable and self._hears_all(own_switch, market)

    async def _own_switch(self, names: frozenset[Symbol]) -> Control:
        """Return the user's own switch as it is known to be, else read it."""
        if self._controls is None:
            return await self._watch.own_switch(self._context.user)
        self._controls.note_symbols(self._context.user, self._context.venue.name, names)
        known = self._controls.switch(self._context.user)
        return await self._watch.own_switch(self._context.user) if known is None else known

    def _hears_all(self, own_switch: Control, market: WatchedMarket) -> bool:
        """Return whether nothing but a price of which the alarm tells, or a switch, can close what is held.

        Not where time closes it, a trailing high has to be recorded, losses are measured, or an exit waits for the account.
        """
        context, policy = self._context, self._context.policy
        exits, switches = policy.exits, (own_switch, market.everybody, *market.switches.values())
        return (
            self._controls is not None
            and context.account.ready
            and policy.enabled
            and exits.max_hold_ms is None
            and exits.trailing_pct is None
            and not policy.limits.stop_out
            and not context.risk.stopped(context.clock())
            and all(switch.mode is ControlMode.RUN for switch in switches)
        )

    def _report_unreadable(self, held: Holdings) -> None:
        """Report the positions whose records cannot be read; the others are guarded all the same."""
        context = self._context
        if context.faults.any:  # an exit may have reported one before
            for name in self._unreadable.union(map(str, held.positions)) - held.unreadable.keys():
                if context.faults.clear(FaultKind.RECORD, f"position {name}"):
                    log.info("a position can be read again", user=context.user, symbol=name)
        for name, why in held.unreadable.items():
            reason = f"the record cannot be read, so it is not guarded and nothing of it is bought or sold: {why}"
            if context.faults.report(FaultKind.RECORD, reason, f"position {name}"):
                log.error("a position cannot be read: it is not guarded", user=context.user, symbol=name, reason=why)
        self._unreadable = frozenset(held.unreadable)

    async def _look_at_losses(self, held: Holdings) -> None:
        """Check for a stop-out; a failure in that must not leave the positions unguarded."""
        context = self._context
        try:
            await context.risk.look(context.policy, context.account.for_losses(), held.positions)
        except ENDS_A_TURN:
            raise
        except Exception as error:  # each position is guarded without it
            reason = f"losses cannot be looked at: {type(error).__name__}: {error}"
            if context.faults.report(FaultKind.RECORD, reason, "losses"):
                log.exception("looking at losses failed", user=context.user)
        else:
            context.faults.clear(FaultKind.RECORD, "losses")

    def _why(self, position: Position, own_switch: Control, market: WatchedMarket) -> _Why | None:
        """Return why a position must be closed now, if it must."""
        context, policy, symbol = self._context, self._context.policy, position.symbol
        names = [symbol, *(source for source, target in policy.symbols.map.items() if target == symbol)]
        names += context.renames.former(symbol)
        switches = [
            market.everybody,
            own_switch,
            *(market.switches[name] for name in names if name in market.switches),
        ]
        if not context.account.ready or refusal(Kind.EXIT, *switches):
            return None  # decided by the prices at the time when an exit is possible
        if (switch := flattening(*switches)) is not None:
            return _Why(switch.mode, switch.reason or f"set by {switch.by or 'an operator'}")
        if not policy.enabled and policy.on_leave is OnLeave.CLOSE_NOW:
            return _Why(_LEAVING, f"{policy.user} follows no more")
        if (stopped := context.risk.closes_all(context.clock())) is not None:
            return _Why("stop_out", stopped)
        intent = due(position, self._price(position, market), context.clock(), policy.exits)
        return None if intent is None else _Why(intent.rule, intent.words)

    def _may_close(self, position: Position, price: Price) -> bool:
        """Return whether another price may close a position: not if this one does, and something else forbids it."""
        exits = self._context.policy.exits
        by_price = (exits.stop_loss_pct, exits.trailing_pct, exits.take_profit_pct) != (None, None, None)
        return by_price and due(position, price, self._context.clock(), exits) is None

    def _price(self, position: Position, market: WatchedMarket) -> Price | None:
        """Return the fresh price; ignore prices older than the position's last fill."""
        price, at = self._fresh(position.symbol, market) or (None, 0)
        return price if at >= position.updated_at else None

    def _fresh(self, symbol: Symbol, market: WatchedMarket) -> tuple[Price, int] | None:
        found = market.prices.get(symbol)
        return found if found is not None and self._context.clock() - found[1] <= STALE_MS else None

    async def _ask_for(self, symbols: frozenset[Symbol]) -> None:
        if symbols <= self._asked and time.monotonic() - self._asked_at < _ASK_EVERY:
            return
        await self._watch.ask_for(self._context.venue.name, symbols, self._context.clock())
        self._asked, self._asked_at = symbols, time.monotonic()

    def _warn_once(self, words: str, names: Iterable[str]) -> None:
        """Log a warning once per name, until it no longer applies."""
        now = {f"{words} ({name})" for name in names}
        for text in sorted(now - self._warned):
            log.warning(text, user=self._context.user)
        self._warned = {text for text in self._warned if not text.startswith(words)} | now
