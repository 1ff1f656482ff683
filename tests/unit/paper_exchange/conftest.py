"""One frozen venue and one rich client per test."""

from __future__ import annotations

import pytest

from tests.unit.paper_exchange.venue import Client, Venue


@pytest.fixture
def venue() -> Venue:
    return Venue()


@pytest.fixture
def alice(venue: Venue) -> Client:
    return venue.client("alice")
