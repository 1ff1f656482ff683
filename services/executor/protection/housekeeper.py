"""What a turn does beside copying: reconciles each account at the start, on a timer and on request, moves renamed positions,
samples the equity, trims, keeps the user's stage.

No failure in here may end the turn, because exits depend on it; only a lost lease or a lost Redis pass through.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from services.executor.account.books.rebuilder import Rebuilder
from services.executor.account.books.renaming import Renamer
from services.executor.account.context import AccountContext
from services.executor.account.performance.equity_sampler import EquitySampler
from services.executor.account.performance.sums_builder import SumsBuilder
from services.executor.protection.reconciler import Findings, Reconciler
from services.executor.stages.stage_keeper import StageKeeper
from services.executor.turn.control_watch import REQUESTS, requests_of
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN, BusRefused
from shared.bus.flow.streams import flatten
from shared.bus.flow.trimming import trim
from shared.bus.state.records import pairs
from shared.bus.state.stages import StageStore
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.reconciliation import ReconcileAnswer, ReconcileMode, ReconcileRequest
from shared.domain.funds import FundsMark
from shared.domain.values.numerals import whole
from shared.domain.values.symbol import Symbol
from shared.ledger.stages.evidence import StageEvidence
from shared.runtime.supervision import Supervisor
from shared.runtime.wake_up import WakeUp
from shared.venues.errors import VenueError

_EVERY: Final = 6.0
"""Seconds between rounds without a request: most of one is looking."""
_WHILE_LOST: Final = 2.0
"""The same while books are lost: an operator's request to rebuild them is awaited."""
_TIDY: Final = 300.0
"""Seconds between reconciliations without a request: each costs one call to the venue."""
_AGAIN: Final = 60.0
"""The same after a pass that could not judge everything."""
_MOVE_AGAIN: Final = 15.0
"""Seconds until a position under a former name is tried again: each try reads the balances."""
_REQUEST_AGE_MS: Final = 60_000
"""A request older than this is ignored: it must not be executed when an executor starts days later."""
_REPAIR_PATIENCE: Final = 8.0
"""Seconds to wait for repairs before answering; a repair queued behind an order is made when that has ended."""

Task = Callable[[], Awaitable[None]]

log = structlog.get_logger()


