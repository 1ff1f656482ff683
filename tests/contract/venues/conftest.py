"""One paper exchange per test, and the benches under contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contract.venues.benches import (
    Bench,
    CoinbaseBench,
    KrakenBench,
    PaperExchange,
    coinbase_bench,
    fake_bench,
    kraken_bench,
    paper_exchange,
)


@pytest.fixture
async def paper(tmp_path: Path) -> AsyncIterator[PaperExchange]:
    async with paper_exchange(tmp_path) as running:
        yield running


@pytest.fixture
async def kraken(paper: PaperExchange) -> KrakenBench:
    return await kraken_bench(paper)


@pytest.fixture
async def coinbase(paper: PaperExchange) -> CoinbaseBench:
    return await coinbase_bench(paper)


@pytest.fixture(params=["fake", "fake that replays", "kraken", "coinbase"])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    if request.param.startswith("fake"):
        yield fake_bench(replays=request.param.endswith("replays"))
        return
    async with paper_exchange(tmp_path) as running:
        yield await (kraken_bench(running) if request.param == "kraken" else coinbase_bench(running))
