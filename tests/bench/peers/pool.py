"""krakenex in a process per user: `python -m tests.bench.peers.pool`, told what to do by one JSON object on stdin.

Each process waits for signals on the stream by itself and takes its nonces from a counter in Redis. They are forked, so that what
a hundred imports cost is not what is measured.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any, Final, cast

import redis

from tests.bench.peers.krakenex_user import KrakenexUser
from tests.bench.peers.replaced import READY

STREAM: Final = "bench:pool"
_Rows = list[tuple[str, list[tuple[str, dict[str, str]]]]]


def _serve(told: dict[str, Any], account: tuple[str, str, str]) -> None:
    client = redis.Redis(port=told["redis_port"], decode_responses=True, socket_timeout=None)
    counter = f"bench:nonce:{account[0]}"
    client.set(counter, time.time_ns() // 1_000)
    api = KrakenexUser(told["url"], *account, nonces=lambda: client.incr(counter))
    last = "0-0"
    client.incr(READY)
    while True:
        [(_, entries)] = cast("_Rows", client.xread({STREAM: last}, block=0))
        for entry_id, fields in entries:
            api.buy(fields["id"])
            last = entry_id


def main() -> None:
    """Fork a process per user and wait until killed."""
    told = json.loads(sys.stdin.readline())
    children = []
    for account in told["accounts"]:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            try:
                _serve(told, tuple(account))
            finally:
                os._exit(1)
        children.append(child)

    def end(number: int, _frame: object) -> None:
        for child in children:
            os.kill(child, signal.SIGKILL)
        os._exit(128 + number)

    signal.signal(signal.SIGTERM, end)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
