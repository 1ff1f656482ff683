"""Sixty entries in ten seconds on one account of Kraken's middle tier: settled by its private stream, all of them are copied.

Beside it a user whose key may not open streams, who is polled: each order costs there in private calls what it cost before.
Judged by the journal of the exchange.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import pytest

from tests.support.call_counts import CallCount, CallCounter
from tests.support.outcomes import assert_books_match, wait_outcomes
from tests.support.processes import comes_true, wait_for
from tests.support.stack import POLLED, Stack

STREAMED: Final = "alice"
ASKED: Final = "bob"
ENTRIES: Final = 60
SIZE: Final = "0.001"
"""Ten times as much for an account of 100,000 USD: all entries together cost 37,000."""
WITHIN: Final = 10.0
MOST_PER_ORDER: Final = 1.1


@pytest.fixture
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Alice, whose key may open streams, and bob, whose key may not; both in the middle tier."""
    with Stack(tmp_path_factory.mktemp("streams"), [STREAMED, ASKED]) as stack:
        stack.open_account(STREAMED, tier="intermediate", USD=100_000)
        stack.open_account(ASKED, tier="intermediate", permissions=POLLED, USD=100_000)
        stack.price("BTC/USD", "60000")
        stack.executor([STREAMED, ASKED], capacity=2)
        stack.engine()
        stack.wait_ready(STREAMED, ASKED)
        _wait_served(stack, STREAMED, "stream")
        _wait_served(stack, ASKED, "polled: ")
        wait_outcomes(stack, [STREAMED, ASKED], stack.signal(size=SIZE))  # its fee is known, and its balances are read
        yield stack


def _wait_served(stack: Stack, user: str, how: str) -> None:
    wait_for(
        lambda: stack.account(user).get("served", "").startswith(how),
        90,
        f"{user} is served: {how}, not {stack.account(user)}",
    )


def _send_entries(stack: Stack) -> list[str]:
    """Signal sixty entries, spread over ten seconds."""
    began = time.monotonic()
    ids = []
    for number in range(ENTRIES):
        time.sleep(max(0.0, began + number * WITHIN / ENTRIES - time.monotonic()))
        ids.append(stack.signal(size=SIZE))
    return ids


def _outcomes(stack: Stack, user: str, ids: list[str]) -> Counter[str]:
    return Counter(row["outcome"] for row in stack.reports(user) if row["signal_id"] in ids)


def _show(user: str, outcomes: Counter[str], calls: CallCount) -> None:
    print(f"{user}: {dict(outcomes)}; {calls}; {calls.per_order:.2f} per order")  # noqa: T201  # shown with pytest -s


def test_sixty_entries_in_ten_seconds_are_all_copied_at_one_call_each(stack: Stack) -> None:
    counters = {user: CallCounter(stack, user) for user in (STREAMED, ASKED)}
    ids = _send_entries(stack)
    wait_outcomes(stack, [STREAMED], *ids)
    calls = counters[STREAMED].count()
    _show(STREAMED, _outcomes(stack, STREAMED, ids), calls)
    wait_outcomes(stack, [ASKED], *ids, seconds=120)
    polled = counters[ASKED].count()
    _show(ASKED, _outcomes(stack, ASKED, ids), polled)
    assert _outcomes(stack, STREAMED, ids) == {"filled": ENTRIES}
    assert (calls.orders, calls.by_method["AddOrder"]) == (ENTRIES, ENTRIES)
    assert calls.per_order <= MOST_PER_ORDER, str(calls)
    assert polled.per_order > 1.5, "without a stream each order is asked about"
    for user in (STREAMED, ASKED):
        assert_books_match(stack, user)
    assert stack.invalid_nonces() == []


def test_the_same_while_the_streams_are_cut(stack: Stack) -> None:
    """Every entry has one end, by whichever way it is learned, and none is doubled."""
    counter = CallCounter(stack, STREAMED)
    done = threading.Event()
    cuts = 0

    def cut() -> None:
        nonlocal cuts
        while not done.wait(3.0):
            stack.fault("stream_cut", user=STREAMED)
            cuts += 1

    cutting = threading.Thread(target=cut)
    cutting.start()
    try:
        ids = _send_entries(stack)
    finally:
        done.set()
        cutting.join()
    wait_outcomes(stack, [STREAMED], *ids, seconds=120)
    calls, found = counter.count(), _outcomes(stack, STREAMED, ids)
    _show(f"{STREAMED}, cut {cuts} times", found, calls)
    assert cuts >= 2
    assert found.keys() <= {"filled", "expired"}
    assert found["filled"] > 0
    assert_books_match(stack, STREAMED)
    assert comes_true(lambda: stack.account(STREAMED)["served"] == "stream", 90), stack.account(STREAMED)
