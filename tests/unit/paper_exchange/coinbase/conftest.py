"""One frozen paper Coinbase and one rich client per test."""

from __future__ import annotations

import pytest

from tests.unit.paper_exchange.coinbase.bench import Bench, Client


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def alice(bench: Bench) -> Client:
    return bench.client("alice")
