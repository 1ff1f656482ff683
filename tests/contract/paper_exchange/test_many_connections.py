"""Many clients at once, each on a connection that it keeps: every order is taken, and taken once."""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from collections import Counter
from urllib.parse import urlencode

from services.paper_exchange.kraken.gate import sign
from tests.contract.paper_exchange.conftest import Start

CONNECTIONS = 8
ORDERS = 100  # per connection


def signed(account: dict[str, str], number: int) -> bytes:
    nonce = str(time.time_ns())
    kind = {"ordertype": "market"} if number % 2 else {"ordertype": "limit", "price": "50000"}
    fields = {"nonce": nonce, "pair": "XBTUSD", "type": "buy", "volume": "0.001", "cl_ord_id": f"rate-{number}", **kind}
    body = urlencode(fields).encode()
    signature = sign(b64decode(account["api_secret"]), "/0/private/AddOrder", nonce, body).decode()
    head = (
        "POST /0/private/AddOrder HTTP/1.1\r\nHost: paper\r\nUser-Agent: rate\r\n"
        f"API-Key: {account['api_key']}\r\nAPI-Sign: {signature}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def send(port: int, requests: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert (await reader.readexactly(length)).startswith(b'{"error":[],')
    writer.close()
    await writer.wait_closed()


async def test_signed_orders_of_many_connections_at_once_are_each_taken_once(start: Start) -> None:
    """Case N17: how fast it takes them is measured by `make bench` (part `paper`): a busy machine says nothing about that."""
    paper = start()
    accounts = [paper.account(f"rate{i}", tier="unlimited", balances={"USD": "1000000"}) for i in range(CONNECTIONS)]
    batches = [[signed(account, number) for number in range(ORDERS)] for account in accounts]
    port = int(paper.url.rsplit(":", 1)[1])
    await asyncio.gather(*(send(port, batch) for batch in batches))
    orders = paper.get("orders")
    assert Counter(order["user"] for order in orders) == {f"rate{i}": ORDERS for i in range(CONNECTIONS)}
    assert len({(order["user"], order["client_order_id"]) for order in orders}) == CONNECTIONS * ORDERS
