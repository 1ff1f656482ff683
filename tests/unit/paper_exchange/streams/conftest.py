"""One connection per test."""

from __future__ import annotations

import pytest

from tests.unit.paper_exchange.streams.stream import Stream
from tests.unit.paper_exchange.venue import Venue


@pytest.fixture
def stream(venue: Venue) -> Stream:
    return Stream(venue)
