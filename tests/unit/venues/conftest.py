"""A scripted Kraken and an account on it, closed after each test."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import pytest

from shared.venues.factory import HttpSession, RateBudget, new_http_session, open_kraken
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.adapter import KrakenVenue
from tests.unit.venues.kraken_stub import KrakenStub

KEY = "kEyOfTheTest"
SECRET = "c2VjcmV0LW9mLXRoZS10ZXN0"


def now() -> int:
    """The wall clock in epoch ms."""
    return time.time_ns() // 1_000_000


@pytest.fixture
async def stub() -> AsyncIterator[KrakenStub]:
    server = KrakenStub()
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with new_http_session() as session:
        yield session


@pytest.fixture
def nonces() -> MemoryNonces:
    return MemoryNonces()


@pytest.fixture
def venue(stub: KrakenStub, http: HttpSession, nonces: MemoryNonces) -> KrakenVenue:
    return open_kraken(
        url=stub.url,
        api_key=KEY,
        api_secret=SECRET,
        nonces=nonces,
        http=http,
        timeout=30,
        clock=now,
        budget=RateBudget(None),
    )
