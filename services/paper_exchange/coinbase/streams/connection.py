"""One connection from its first message to its end: its subscriptions, and what the venue demands of it.

    message -> limit of unauthenticated messages -> token -> scope -> products -> snapshot -> acknowledgement

The snapshot comes before the acknowledgement, which lists all subscriptions of the connection (recorded, 2026-09).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Protocol

from services.paper_exchange.coinbase.call import Shape
from services.paper_exchange.coinbase.portfolios import Portfolio
from services.paper_exchange.coinbase.products import PRODUCTS
from services.paper_exchange.coinbase.routes import Scope
from services.paper_exchange.coinbase.scopes import rights_of
from services.paper_exchange.coinbase.streams.heartbeats import HEARTBEATS, Heartbeats
from services.paper_exchange.coinbase.streams.market import CHANNELS
from services.paper_exchange.coinbase.streams.messages import (
    AUTHENTICATION_FAILURE,
    RATE_LIMITED,
    UNKNOWN_PRODUCT,
    ChannelRequest,
    RefusedMessage,
    error_text,
    parse,
)
from services.paper_exchange.coinbase.streams.outbox import ConnectionOutbox
from services.paper_exchange.coinbase.streams.schedule import CallLater, Schedule
from services.paper_exchange.coinbase.streams.statistics import Statistics
from services.paper_exchange.coinbase.streams.user import USER, UserChannel
from services.paper_exchange.coinbase.token import BadToken, check_stream
from services.paper_exchange.coinbase.venue import CoinbaseVenue
from services.paper_exchange.coinbase.view import traded
from services.paper_exchange.core.account import ApiKey
from services.paper_exchange.sockets import Socket
from services.paper_exchange.streaming.register import LiveStream

FIRST_SUBSCRIBE: Final = 5.0
"""Seconds within which the first subscription must come (docs.cdp.coinbase.com, WebSocket overview)."""


class Channel(Protocol):
    """One subscription of a connection."""

    @property
    def names(self) -> list[str]:
        """Return what the acknowledgement lists."""
        ...

    def add(self, product_ids: Iterable[str]) -> None:
        """Subscribe to products and send their snapshot; none are all."""
        ...

    def remove(self, product_ids: Iterable[str]) -> bool:
        """Unsubscribe from products; none are all. Return whether some are left."""
        ...

    def close(self) -> None:
        """Stop."""
        ...


class Connection:
    """One open connection. `counts` returns whether its address may send another unauthenticated message."""

    def __init__(
        self,
        socket: Socket,
        live: LiveStream,
        venue: CoinbaseVenue,
        statistics: Statistics,
        call_later: CallLater,
        *,
        counts: Callable[[], bool],
        identify: Callable[[str, str], None],
        claim: Callable[[str, Connection], None],
        idle_most: float,
    ) -> None:
        """`identify` notes the user and the key of a token; `claim` makes this the one user connection of a user.

        An idle connection is closed after `idle_most` seconds.
        """
        self.socket = socket
        self.live = live
        self.channels: dict[str, Channel] = {}
        self._venue = venue
        self._statistics = statistics
        self._counts = counts
        self._identify = identify
        self._claim = claim
        self._idle_most = idle_most
        self._subscribed = False
        self._schedule = Schedule(call_later)
        self._out = ConnectionOutbox(socket, live, venue)
        self._schedule.every(1.0, self._second, lambda: True)
        self._schedule.after(FIRST_SUBSCRIBE, self._check_subscribed)
        self._schedule.after(idle_most, self._check_idle)

    def receive(self, text: str) -> None:
        """Answer one message of the client."""
        try:
            self._handle(parse(text))
        except RefusedMessage as refused:
            self._out.error(error_text(str(refused)))

    def close(self) -> None:
        """Stop everything that would send."""
        self._schedule.end()
        self._out.end()
        while self.channels:
            self.channels.popitem()[1].close()

    def _handle(self, request: ChannelRequest) -> None:
        key = self._key(request.jwt) if request.jwt else None
        if key is None and not self._counts():
            raise RefusedMessage(RATE_LIMITED)
        self._subscribed |= request.subscribes  # whatever comes of it: with a wrong token the connection stays
        self._check_access(request, key)
        for each in request.product_ids:
            if each not in PRODUCTS or not traded(self._venue.exchange, PRODUCTS[each]):
                raise RefusedMessage(UNKNOWN_PRODUCT)
        if request.subscribes:
            self._subscribe(request, key)
        else:
            self._unsubscribe(request)
        self.live.channels = set(self.channels)
        subscriptions: Shape = {name: channel.names for name, channel in self.channels.items()}
        self._out.reply("subscriptions", {"subscriptions": subscriptions})

    def _key(self, jwt: str) -> ApiKey | None:
        try:
            token = check_stream(jwt, self._venue.now(), self._venue.public_keys.get)
        except BadToken:
            return None
        return self._venue.exchange.keys[token.key_name]

    def _check_access(self, request: ChannelRequest, key: ApiKey | None) -> None:
        """Raise RefusedMessage for a wrong token, on public channels too; for one without the right; for no channel."""
        private = request.channel == USER
        if request.channel not in {USER, HEARTBEATS, *CHANNELS} or (key is None and (request.jwt or private)):
            raise RefusedMessage(AUTHENTICATION_FAILURE)
        if key is None:
            return
        self._identify(key.account.user, key.name)
        lacks_right = private and Scope.VIEW not in rights_of(self._venue.exchange, key)
        if lacks_right or (request.subscribes and self._out.strikes("stream_token_refused", request.channel)):
            raise RefusedMessage(AUTHENTICATION_FAILURE)

    def _subscribe(self, request: ChannelRequest, key: ApiKey | None) -> None:
        self._venue.exchange.catch_up()
        portfolio = self._venue.portfolio(key) if key is not None and request.channel == USER else None
        channel = self.channels.get(request.channel)
        if isinstance(channel, UserChannel) and channel.portfolio is not portfolio:
            channel.close()  # another key's: nothing of the one may reach the other
            channel = None
        if channel is None:
            channel = self.channels[request.channel] = self._open(request.channel, portfolio)
        channel.add(request.product_ids)

    def _open(self, name: str, portfolio: Portfolio | None) -> Channel:
        exchange = self._venue.exchange
        if portfolio is not None:
            self._claim(portfolio.user, self)
            return UserChannel(self._out, self._schedule, exchange, portfolio)
        if name == HEARTBEATS:
            return Heartbeats(self._out, exchange)
        return CHANNELS[name](self._out, self._schedule, exchange, self._statistics)

    def _unsubscribe(self, request: ChannelRequest) -> None:
        channel = self.channels.get(request.channel)
        if channel is not None and not channel.remove(request.product_ids):
            del self.channels[request.channel]
            channel.close()

    def _second(self) -> None:
        self._out.second()
        beats = self.channels.get(HEARTBEATS)
        if isinstance(beats, Heartbeats):
            beats.beat()

    def _check_subscribed(self) -> None:
        if not self._subscribed:
            self.socket.cut()

    def _check_idle(self) -> None:
        """Close the connection if nothing was sent for too long; heartbeats are something."""
        exchange = self._venue.exchange
        left = self._out.sent_at + self._idle_most - exchange.clock.now()
        if left > 0:
            self._schedule.after(left, self._check_idle)
        else:
            self.socket.close()