class Housekeeper:
    """Runs reconciliation, renaming, sampling, trimming and the canary ladder for one user."""

    def __init__(
        self,
        bus: Bus,
        user: str,
        contexts: Mapping[str, AccountContext],
        queues: SymbolQueues[Task],
        supervisor: Supervisor | None = None,
    ) -> None:
        self._supervisor = supervisor or Supervisor()
        self._bus = bus
        self._user = user
        self._contexts = contexts
        self._reconcilers = {
            name: Reconciler(
                context.positions,
                context.account,
                context.venue,
                context.names,
                context.faults,
                context.clock,
                partial(self._busy, context),
            )
            for name, context in contexts.items()
        }
        self._rebuilders = [
            Rebuilder(
                bus,
                user,
                each.venue,
                each.store,
                each.account,
                each.books.funds,
                each.clock,
                partial(_begin_books, each),
            )
            for each in contexts.values()
        ]
        self._sums = [SumsBuilder(bus, each) for each in contexts.values()]
        self._samplers = [EquitySampler(bus, each) for each in contexts.values()]
        first = next(iter(contexts.values()))
        evidence = StageEvidence(bus, user, list(contexts))
        self._stages = StageKeeper(StageStore(bus, first.lease), evidence, first.faults, first.clock)
        self._queues = queues
        self._move_due: dict[Symbol, float] = {}
        self._due = dict.fromkeys(contexts, 0.0)
        self._answered: dict[str, int] = {}
        self._trim_due = 0.0
        self.requested = WakeUp()
        """Set when the requests in the user's control hash have changed: a round comes at once."""
        self._refused = ""

    def _busy(self, context: AccountContext) -> set[Symbol]:
        """Return the symbols of which an order is under way, rests or is set aside: the books may hold what it has sold."""
        return {*self._queues.busy} | context.aside.symbols() | context.mirrors.symbols

    async def run(self) -> None:
        """Run until cancelled. Raises LeaseLost, BusUnavailable."""
        name = f"housekeeper of {self._user}"
        while True:
            try:
                for context in self._contexts.values():
                    await context.priority.yield_to_sends()
                self.requested.clear()  # before reading, so that a request meanwhile takes another round
                await self.round()
            except ENDS_A_TURN:
                raise
            except BusRefused as error:
                if str(error) != self._refused:
                    log.error("Redis refuses a key of this user", user=self._user, reason=str(error))
                self._refused = str(error)
            except Exception as error:  # housekeeping must not end the turn: exits depend on it
                if self._supervisor.failed(name, error):
                    log.exception("housekeeping failed", user=self._user)
            else:
                self._supervisor.worked(name)
            await self._pause()

    async def _pause(self) -> None:
        lost = any(context.account.books_lost for context in self._contexts.values())
        await self.requested.wait(_WHILE_LOST if lost else _EVERY)

    async def round(self) -> None:
        """Do what is due or requested."""
        for rebuilder, builder, sampler in zip(self._rebuilders, self._sums, self._samplers, strict=True):
            await rebuilder.round()
            await builder.round()
            await sampler.round()
        for context in self._contexts.values():
            await self._renamed(context)
        control = await self._control()
        request = _reconcile_request(control)
        for venue, context in self._contexts.items():
            if context.doctor is not None:
                await context.doctor.round(context.account, control)
            if request is not None and await self._unanswered(venue, request):
                await self._answer(venue, request)
            elif context.account.ready and time.monotonic() >= self._due[venue]:
                found = await self._reconcilers[venue].check()
                whole = not found.left_out and not found.reason
                self._due[venue] = time.monotonic() + (_TIDY if whole else _AGAIN)
        if time.monotonic() >= self._trim_due:
            self._trim_due = time.monotonic() + _TIDY
            await self._trim()
        await self._stages.round(next(iter(self._contexts.values())).policy)

    async def _renamed(self, context: AccountContext) -> None:
        """Queue the move of positions under former names, each in its symbol's queue, where no order of it is under way."""
        if not context.renames.table or not context.account.ready:
            return
        now = time.monotonic()
        for name in await self._bus.do("HKEYS", keys.positions(context.user, context.venue.name)):
            with suppress(ValueError):
                symbol = Symbol.parse(str(name))
                present = context.renames.symbol(symbol)
                if present != symbol and self._move_due.get(present, 0.0) <= now:
                    self._move_due[present] = math.inf
                    self._queues.add(present, partial(self._move, context.renamer, present))

    async def _move(self, renamer: Renamer, symbol: Symbol) -> None:
        try:
            await renamer.present_name(symbol)
        except ENDS_A_TURN:
            raise
        except (VenueError, BusRefused, ValueError) as error:
            log.warning("a renamed position has to wait", user=self._user, symbol=str(symbol), reason=str(error))
        except Exception:  # it runs in the symbol's queue, where a failure would end the turn
            log.exception("a renamed position could not be moved", user=self._user, symbol=str(symbol))
        self._move_due[symbol] = time.monotonic() + _MOVE_AGAIN

    async def _control(self) -> Mapping[str, str]:
        """Read the requests in the user's control hash; empty if it cannot be read."""
        (values,) = await self._bus.do_all([("HMGET", keys.control(self._user), *REQUESTS)])
        return requests_of(values)

    async def _unanswered(self, venue: str, request: ReconcileRequest) -> bool:
        if self._contexts[venue].clock() - request.reconcile_at > _REQUEST_AGE_MS:
            return False
        if venue not in self._answered:
            before = pairs(await self._bus.do("HGETALL", keys.reconciled(self._user, venue)))
            self._answered[venue] = whole(before.get("asked_at")) or 0
        return request.reconcile_at > self._answered[venue]

    async def _answer(self, venue: str, request: ReconcileRequest) -> None:
        reconciler = self._reconcilers[venue]
        found = await reconciler.check()
        repaired = 0
        if request.reconcile_mode is ReconcileMode.REPAIR and found.differences:
            repaired = await self._repair(reconciler, found)
        answer = ReconcileAnswer(
            asked_at=request.reconcile_at,
            at=self._contexts[venue].clock(),
            found=len(found.differences),
            repaired=repaired,
            left_out=", ".join(map(str, found.left_out)),
            reason=found.reason,
        )
        await self._bus.do("HSET", keys.reconciled(self._user, venue), *flatten(answer.fields()))
        self._answered[venue] = request.reconcile_at

    async def _repair(self, reconciler: Reconciler, found: Findings) -> int:
        """Repair each difference in its symbol's queue; return how many were repaired within the patience."""
        done: list[bool] = []
        waiting = set(found.differences)
        all_done = asyncio.Event()

        async def repair(symbol: Symbol) -> None:
            try:
                done.append(await reconciler.repair(symbol))
            except ENDS_A_TURN:
                raise
            except Exception:  # it runs in the symbol's queue, where a failure would end the turn
                log.exception("repair failed", user=self._user, symbol=str(symbol))
            waiting.discard(symbol)
            if not waiting:
                all_done.set()

        for symbol in found.differences:
            self._queues.add(symbol, partial(repair, symbol))
        try:
            async with asyncio.timeout(_REPAIR_PATIENCE):
                await all_done.wait()
        except TimeoutError:
            log.warning("a repair waits behind an order", user=self._user, symbols=", ".join(map(str, waiting)))
        return sum(done)

    async def _trim(self) -> None:
        context = next(iter(self._contexts.values()))
        for stream in (keys.orders(self._user), keys.resting(self._user), keys.reports(self._user)):
            await trim(self._bus, stream, context.clock() - context.retention_ms)


def _reconcile_request(control: Mapping[str, str]) -> ReconcileRequest | None:
    try:
        return ReconcileRequest.parse(control) if "reconcile_at" in control else None
    except MalformedMessageError:
        return None


def _begin_books(context: AccountContext, mark: FundsMark) -> None:
    context.books = mark
