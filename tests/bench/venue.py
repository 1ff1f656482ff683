"""The bench's venue: `python -m tests.bench.venue PORT`. A bare asyncio server that speaks the HTTP of both venues, nothing more.

Its cost is not Shoal's, so it is as small as checking allows: no framework, no matching. An answer can be held back by a fixed
delay, as if the exchange were that far away; an order counts as accepted when it is answered. The control routes (`/bench/...`)
are asked between rounds, but for `wait`, which is answered when so many orders are in.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import time
from typing import Any, Final, cast

import httptools
import uvloop

from tests.bench import coinbase_answers
from tests.bench.answers import private, public
from tests.bench.exchange import Exchange, Holder, Order

_ADD_ORDER: Final = b"/0/private/AddOrder"
_HEAD: Final = b"\r\nContent-Type: application/json\r\nContent-Length: "
_BACKLOG: Final = 8192


class Venue:
    """The exchange behind all connections, its delay, and who waits for how many orders."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.delay = 0.0
        self.connections = 0
        self._waiting: list[tuple[int, Connection]] = []
        self._accepted = 0

    def accept(self, order: Order) -> None:
        """Note that an order is answered now, and tell those who wait for it."""
        order.accepted = time.monotonic_ns()
        self._accepted += 1
        if self._waiting and self._accepted >= self._waiting[0][0]:
            for _, connection in self._waiting:
                connection.write(b"{}")
            self._waiting.clear()

    def wait(self, orders: int, connection: Connection) -> None:
        """Answer a connection once so many orders are accepted. One at a time waits."""
        if self._accepted >= orders:
            connection.write(b"{}")
        else:
            self._waiting = [(orders, connection)]

    def control(self, path: str, body: bytes) -> Any:
        """Carry out a control call."""
        exchange = self.exchange
        if path.startswith("/bench/orders/"):
            return [
                (order.user, order.client_id, order.nonce, order.arrived, order.accepted, order.connection)
                for order in exchange.orders[int(path.rpartition("/")[2]) :]
            ]
        if path == "/bench/accounts":
            for user, key, secret, venue in json.loads(body):
                if venue == "coinbase":
                    exchange.open_with_public_key(user, key, coinbase_answers.public_key(secret))
                else:
                    exchange.open_account(user, key, secret)
        elif path.startswith("/bench/delay/"):
            self.delay = float(path.rpartition("/")[2])
        return {
            "orders": len(exchange.orders),
            "calls": exchange.calls,
            "bad_signatures": exchange.bad_signatures,
            "bad_nonces": exchange.bad_nonces,
            "unread": exchange.unread,
        }


class Connection(asyncio.Protocol):
    """One client's connection; requests are answered in the order in which they came."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._number = venue.connections = venue.connections + 1
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._url = self._key = self._sign = self._token = self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read what came."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.close()

    def on_url(self, url: bytes) -> None:
        """Begin a request."""
        self._url, self._key, self._sign, self._token, self._body = url, b"", b"", b"", b""

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the headers that count."""
        if len(name) == 7 and name.lower() == b"api-key":
            self._key = value
        elif len(name) == 8 and name.lower() == b"api-sign":
            self._sign = value
        elif len(name) == 13 and name.lower() == b"authorization":
            self._token = value

    def on_body(self, body: bytes) -> None:
        """Keep the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        arrived = time.monotonic_ns()
        path, venue = self._url, self._venue
        if path.startswith(b"/0/private/"):
            self._private(path, arrived)
        elif path.startswith(coinbase_answers.PREFIX):
            self._coinbase(path, arrived)
        elif path.startswith(b"/bench/wait/"):
            venue.wait(int(path.rpartition(b"/")[2]), self)
        elif path.startswith(b"/bench/"):
            self.write(json.dumps(venue.control(path.decode(), self._body)).encode())
        else:
            self._later(public(path))

    def write(self, body: bytes, status: bytes = b"200 OK") -> None:
        """Send an answer."""
        if not self._transport.is_closing():
            self._transport.write(b"HTTP/1.1 %s%s%d\r\n\r\n%s" % (status, _HEAD, len(body), body))

    def _private(self, path: bytes, arrived: int) -> None:
        venue = self._venue
        holder = venue.exchange.admit(path, self._key, self._sign, self._body)
        if isinstance(holder, bytes):
            self._later(holder)
        elif path == _ADD_ORDER:
            self._order(holder, arrived)
        else:
            self._later(private(venue.exchange, holder, path, self._body))

    def _coinbase(self, path: bytes, arrived: int) -> None:
        if coinbase_answers.is_public(path):
            self._later(coinbase_answers.public(path))
            return
        exchange, verb = self._venue.exchange, self._parser.get_method().decode()
        holder = coinbase_answers.admit(exchange, verb, path, self._token)
        if holder is None:
            self._later(b"Unauthorized", status=b"401 Unauthorized")
        elif path == coinbase_answers.ORDERS:
            holder.nonce += 1  # it has none; the log's are in the order of arrival
            self._order(holder, arrived)
        else:
            self._later(coinbase_answers.private(exchange, holder, path))

    def _order(self, holder: Holder, arrived: int) -> None:
        order = self._venue.exchange.accept(holder, self._body, arrived, self._number)
        if self._venue.delay:
            asyncio.get_running_loop().call_later(self._venue.delay, self._accept, order)
        else:
            self._accept(order)

    def _accept(self, order: Order) -> None:
        if order.body.startswith(b"{"):
            self.write(coinbase_answers.accepted(order))
        else:
            self.write(b'{"error":[],"result":{"descr":{"order":""},"txid":["%s"]}}' % order.id.encode())
        self._venue.accept(order)

    def _later(self, body: bytes, status: bytes = b"200 OK") -> None:
        if self._venue.delay:
            asyncio.get_running_loop().call_later(self._venue.delay, self.write, body, status)
        else:
            self.write(body, status)


async def _serve(port: int) -> None:
    venue = Venue()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(venue), "127.0.0.1", port, backlog=_BACKLOG)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    gc.disable()  # its pauses over a long log of orders would look like Shoal's
    uvloop.run(_serve(int(sys.argv[1])))
