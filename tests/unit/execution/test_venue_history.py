"""The list of an account's orders is asked for once by all who may rely on it, late enough, and no sooner."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from shared.execution.attempt import Attempt
from shared.execution.clock import AccountClock
from shared.execution.recovery.venue_history import VenueHistory
from shared.execution.timing import Timing
from shared.venues.errors import Refusal, Unavailable
from shared.venues.fake import FakeAccount, FakeMarket, FakeVenue
from shared.venues.port import OmittedRow, RowReason
from shared.venues.venue_clock import ExactTime
from tests.support.examples import BTC_USD

CONNECTED_AT = 1_790_000_000_000
TIMING = Timing(visible_after_ms=3_000, furthest_deadline_ms=60_000)


class _Ready:
    connected_steady = CONNECTED_AT / 1000
    ready = True

    async def park(self, words: str, refusal: Refusal) -> None:
        raise AssertionError(words)

    async def until_ready(self) -> None:
        return None


class _Time:
    """A clock that only sleeping moves, for the venue as for this host; a timer goes off a little early, as real ones do."""

    def __init__(self) -> None:
        self.now = CONNECTED_AT + 100

    def clock(self) -> int:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += int(seconds * 1000) - 2

    def of(self, venue: ExactTime) -> AccountClock:
        return AccountClock(venue, steady=lambda: self.now / 1000, sleep=self.sleep)


@pytest.fixture
def time() -> _Time:
    return _Time()


@pytest.fixture
def venue(time: _Time) -> FakeVenue:
    account = FakeAccount({"USD": Decimal(10_000)})
    return FakeVenue(FakeMarket({BTC_USD: Decimal(60_000)}), account, clock=time.clock)


@pytest.fixture
def orders(venue: FakeVenue, time: _Time) -> VenueHistory:
    return VenueHistory(venue, _Ready(), time.of(ExactTime(time.clock)))


async def test_one_listing_serves_all_who_ask(orders: VenueHistory, venue: FakeVenue, time: _Time) -> None:
    for number in range(5):
        assert await orders.find(f"order-{number}", decided_at=CONNECTED_AT + number, attempt=None) is None
    assert time.now >= CONNECTED_AT + TIMING.proven_after_ms
    assert (venue.calls["open_orders"], venue.calls["closed_orders"]) == (1, 1)


async def test_of_those_who_ask_at_once_one_lists(orders: VenueHistory, venue: FakeVenue) -> None:
    found = (orders.find(f"order-{number}", decided_at=CONNECTED_AT, attempt=None) for number in range(5))
    assert await asyncio.gather(*found) == [None] * 5
    assert venue.calls["closed_orders"] == 1


async def test_an_earlier_decision_and_a_later_send_take_a_list_of_their_own(
    orders: VenueHistory, venue: FakeVenue, time: _Time
) -> None:
    await orders.find("one", decided_at=CONNECTED_AT, attempt=None)
    await orders.find("two", decided_at=CONNECTED_AT - 1, attempt=None)
    await orders.find("three", decided_at=CONNECTED_AT, attempt=_sent(time.now))
    assert venue.calls["closed_orders"] == 3
    await orders.find("four", decided_at=CONNECTED_AT, attempt=_sent(CONNECTED_AT))
    assert venue.calls["closed_orders"] == 3, "sent so long ago that the last list tells of it"


def _sent(at: int) -> Attempt:
    return Attempt(at, at + 5_000, (at + TIMING.proven_after_ms) / 1000, "1", may_have_left=True)


async def test_a_list_waits_for_the_deadline_by_both_clocks(venue: FakeVenue, time: _Time) -> None:
    """Whatever the steady clock says, the venue's must be past the order's deadline at the least that it can show."""
    behind = _Least(time, uncertainty=4_000)
    orders = VenueHistory(venue, _Ready(), time.of(behind))
    deadline = time.now + 5_000
    await orders.find("one", decided_at=CONNECTED_AT, attempt=_sent(time.now))
    assert time.now >= deadline + TIMING.visible_after_ms + 4_000


class _Least(ExactTime):
    """A clock that is known to a few seconds."""

    def __init__(self, time: _Time, uncertainty: int) -> None:
        super().__init__(time.clock)
        self._uncertainty = uncertainty

    def earliest(self) -> int:
        return self() - self._uncertainty


@pytest.mark.parametrize("whose", ["mine", None])
async def test_a_row_that_cannot_be_read_and_may_be_the_order_proves_no_absence(
    orders: VenueHistory, venue: FakeVenue, whose: str | None
) -> None:
    """A sibling of case E1: taken for absent, it would be sent a second time."""
    venue.account.left_out.append(OmittedRow("OBAD", RowReason.UNREADABLE, "ValueError", whose))
    venue.fail("find", Unavailable("a row cannot be read"), times=2)
    assert await orders.find("mine", decided_at=CONNECTED_AT, attempt=None) is None
    assert venue.calls["find"] == 3  # until it could be said


async def test_a_row_of_another_order_that_cannot_be_read_hinders_nobody(
    orders: VenueHistory, venue: FakeVenue
) -> None:
    venue.account.left_out.append(OmittedRow("OBAD", RowReason.UNREADABLE, "ValueError", "another's"))
    assert await orders.find("mine", decided_at=CONNECTED_AT, attempt=None) is None
    assert venue.calls["find"] == 0
