"""The private stream of one Coinbase account: one connection with the channels `heartbeats` and `user`.

Each message that subscribes carries a token of its own. Open orders come first, in batches of fifty; the stream counts as seen
once they are in. Whatever may have been lost before or between leads to a comparison by REST. Deposits are not told here.

It must never log a token, and never tell anything of an order that it has not read as a whole. Sources: docs.cdp.coinbase.com,
WebSocket channels; COINBASE.md, C22 to C28.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import structlog

from shared.venues.answers import UNREADABLE, instant
from shared.venues.coinbase.public import CoinbasePublic
from shared.venues.coinbase.streaming.orders import OrderTable
from shared.venues.coinbase.streaming.products import OrderProducts
from shared.venues.coinbase.transport import CoinbaseApi
from shared.venues.errors import Unavailable, presentable
from shared.venues.stream import ConnectPermit, StreamReader, StreamRefused
from shared.venues.streaming.attempts import Attempts
from shared.venues.streaming.connection import StreamAddress, StreamConnection, StreamEnded, UnreadableMessage
from shared.venues.streaming.coverage import Coverage
from shared.venues.streaming.delivery import Delivery, Unclear
from shared.venues.streaming.sequence import Sequence
from shared.venues.venue_clock import VenueTime

USER: Final = "user"
HEARTBEATS: Final = "heartbeats"
SUBSCRIPTIONS: Final = "subscriptions"
BATCH: Final = 50
"""Orders of a full batch of the snapshot; the last batch has fewer."""
_SUBSCRIBED_WITHIN: Final = 10.0
"""Seconds within which a subscription has to be acknowledged."""
_SNAPSHOT_WITHIN: Final = 3.0
"""Seconds after the acknowledgement, or the last batch, within which a batch is waited for."""
_REFUSALS: Final = 5
"""Refused tokens in a row after which the key counts as one without streams: valid ones are refused now and then (C7)."""
_REFUSED: Final = ("authentication", "unauthorized", "permission", "jwt")
_NO_STREAM: Final = "Coinbase refuses this key's streams; it is polled"

_log = structlog.get_logger(__name__)


@dataclass
class _Account:
    """What all connections of one account's stream share."""

    address: StreamAddress
    api: CoinbaseApi
    public: CoinbasePublic
    clock: VenueTime
    table: OrderTable
    sequence: Sequence
    refusals: int = 0


class CoinbaseStream:
    """The stream of a key's account; see `PrivateStream`."""

    shows_funds = False

    def __init__(
        self,
        address: StreamAddress,
        api: CoinbaseApi,
        public: CoinbasePublic,
        products: OrderProducts,
        attempts: Attempts,
        *,
        clock: VenueTime,
    ) -> None:
        table = OrderTable(products, public.is_ambiguous)
        self._account = _Account(address, api, public, clock, table, Sequence())
        self._attempts = attempts

    async def run(self, reader: StreamReader, permit: ConnectPermit) -> NoReturn:
        """Connect, subscribe and tell, for ever; see the port."""
        await self._attempts.run(self._attempt, reader, permit)

    async def _attempt(self, delivery: Delivery, seen: Callable[[str], None]) -> None:
        account = self._account
        account.sequence.begin()
        await account.public.instruments()
        if not account.clock.measured:  # tokens are dated by the venue's time
            await account.public.ask_time()
        async with account.address.connect() as connection:
            await _Session(account, connection, delivery, Coverage(account.public.name, delivery, seen)).run()


