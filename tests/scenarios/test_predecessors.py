"""Orders that a dead process had under way at Coinbase, where no nonce of its successor voids them: the token's end does.

Each order is held up on its way to the venue, its process is killed, and another takes over before it arrives.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.outcomes import Report, assert_books_match, wait_outcomes
from tests.support.processes import wait_for
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(150)

OLD, YOUNG = '[guards]\nmax_signal_age = "2s"\n', '[guards]\nmax_signal_age = "10m"\n'
HELD_UP: Final[Mapping[str, tuple[float, str]]] = {
    "in-time": (4.5, YOUNG),
    "too-late": (9.0, OLD),
    "sent-again": (9.0, YOUNG),
    "sent-again-and-in-time": (4.5, YOUNG),
}
"""For how long (s) an order is held up, and whether it is still young enough to be sent again: a token lives 6 to 7 s, but no
longer than its order may age. A pause forbids that the one that comes in time is sent again."""
SLACK_MS: Final = 1_000
"""The exchange and Shoal read the same clock, at different moments."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everybody's order is held up, its process is dead, and the next one has come to an end with it."""
    with Stack(tmp_path_factory.mktemp("predecessors"), list(HELD_UP), venue="coinbase") as stack:
        stack.price("BTC/USD", "60000")
        for user, (seconds, settings) in HELD_UP.items():
            stack.write_user(user, settings)
            stack.open_account(user, USD=10_000)
            stack.fault("delay_beyond_timeout_then_processed", user=user, count=1, seconds=seconds)
        first = stack.executor(list(HELD_UP))
        stack.engine()
        stack.wait_ready(*HELD_UP)
        second = stack.executor(list(HELD_UP))  # it stands by
        wait_for(lambda: "executor" in second.log(), 10, "the next one has started")
        signal_id = stack.signal()
        given = time.monotonic()
        wait_for(lambda: all(_sent(stack, user) for user in HELD_UP), 10, "the orders are under way")
        first.kill()
        assert run_ops(stack, "pause", "--user", "in-time", "--reason", "a test").code == 0
        time.sleep(max(0.0, given + 2.1 - time.monotonic()))  # until those of two seconds may not be sent again
        for user in HELD_UP:
            stack.client.delete(keys.lease(user))
        wait_outcomes(stack, list(HELD_UP), signal_id)
        wait_for(lambda: all(_late(stack, user)["verdict"] != "unanswered" for user in HELD_UP), 10, "all have arrived")
        yield stack


def _sent(stack: Stack, user: str) -> list[dict[str, Any]]:
    return stack.requests_of(user, "CreateOrder")


def _late(stack: Stack, user: str) -> dict[str, Any]:
    return next(row for row in _sent(stack, user) if row.get("fault"))


def _outcome(stack: Stack, user: str) -> Report:
    (report,) = stack.reports(user)
    assert_books_match(stack, user)
    return report


def test_token_expiry_bounds_a_predecessor(stack: Stack) -> None:
    """Its end at the venue is awaited before an order counts as one that never came; after it nothing of it can trade."""
    report = _outcome(stack, "too-late")
    (sent,) = _sent(stack, "too-late")
    assert sent["verdict"] == "401 Unauthorized"
    assert report["outcome"] == "expired", report
    assert stack.venue_orders("too-late") == []
    assert int(report["settled_at"]) + SLACK_MS >= sent["token_expires"] * 1000


def test_an_order_that_arrives_after_its_process_died_is_found(stack: Stack) -> None:
    """It is not taken for one that never came while its token lets it come, and it is not sent again."""
    report = _outcome(stack, "in-time")
    (sent,) = _sent(stack, "in-time")
    assert sent["verdict"] == "ok"
    assert (report["outcome"], Decimal(report["filled_size"])) == ("filled", Decimal("0.01"))


@pytest.mark.parametrize(
    ("user", "late_verdict"), [("sent-again", "401 Unauthorized"), ("sent-again-and-in-time", "ok")]
)
def test_replay_creates_nothing(stack: Stack, user: str, late_verdict: str) -> None:
    """A young order need not be waited for: it is sent again at once, and the one of the two that comes second makes nothing."""
    report = _outcome(stack, user)
    assert _late(stack, user)["verdict"] == late_verdict
    again = [row for row in _sent(stack, user) if not row.get("fault")]
    assert {row["client_order_id"] for row in again} == {_late(stack, user)["client_order_id"]}
    assert again[0]["verdict"] == "ok"
    assert report["outcome"] == "filled"
    (order,) = stack.venue_orders(user)
    assert order["client_order_id"] == again[0]["client_order_id"]
    assert int(report["settled_at"]) < _late(stack, user)["token_expires"] * 1000 + SLACK_MS
