"""The path of an order and nothing else: `python -m tests.bench.peers.bare_path`, told what to do by one JSON object on stdin.

Two processes in the places of Shoal's engine and executor, on Shoal's bus, write-ahead script and HTTP: a message per user into
his stream, read from there, recorded, signed, sent. Nothing is read of anybody, decided, limited or settled. It is the floor of
this shape in this language: what Shoal takes beyond it is what deciding and safety cost.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import uvloop

from services.executor.turn.stream_readers import NEIGHBOURS
from shared.bus.client.template import CommandTemplate
from shared.bus.connection import Bus, open_bus
from shared.bus.flow.streams import Entry, Group
from shared.bus.scripts import load
from shared.config.keys.coinbase_key import parse_secret
from shared.contracts import keys
from shared.contracts.messages import OrderMessage
from shared.domain.order import order_id
from shared.venues.coinbase.transport import CoinbaseApi, SigningKey, request_text
from shared.venues.factory import HttpSession, new_http_session
from shared.venues.kraken.transport import KrakenApi
from shared.venues.venue_clock import venue_time
from tests.bench.peers.pool import STREAM
from tests.bench.peers.replaced import READY
from tests.support.examples import a_copied_entry

_FIRST_CHUNK, _LARGEST_CHUNK = 16, 256
"""As the engine's roster has them."""
_TIMEOUT: Final = 5.0
_TOKEN: Final = "1"
_RECORD: Final = {
    "symbol": "BTC/USD", "side": "buy", "client_order_id": "00000000-0000-5000-8000-000000000000", "size": "0.01",
    "limit_price": "60300", "sent_at": "1790000000000", "deadline_at": "1790000005000", "entry_id": "1790000000000-0",
}  # fmt: skip
_FORM: Final = {
    "pair": "XBTUSD", "type": "buy", "ordertype": "limit", "volume": "0.01", "price": "60300.0", "timeinforce": "IOC",
    "deadline": "2026-11-23T00:00:00.000Z", "oflags": "fciq",
}  # fmt: skip

_REQUEST: Final = {
    "product_id": "BTC-USD", "side": "BUY",
    "order_configuration": {"sor_limit_ioc": {"base_size": "0.01", "limit_price": "60300"}},
}  # fmt: skip


async def _carry(told: dict[str, Any]) -> None:
    """Write a message into every user's stream for each signal."""
    users = [user for user, _, _ in told["accounts"]]
    example = OrderMessage.from_domain(a_copied_entry()).fields()
    places = {1, 2} | {4 + 2 * number for number, name in enumerate(example) if name in {"id", "user"}}
    template = CommandTemplate(["XADD", "", "", *(word for pair in example.items() for word in pair)], places)
    async with open_bus(_url(told), "bare-engine") as bus:
        group = Group(bus, keys.ENGINE)
        await group.ensure([STREAM])
        while True:
            for entry in await group.read_new([STREAM], 1, 1_000, renew=False):
                first, size = 0, _FIRST_CHUNK
                while first < len(users):
                    chunk = users[first : first + size]
                    await bus.do_all([_message(template, entry, user, told["venue"]) for user in chunk])
                    first, size = first + size, min(2 * size, _LARGEST_CHUNK)
                await group.ack(STREAM, entry.id)


def _message(template: CommandTemplate, entry: Entry, user: str, venue: str) -> bytes:
    return template.filled(keys.orders(user), entry.id, order_id(entry.fields["id"], user, venue), user)


class _Sender:
    """Reads what is for its users, and sends an order for each."""

    def __init__(self, bus: Bus, apis: Mapping[str, KrakenApi | CoinbaseApi]) -> None:
        self._bus = bus
        self._apis = apis
        self._group = Group(bus, keys.EXECUTOR)
        self._script = load("begin_send")
        self._record = [word for pair in _RECORD.items() for word in pair]
        self._users = {keys.orders(user): user for user in apis}

    async def run(self) -> None:
        """Send for ever. Raises an exception group if anything is refused."""
        streams = list(self._users)
        await self._bus.do_all([("SET", keys.fence(user), _TOKEN) for user in self._apis])
        async with asyncio.TaskGroup() as tasks:
            for first in range(0, len(streams), NEIGHBOURS):
                await self._group.ensure(streams[first : first + NEIGHBOURS])
                tasks.create_task(self._read(streams[first : first + NEIGHBOURS], tasks))
            await self._bus.do("SET", READY, len(streams))

    async def _read(self, streams: list[str], tasks: asyncio.TaskGroup) -> None:
        while True:
            for entry in await self._group.read_new(streams, _LARGEST_CHUNK):
                tasks.create_task(self._send(self._users[entry.stream], entry.fields["id"]))

    async def _send(self, user: str, client_id: str) -> None:
        api, places = self._apis[user], [keys.fence(user), keys.order(user, client_id)]
        if isinstance(api, CoinbaseApi):
            await self._bus.run(self._script, places, [_TOKEN, "", 0, *self._record])
            expires = time.time_ns() // 1_000_000 + api.token_life_ms
            answer = await api.order(request_text({"client_order_id": client_id, **_REQUEST}), expires_at=expires)
            if not (answer.body or {}).get("success"):
                raise RuntimeError(f"orders: HTTP {answer.status}")
            return
        places.append(keys.nonce(user, "0" * 16))
        _, nonce, _ = await self._bus.run(self._script, places, [_TOKEN, time.time_ns() // 1_000, 0, *self._record])
        reply = await api.private("AddOrder", {**_FORM, "cl_ord_id": client_id}, int(nonce))
        if not reply.result:
            raise RuntimeError(f"AddOrder: {reply.texts}")


async def _send_all(told: dict[str, Any]) -> None:
    async with open_bus(_url(told), "bare-executor") as bus, new_http_session() as http:
        make = _coinbase if told["venue"] == "coinbase" else _kraken
        apis = {user: make(told["url"], http, key, secret) for user, key, secret in told["accounts"]}
        await _Sender(bus, apis).run()


def _kraken(url: str, http: HttpSession, key: str, secret: str) -> KrakenApi | CoinbaseApi:
    return KrakenApi(url=url, http=http, timeout=_TIMEOUT, api_key=key, api_secret=secret)


def _coinbase(url: str, http: HttpSession, key: str, secret: str) -> KrakenApi | CoinbaseApi:
    clock = venue_time(lambda: time.time_ns() // 1_000_000)
    return CoinbaseApi(url=url, http=http, timeout=_TIMEOUT, clock=clock, key=SigningKey(key, parse_secret(secret)))


def _url(told: dict[str, Any]) -> str:
    return f"redis://127.0.0.1:{told['redis_port']}/0"


def main() -> None:
    """Be the one that sends, and fork the one that carries."""
    told = json.loads(sys.stdin.readline())
    child = os.fork()
    if child == 0:
        uvloop.run(_carry(told))

    def end(number: int, _frame: object) -> None:
        os.kill(child, signal.SIGKILL)
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    uvloop.run(_send_all(told))


if __name__ == "__main__":
    main()
