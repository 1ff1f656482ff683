"""The floors: what one follower's order costs at least on this machine, on blocking sockets and without any Shoal.

Each step is measured by itself, paced so that nothing queues, on the same Redis (same AOF setting) and the same venue as
everything else of the run. The sum for one follower is two wake-ups of a process through a stream (signal to engine, order to
executor), one INCR (the nonce), one signature and one HTTP exchange.
"""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import redis
from coinbase.jwt_generator import build_rest_jwt

from shared.config.keys.coinbase_key import parse_secret
from shared.venues.coinbase.transport import SigningKey
from tests.bench.accounts import Account, make_accounts
from tests.bench.signing import Signer
from tests.bench.waker import STREAM, Waker

PACE: Final = 0.005
"""Seconds from one sample to the next."""
_WARM: Final = 20
_URI: Final = "POST api.coinbase.com/api/v3/brokerage/orders"
_NOW: Final = 1_790_000_000
_ENTRY: Final = {f"field_{number}": "0.00497782" for number in range(20)}
"""About as long as a signal."""


@dataclass(frozen=True, slots=True)
class Floors:
    """Medians in microseconds."""

    incr: float
    xadd: float
    wake_up: float
    sign: float
    http: float
    token: float
    """An ES256 token for one request of Coinbase's, with the key parsed once; not in the sum, which is of an order at Kraken."""
    parsed_token: float
    """The same as coinbase-advanced-py makes it, which parses the key for each."""

    @property
    def sum(self) -> float:
        """What one follower's order takes at least."""
        return 2 * self.wake_up + self.incr + self.sign + self.http


def measure_floors(redis_port: int, venue_port: int, account: Account, samples: int) -> Floors:
    """Measure all of them."""
    client = redis.Redis(port=redis_port, decode_responses=True)
    signer = Signer(account, f"127.0.0.1:{venue_port}")
    [other] = make_accounts(1, "coinbase")
    key = SigningKey(other.key, parse_secret(other.secret))
    with client, socket.create_connection(("127.0.0.1", venue_port)) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        floors = Floors(
            incr=_median(lambda: client.incr("bench:incr"), samples),
            xadd=_median(lambda: client.xadd("bench:xadd", _ENTRY), samples),  # type: ignore[arg-type]  # redis-py's union
            wake_up=_wake_ups(client, redis_port, samples),
            sign=_median(signer.sign, samples),
            http=_http(link, signer, samples),
            token=_median(lambda: key.token(_URI, not_before=_NOW, expires=_NOW + 7), samples),
            parsed_token=_median(lambda: build_rest_jwt(_URI, other.key, other.secret), samples),
        )
        client.delete("bench:incr", "bench:xadd", STREAM)
    return floors


def _median(work: Callable[[], object], samples: int) -> float:
    taken = []
    for _ in range(samples + _WARM):
        began = time.perf_counter_ns()
        work()
        taken.append((time.perf_counter_ns() - began) / 1_000)
        time.sleep(PACE)
    return statistics.median(taken[_WARM:])


def _http(link: socket.socket, signer: Signer, samples: int) -> float:
    """Time exchanges alone: what is sent is signed before."""
    taken = []
    for _ in range(samples + _WARM):
        request = signer.request()
        began = time.perf_counter_ns()
        link.sendall(request)
        answer = link.recv(65_536)
        taken.append((time.perf_counter_ns() - began) / 1_000)
        if b'"error":[]' not in answer:
            raise ValueError("the venue refused an order of the floor's client")
        time.sleep(PACE)
    return statistics.median(taken[_WARM:])


def _wake_ups(client: redis.Redis, port: int, samples: int) -> float:
    """Time from before the XADD until another process, which waits in XREADGROUP, has the entry in hand."""
    with Waker(client, port) as waker:
        began = []
        for _ in range(samples + _WARM):
            began.append(time.monotonic_ns())
            client.xadd(STREAM, _ENTRY)  # type: ignore[arg-type]  # redis-py's union
            time.sleep(PACE)
        woken = waker.woken(len(began))
    return statistics.median((end - start) / 1_000 for start, end in zip(began[_WARM:], woken[_WARM:], strict=True))
