"""One connection: the greeting, the requests and their answers, a heartbeat when nothing else is said.

A subscription that is refused leaves the others as they are; one message may name many symbols, each with an answer of its own.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Final, Protocol

from services.paper_exchange.core.account import Permission
from services.paper_exchange.kraken.streams import errors
from services.paper_exchange.kraken.streams.channels.balances import Balances
from services.paper_exchange.kraken.streams.channels.executions import ExecutionOptions, Executions
from services.paper_exchange.kraken.streams.channels.instrument import Instruments
from services.paper_exchange.kraken.streams.channels.prices import Candles, Ticker
from services.paper_exchange.kraken.streams.context import StreamContext
from services.paper_exchange.kraken.streams.errors import StreamRefusal, unknown_pair
from services.paper_exchange.kraken.streams.limits import MessageLimit
from services.paper_exchange.kraken.streams.requests import PER_SYMBOL, PRIVATE, Head, Request, read_head, read_request
from services.paper_exchange.kraken.streams.tokens import Token
from services.paper_exchange.kraken.streams.wire import Shape, dump, micros
from services.paper_exchange.streaming.outbox import Outbox, Outlet
from services.paper_exchange.streaming.register import LiveStream

VERSION: Final = "2.0.10"
HEARTBEAT: Final = '{"channel":"heartbeat"}'
EVERY: Final = 1.0
"""Seconds between heartbeats."""
NEEDS: Final = {
    "executions": frozenset({Permission.QUERY_OPEN_ORDERS, Permission.QUERY_CLOSED_ORDERS}),
    "balances": frozenset({Permission.QUERY_FUNDS}),
}
"""What a key must be allowed to read for a private channel (inferred from the REST calls with the same content)."""


class Line(Outlet, Protocol):
    """What a connection needs of its socket."""

    async def text(self) -> str:
        """Wait for the next text of the client."""
        ...


class Subscription(Protocol):
    """One channel of a connection, or one symbol of it."""

    channel: str
    symbol: str

    @property
    def result(self) -> Shape:
        """Return what the acknowledgement says of it."""
        ...

    @property
    def ended(self) -> Shape:
        """Return what the acknowledgement of its end says of it."""
        ...

    def start(self) -> None:
        """Send the snapshot, then updates."""
        ...

    def second(self) -> None:
        """Note that a second has passed."""
        ...

    def stop(self) -> None:
        """Send nothing more."""
        ...


class Connection:
    """One connection of a client."""

    def __init__(self, context: StreamContext, line: Line, live: LiveStream, limit: MessageLimit | None) -> None:
        self._context = context
        self._line = line
        self._live = live
        self._limit = limit
        self._outbox = Outbox(line, live, context.faults, context.clock)
        self._subscriptions: dict[tuple[str, str], Subscription] = {}
        self._number = 2**63 + secrets.randbelow(2**63)  # as recorded ones: too large for a float
        self._system = ""
        self._heard = 0

    async def run(self) -> None:
        """Serve the connection until it ends, or this is cancelled."""
        self.greet()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._count_seconds())
                while True:
                    self.answer(await self._line.text())
        finally:
            self.end()

    def greet(self) -> None:
        """Send the status of the venue, unasked."""
        self._tell_status()

    def end(self) -> None:
        """Stop all subscriptions."""
        for subscription in self._subscriptions.values():
            subscription.stop()
        self._subscriptions.clear()
        self._outbox.end()

    def answer(self, text: str) -> None:
        """Answer one message of the client."""
        time_in = self._context.clock.now()
        if self._limit is not None and not self._limit.admits(time_in):
            self._outbox.reply(errors.MESSAGE_RATE)
            return
        head = read_head(text)
        try:
            request = read_request(head)
            if head.method == "ping":
                self._outbox.reply(dump(_answer(head, {"method": "pong"}, self._times(time_in))))
            else:
                self._each(request, self._subscribe if head.method == "subscribe" else self._unsubscribe, time_in)
        except StreamRefusal as refusal:
            self._refuse(head, refusal, time_in)

    def second(self) -> None:
        """Note that a second has passed."""
        for subscription in list(self._subscriptions.values()):
            subscription.second()
        if self._context.exchange.rules.mode(self._live.user) != self._system:
            self._tell_status()
        idle = self._live.messages == self._heard
        self._outbox.second(sorted(self._live.channels), HEARTBEAT if idle else "")
        self._heard = self._live.messages

    async def _count_seconds(self) -> None:
        while True:
            await asyncio.sleep(EVERY)
            self.second()

    def _each(self, request: Request, act: Callable[[Request, str, float], None], time_in: float) -> None:
        """Act once, or for each symbol; the refusal of one is not that of others."""
        for symbol in request.symbols if request.channel in PER_SYMBOL else [""]:
            try:
                act(request, symbol, time_in)
            except StreamRefusal as found:
                self._refuse(request.head, StreamRefusal(str(found), symbol), time_in)

    def _subscribe(self, request: Request, symbol: str, time_in: float) -> None:
        channel = request.channel
        token = self._token(request) if channel in PRIVATE else None
        if (channel, symbol) in self._subscriptions:
            raise StreamRefusal(errors.ALREADY, symbol)
        made = self._open(request, symbol, token)
        self._subscriptions[channel, symbol] = made
        self._live.channels.add(channel)
        if token is not None:
            self._context.register.identified(self._live, token.key.account.user, token.key.name)
        outcome: Shape = {"result": made.result, "success": True}
        self._outbox.reply(dump(_answer(request.head, {"method": "subscribe"}, outcome | self._times(time_in))))
        made.start()

    def _unsubscribe(self, request: Request, symbol: str, time_in: float) -> None:
        if request.channel in PRIVATE:
            self._token(request)
        ended = self._subscriptions.pop((request.channel, symbol), None)
        if ended is None:
            raise StreamRefusal(errors.NOT_SUBSCRIBED, symbol)
        ended.stop()
        self._live.channels = {each.channel for each in self._subscriptions.values()}
        outcome: Shape = {"result": ended.ended, "success": True}
        self._outbox.reply(dump(_answer(request.head, {"method": "unsubscribe"}, outcome | self._times(time_in))))

    def _open(self, request: Request, symbol: str, token: Token | None) -> Subscription:
        context, outbox = self._context, self._outbox
        if token is not None and request.channel == "executions":
            return Executions(context, outbox, token, _options(request))
        snapshot = request.flag("snapshot", True)
        if token is not None:
            return Balances(context, outbox, token, snapshot=snapshot)
        if request.channel == "instrument":
            return Instruments(context, outbox, snapshot=snapshot)
        if symbol not in context.exchange.market.feeds:
            raise unknown_pair(symbol)
        if request.channel == "ticker":
            return Ticker(context, outbox, symbol, snapshot=snapshot, event_trigger=request.event_trigger)
        return Candles(context, outbox, symbol, snapshot=snapshot, interval=request.interval)

    def _token(self, request: Request) -> Token:
        """Return the token of a private channel. Raises StreamRefusal."""
        text = request.params.get("token")
        if not isinstance(text, str) or not text:
            raise StreamRefusal(errors.NO_TOKEN)
        token = self._context.tokens.find(text, self._context.clock.now())
        if token is None:
            raise StreamRefusal(errors.INVALID_SESSION)
        faults, user = self._context.faults, token.key.account.user
        if request.head.method == "subscribe" and faults.armed:
            if faults.effect("stream_refused_1008", user, request.channel):
                self._line.close(1008, "policy violation")
                raise StreamRefusal(errors.INVALID_SESSION)  # never sent: the close frame was the last word
            if faults.effect("stream_token_refused", user, request.channel):
                raise StreamRefusal(errors.INVALID_SESSION)
        if not NEEDS[request.channel] <= token.key.permissions:
            raise StreamRefusal(errors.PERMISSION_DENIED)
        return token

    def _refuse(self, head: Head, refusal: StreamRefusal, time_in: float) -> None:
        answer: Shape = {"error": str(refusal)}
        if head.method:  # the failure of an `unsubscribe` is called that of a `subscribe`, as recorded
            answer["method"] = "subscribe" if head.method == "unsubscribe" else head.method
        outcome: Shape = {"success": False}
        if refusal.symbol:
            outcome["symbol"] = refusal.symbol
        self._outbox.reply(dump(_answer(head, answer, outcome | self._times(time_in))))

    def _times(self, time_in: float) -> Shape:
        return {"time_in": micros(time_in), "time_out": micros(self._context.clock.now())}

    def _tell_status(self) -> None:
        self._system = str(self._context.exchange.rules.mode(self._live.user))
        status = {"api_version": "v2", "connection_id": self._number, "system": self._system, "version": VERSION}
        self._outbox.reply(dump({"channel": "status", "data": [status], "type": "update"}))


def _answer(head: Head, first: Shape, last: Shape) -> Shape:
    """Return an answer with the client's own number of the request where the venue has it."""
    return first | ({} if head.req_id is None else {"req_id": head.req_id}) | last


def _options(request: Request) -> ExecutionOptions:
    """Return the options of `executions`; the deprecated names count where the present ones are missing."""
    default = ExecutionOptions()
    snapshot = request.flag("snapshot", default.snap_orders)
    trades_alone = request.flag("snapshot_trades", default=False)
    return ExecutionOptions(
        request.flag("snap_orders", snapshot and not trades_alone),
        request.flag("snap_trades", trades_alone),
        request.flag("order_status", default.order_status),
        request.flag("ratecounter", default.ratecounter),
    )
