"""The design that Shoal replaces: `python -m tests.bench.peers.replaced`, told what to do by one JSON object on stdin.

One process takes signals from a queue and goes through the users in turn. Nonces come from a file per key under a lock, and two
private calls of a key are 200 ms apart, lest nonces overtake each other. `calls` is 1 (AddOrder) or 2 (Balance, then AddOrder);
with `threads` each signal starts a thread per user instead of going in turn.
"""

from __future__ import annotations

import fcntl
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Final, cast

import redis

from tests.bench.peers.krakenex_user import KrakenexUser

QUEUE: Final = "bench:queue"
READY: Final = "bench:ready"
SPACING: Final = 0.2
"""Seconds between two private calls of one key."""


class _Trader:
    """One user: his nonce file, and when his key was last used."""

    def __init__(self, url: str, account: tuple[str, str, str], folder: Path, calls: int) -> None:
        self._api = KrakenexUser(url, *account, nonces=_from_file(folder / f"{account[0]}.nonce"))
        self._calls = calls
        self._called = 0.0

    def trade(self, signal_id: str) -> None:
        """Carry out a signal."""
        if self._calls == 2:
            self._spaced(self._api.look_at_balance)
        self._spaced(lambda: self._api.buy(signal_id))

    def _spaced(self, call: Callable[[], None]) -> None:
        wait = self._called + SPACING - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        call()
        self._called = time.monotonic()


def _from_file(path: Path) -> Callable[[], int]:
    path.write_text(str(time.time_ns() // 1_000))

    def following() -> int:
        with path.open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            nonce = int(file.read()) + 1
            file.seek(0)
            file.write(str(nonce))
        return nonce

    return following


def main() -> None:
    """Serve the queue until killed."""
    told = json.loads(sys.stdin.readline())
    client = redis.Redis(port=told["redis_port"], decode_responses=True, socket_timeout=None)
    traders = [
        _Trader(told["url"], tuple(account), Path(told["folder"]), told["calls"]) for account in told["accounts"]
    ]
    client.set(READY, len(traders))
    while True:
        _, signal_id = cast("tuple[str, str]", client.blpop([QUEUE]))  # without a time-out it never answers None
        if told["threads"]:
            threads = [Thread(target=trader.trade, args=(signal_id,)) for trader in traders]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        else:
            for trader in traders:
                trader.trade(signal_id)


if __name__ == "__main__":
    main()
