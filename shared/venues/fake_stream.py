"""A private stream that a test plays, shipped beside the port so that tests need no sockets and no patched mocks.

Alone it shows what the test shows. With an account (`FakeStream(account)`) it shows by itself what becomes of each order of that
account, at the moment at which it happens: so before the answer to the request that placed it, as a venue may. `hold` keeps these
rows back until `release`, `miss` drops them, and `cut` ends the connection.

It must never behave in a way that the port does not allow: nothing is shown between an interruption and the next `resumed`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NoReturn

from shared.venues.fake_account import FakeAccount
from shared.venues.port import VenueOrder
from shared.venues.stream import ConnectPermit, FundsKind, FundsMoved, OrderSeen, StreamReader


class FakeStream:
    """The stream of one account; runs for one reader at a time."""

    def __init__(self, account: FakeAccount | None = None, *, shows_funds: bool = True) -> None:
        self.shows_funds = shows_funds
        self.connects = 0
        """How often it has connected."""
        self.whole = True
        """Whether what it shows by itself is whole."""
        self.reader: StreamReader | None = None
        self.permits_asked = 0
        """How often it has asked for a permit to connect."""
        self._error: Exception | None = None
        self._cut = asyncio.Event()
        self._cut_reason = ""
        self._connected = asyncio.Event()
        self._held: list[OrderSeen] | None = None
        self._meanwhile: list[Callable[[], None]] | None = None
        self._missing = False
        if account is not None:
            account.listeners.append(self._happened)

    async def run(self, reader: StreamReader, permit: ConnectPermit) -> NoReturn:
        """Connect for ever: after each `cut` with a new permit. Raises what `fail` was given."""
        if self.reader is not None:
            raise RuntimeError("the stream has a reader already")
        self.reader = reader
        try:
            while True:
                self.permits_asked += 1
                await permit()
                if self._error is not None:
                    raise self._error
                self.connects += 1
                self._cut.clear()
                self._connected.set()
                await self.gap("connected")
                await self._cut.wait()
                if self._error is not None:
                    raise self._error
        finally:
            if self._connected.is_set():
                self._connected.clear()
                reader.interrupted("ended")
            self.reader = None

    async def until_connected(self) -> None:
        """Wait until it is connected."""
        await self._connected.wait()

    @property
    def connected(self) -> bool:
        """Whether what happens now is shown."""
        return self._connected.is_set()

    def show(self, order: VenueOrder, *, whole: bool = True, filled_at: int | None = None) -> None:
        """Show an order as it is given; nothing while the stream is cut."""
        seen = OrderSeen(order, whole, filled_at or (order.closed_at if order.filled.amount else None))
        self._tell(lambda reader: reader.order_seen(seen))

    def show_all(self, orders: Sequence[VenueOrder], *, whole: bool = True) -> None:
        """Show several orders in this sequence."""
        for order in orders:
            self.show(order, whole=whole)

    def unclear(self, venue_order_id: str, why: str = "a row cannot be read") -> None:
        """Show that something has happened to an order, and not what."""
        self._tell(lambda reader: reader.unclear(venue_order_id, why))

    def move_funds(self, asset: str, kind: FundsKind = FundsKind.DEPOSIT, at: int = 0) -> None:
        """Show that a balance has moved without an order."""
        self._tell(lambda reader: reader.funds_moved(FundsMoved(asset, kind, at)))

    async def gap(self, why: str = "a message is missing") -> None:
        """Have the reader compare by REST, as after a gap in the numbers of the messages."""
        if self.reader is None:
            return
        self._meanwhile = []
        try:
            await self.reader.resumed(why)
        finally:
            meanwhile, self._meanwhile = self._meanwhile or [], None
        for tell in meanwhile:
            tell()

    def hold(self) -> None:
        """Keep back what the account does from now on, until `release`."""
        self._held = []

    def release(self) -> None:
        """Show what was kept back."""
        held, self._held = self._held or [], None
        for seen in held:
            self.show(seen.order, whole=seen.whole, filled_at=seen.filled_at)

    def miss(self, *, missing: bool = True) -> None:
        """Drop what the account does from now on, without an interruption: the worst that a stream can do."""
        self._missing = missing

    def cut(self, why: str = "cut") -> None:
        """End the connection; the stream connects again when its permit is given."""
        if self.connected and self.reader is not None:
            self._connected.clear()
            self._held = None if self._held is None else []
            if self._meanwhile:
                self._meanwhile.clear()
            self.reader.interrupted(why)
        self._cut.set()

    def fail(self, error: Exception) -> None:
        """End `run` with an error, such as StreamRefused; also the next one, until `mend`."""
        self._error = error
        self.cut(str(error))

    def mend(self) -> None:
        """Let the next `run` connect again."""
        self._error = None

    def _tell(self, row: Callable[[StreamReader], None]) -> None:
        """Tell the reader now, or after the comparison that it makes; and not at all while the stream is cut."""
        reader = self.reader
        if reader is None or not self.connected:
            return
        if self._meanwhile is not None:
            self._meanwhile.append(lambda: row(reader))
        else:
            row(reader)

    def _happened(self, order: VenueOrder) -> None:
        if self._missing:
            return
        if self._held is not None and self.connected:
            self._held.append(OrderSeen(order, self.whole, None))
        else:
            self.show(order, whole=self.whole)
