"""A scripted Coinbase and an account on it, closed after each test; repetitions wait for nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.config.keys.coinbase_key import parse_secret
from shared.domain.order import Side
from shared.domain.values.money import Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.transport import CoinbaseApi, SigningKey
from shared.venues.factory import HttpSession, open_coinbase
from shared.venues.port import OrderRequest, Outgoing
from shared.venues.venue_clock import ExactTime
from tests.unit.venues.coinbase_stub import CoinbaseStub
from tests.unit.venues.conftest import now

NAME: Final = "organizations/0a0b0c0d-1111-4222-8333-444455556666/apiKeys/77778888-9999-4aaa-8bbb-ccccddddeeee"
PRIVATE: Final = ec.derive_private_key(int.from_bytes(b"p" * 32), ec.SECP256R1())
SECRET: Final = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()

BTC: Final = Symbol("BTC", "USD")
TEXT: Final = (
    '{"client_order_id":"mine","product_id":"BTC-USD","side":"BUY",'
    '"order_configuration":{"market_market_ioc":{"base_size":"0.01"}}}'
)
"""The text of `request()`."""


def request(**parts: Any) -> OrderRequest:
    asked = OrderRequest("mine", BTC, Side.BUY, Quantity(Decimal("0.01"), "BTC"), None, now() + 30_000)
    return replace(asked, **parts)


class Recorder:
    """A `begin` that keeps what was about to leave, and how many orders had arrived by then."""

    def __init__(self, stub: CoinbaseStub) -> None:
        self._stub = stub
        self.outgoing: list[Outgoing] = []
        self.arrived: list[int] = []

    async def __call__(self, outgoing: Outgoing) -> int:
        self.outgoing.append(outgoing)
        self.arrived.append(len(self._stub.sent("orders")))
        return 0


@pytest.fixture
def begin(stub: CoinbaseStub) -> Recorder:
    return Recorder(stub)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("questions", "submission"):
        monkeypatch.setattr(f"shared.venues.coinbase.{module}.TOKEN_PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr("shared.venues.coinbase.history._BETWEEN_SCANS", 0.0)


@pytest.fixture
async def stub() -> AsyncIterator[CoinbaseStub]:
    server = CoinbaseStub()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
def api(stub: CoinbaseStub, http: HttpSession) -> CoinbaseApi:
    return CoinbaseApi(
        url=stub.url, http=http, timeout=2, clock=ExactTime(now), key=SigningKey(NAME, parse_secret(SECRET))
    )


@pytest.fixture
def venue(stub: CoinbaseStub, http: HttpSession) -> CoinbaseVenue:
    return open_coinbase(
        url=stub.url,
        api_key=NAME,
        api_secret=SECRET,
        http=http,
        timeout=5,
        clock=now,
        budget=CoinbaseBudget(sleep=_at_once),
    )


async def _at_once(_seconds: float) -> None:
    """Wait for nothing: what the budget makes wait is tested by itself."""
