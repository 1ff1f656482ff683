"""The order path must never be what limits a test of Shoal: more than 3,000 signed AddOrder a second on one core.

Measured in the exchange's own processor time, so that a busy machine makes the test slow and not wrong.
"""

from __future__ import annotations

import asyncio
import os
import time
from base64 import b64decode
from pathlib import Path
from urllib.parse import urlencode

import pytest

from services.paper_exchange.kraken.gate import sign
from tests.contract.paper_exchange.conftest import Paper, Start

CONNECTIONS = 8
ORDERS = 400  # per connection
FLOOR = 3000


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


def processor_seconds(paper: Paper) -> float:
    fields = Path(f"/proc/{paper.service.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads processor time from /proc")
async def test_one_core_takes_more_than_three_thousand_signed_orders_a_second(start: Start) -> None:
    paper = start()
    accounts = [paper.account(f"rate{i}", tier="unlimited", balances={"USD": "1000000"}) for i in range(CONNECTIONS)]
    batches = [[signed(account, number) for number in range(ORDERS)] for account in accounts]
    port = int(paper.url.rsplit(":", 1)[1])
    before = processor_seconds(paper)
    await asyncio.gather(*(send(port, batch) for batch in batches))
    spent = processor_seconds(paper) - before
    assert len(paper.get("orders")) == CONNECTIONS * ORDERS
    assert CONNECTIONS * ORDERS / spent > FLOOR
