"""The streams of a frozen paper Coinbase."""

from __future__ import annotations

import pytest

from tests.unit.paper_exchange.coinbase.bench import Bench
from tests.unit.paper_exchange.coinbase.streams.wire import Desk


@pytest.fixture
def desk(bench: Bench) -> Desk:
    return Desk(bench)
