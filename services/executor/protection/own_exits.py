"""The user's own exits, from the decision to the end: one at a time per book of a symbol, in the symbol's queue.

In the queue, so that a master's exit and an own exit of the same book cannot both sell it: the second one finds nothing held.
Each is noted durably before anything of it is sent; the next owner finds the note, and ends that exit before anything else
happens to the symbol. Otherwise it is an exit like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from services.executor.account.books.positions import AccountPositions
from services.executor.account.faults import AccountFaults
from services.executor.account.names import AssetNames
from services.executor.orders.dispatcher import Dispatcher
from services.executor.protection.housekeeper import Task
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.order.orders import OrderStore
from shared.contracts.fields import MalformedMessageError
from shared.domain.fault import FaultKind
from shared.domain.order import Decision
from shared.domain.own_exit import own_exit
from shared.domain.position import Position
from shared.domain.values.symbol import Symbol

USER_MODE: Final = "USER (position management only)"
"""Names a user's cycle in the log: it looks after what is held from copying, and never scans or enters."""

BookName = tuple[Symbol, str]
"""A symbol and a master: what is held of the one for the other."""

log = structlog.get_logger()


class OwnExits:
    """The own exits of one account."""

    def __init__(
        self,
        positions: AccountPositions,
        store: OrderStore,
        names: AssetNames,
        faults: AccountFaults,
        clock: Callable[[], int],
        dispatcher: Dispatcher,
        queues: SymbolQueues[Task],
    ) -> None:
        self._positions = positions
        self._store = store
        self._names = names
        self._faults = faults
        self._clock = clock
        self._dispatcher = dispatcher
        self._queues = queues
        self._closing: set[BookName] = set()
        self._ended: dict[BookName, str] = {}

    @property
    def closing(self) -> frozenset[BookName]:
        """The books with an own exit under way or waiting."""
        return frozenset(self._closing)

    @property
    def busy(self) -> bool:
        """Whether any order of the user's is under way or waiting."""
        return bool(self._queues.busy)

    async def queue_noted(self) -> None:
        """Queue the exits that a predecessor began; to be called before anything else is queued."""
        noted = await self._store.own_exits()
        for name, why in noted.unreadable.items():
            # The same exit is decided again under the same id, and its order is looked up before anything is sent.
            reason = f"the note of an own exit cannot be read: {why}"
            if self._faults.report(FaultKind.RECORD, reason, f"own exit of {name}"):
                log.error("the note of an own exit cannot be read", user=self._positions.user, symbol=name, reason=why)
        for decision in noted.decisions:
            log.warning(
                "taking up an own exit", user=self._positions.user, symbol=str(decision.symbol), order_id=decision.id
            )
            self._closing.add(_book(decision))
            queue = self._names.renames.symbol(decision.symbol)
            self._queues.add(queue, partial(self._process, decision, redelivered=True))

    def ended(self, master: str, book: Position, rule: str) -> bool:
        """Return whether an exit of this unchanged book by this rule has ended: the rest of it cannot be sold."""
        ended = self._ended.get((book.symbol, master))
        if ended is None:
            return False
        return self._decide(master, book, rule, "").id == ended

    def close(self, master: str, book: Position, rule: str, words: str) -> None:
        """Queue an exit of a book, once: after one that left dust nothing is queued while the book is unchanged."""
        name, decision = (book.symbol, master), self._decide(master, book, rule, words)
        if name in self._closing or self._ended.get(name) == decision.id:
            return
        self._closing.add(name)
        if not self._queues.add(self._names.renames.symbol(book.symbol), partial(self._begin, book, decision)):
            self._closing.discard(name)

    def _decide(self, master: str, book: Position, rule: str, words: str) -> Decision:
        user, venue = self._positions.user, self._positions.venue
        return own_exit(user, venue, book, rule, words, self._clock(), master=master)

    async def _begin(self, book: Position, decision: Decision) -> None:
        try:
            held = await self._positions.book(book.symbol, decision.master)
        except MalformedMessageError:  # damaged since the last look; the next one reports it
            held = None
        if held is None or (held.opened_at, held.updated_at) != (book.opened_at, book.updated_at):
            self._closing.discard(_book(decision))  # traded since: the next look decides again
            return
        log.warning(
            "own exit",
            mode=USER_MODE,
            user=self._positions.user,
            symbol=str(book.symbol),
            order_id=decision.id,
            reason=decision.reason,
        )
        await self._store.note_own_exit(decision)
        await self._process(decision, redelivered=False)

    async def _process(self, decision: Decision, *, redelivered: bool) -> None:
        if not await self._dispatcher.run(decision, "", redelivered=redelivered):
            again = partial(self._process, decision, redelivered=True)
            queue = self._names.renames.symbol(decision.symbol)
            self._queues.add_later(queue, again, self._dispatcher.pause(decision))
            return
        await self._store.forget_own_exit(decision)
        self._ended[_book(decision)] = decision.id
        self._closing.discard(_book(decision))


def _book(decision: Decision) -> BookName:
    return decision.symbol, decision.master