@dataclass
class _Session:
    """One connection."""

    account: _Account
    connection: StreamConnection
    delivery: Delivery
    coverage: Coverage
    waiting_since: float | None = None
    """When the acknowledgement or the last batch came, while more may come."""
    beat: int | None = None
    tokens: list[str] = field(default_factory=list, repr=False)

    async def run(self) -> NoReturn:
        """Subscribe and read until the connection ends. Raises StreamRefused, Rejected, Unavailable."""
        began = _now()
        await self._subscribe(HEARTBEATS)
        await self._subscribe(USER)
        while True:
            try:
                self._take(await self.connection.receive())
            except UnreadableMessage as unreadable:
                self.coverage.lost(str(unreadable))
            self._check_patience(began)

    async def _subscribe(self, channel: str) -> None:
        token = await self.account.api.stream_token()
        self.tokens.append(token)
        await self.connection.send({"type": "subscribe", "channel": channel, "jwt": token})

    def _check_patience(self, began: float) -> None:
        """Called after each message, of which a heartbeat is one a second."""
        if self.coverage.begun:
            return
        if self.waiting_since is not None and _now() - self.waiting_since > _SNAPSHOT_WITHIN:
            self.coverage.begin("connected; the snapshot has no end")
        elif self.waiting_since is None and _now() - began > _SUBSCRIBED_WITHIN:
            raise StreamEnded("the subscription was not acknowledged")

    def _take(self, message: Mapping[str, Any]) -> None:
        channel = message.get("channel")
        if message.get("type") == "error":
            self._refused(message.get("message"))
        if not isinstance(channel, str):
            self.coverage.wonder(f"{message.get('type')}")
            return
        if not self.account.sequence.follows(channel, message.get("sequence_num")):
            self.coverage.lost(f"a gap before {channel}")
        events = message.get("events")
        if not isinstance(events, list) or not all(isinstance(event, dict) for event in events):
            self.coverage.lost(f"a message of {channel} cannot be read")
        elif channel == USER:
            self._take_orders(message, events)
        elif channel == HEARTBEATS:
            for event in events:
                self._take_beat(event.get("heartbeat_counter"))
        elif channel == SUBSCRIPTIONS:
            self._take_subscriptions(events)
        else:
            self.coverage.wonder(channel)

    def _take_orders(self, message: Mapping[str, Any], events: list[dict[str, Any]]) -> None:
        self.account.refusals = 0
        try:
            at = instant(message["timestamp"])
        except UNREADABLE:
            at = self.account.clock()
        for event in events:
            rows, kind = event.get("orders"), event.get("type")
            if not isinstance(rows, list) or kind not in {"snapshot", "update"}:
                self.coverage.lost("an event of user cannot be read")
            elif kind == "snapshot":
                self._take_batch(rows, at)
            else:
                self._tell(rows, at)

    def _take_batch(self, rows: list[Any], at: int) -> None:
        self.account.table.snapshot(rows, at)
        self._note_strange_rows()
        if len(rows) < BATCH or self.coverage.begun:
            self.coverage.begin("another snapshot" if self.coverage.begun else "connected")
        else:
            self.waiting_since = _now()

    def _tell(self, rows: list[Any], at: int) -> None:
        told = self.account.table.update(rows, at)
        self._note_strange_rows()
        for each in told:
            if isinstance(each, Unclear) and not each.venue_order_id:
                self.coverage.lost(each.why)
            elif self.coverage.begun:  # what comes before is covered by the first comparison
                self.delivery.tell(each)

    def _take_beat(self, counter: object) -> None:
        number = int(counter) if isinstance(counter, str) and counter.isascii() and counter.isdigit() else counter
        if not isinstance(number, int):
            return
        if self.beat is not None and number != self.beat + 1:
            self.coverage.lost("a gap between heartbeats")
        self.beat = number

    def _take_subscriptions(self, events: list[dict[str, Any]]) -> None:
        named = [event.get("subscriptions") for event in events]
        if self.waiting_since is None and any(isinstance(each, dict) and USER in each for each in named):
            self.waiting_since = _now()

    def _refused(self, said: object) -> NoReturn:
        words = said if isinstance(said, str) else "no reason"
        for token in self.tokens:
            words = words.replace(token, "[token]")
        words = presentable(words)
        if any(part in words.lower() for part in _REFUSED):
            self.account.refusals += 1
            if self.account.refusals >= _REFUSALS:
                self.account.refusals = 0
                raise StreamRefused(f"{_NO_STREAM}: {words}")
        raise Unavailable(f"Coinbase's stream: {words}")

    def _note_strange_rows(self) -> None:
        self.account.public.rows.note(USER, self.account.table.left_out)


def _now() -> float:
    return asyncio.get_running_loop().time()
