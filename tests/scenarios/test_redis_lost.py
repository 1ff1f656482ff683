"""Redis dies in the middle of a fan-out and comes back with its AOF; or it comes back with nothing at all; at both venues."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match, ids_for, legs_at_venue, wait_outcomes
from tests.support.processes import wait_for
from tests.support.stack import Stack

USERS: Final = [f"user-{number:02}" for number in range(40)]
AT: Final = {user: (("kraken", "coinbase")[number % 2],) for number, user in enumerate(USERS)}
EACH_VENUE: Final = pytest.mark.parametrize("venue", ["kraken", "coinbase"])
LATE: Final = '[guards]\nmax_signal_age = "2m"\n'
"""After dozens of orders within a second, Kraken lets a key ask what became of one in two seconds."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A whole system with more users than the engine decides for in one round trip."""
    with Stack(tmp_path, USERS, user_settings=LATE, venues=AT) as stack:
        for user in USERS:
            stack.open_account(user, USD=100_000)
        stack.price("BTC/USD", "60000")
        stack.executor(capacity=len(USERS))
        stack.engine()
        stack.wait_ready(*USERS)
        yield stack


def test_redis_killed_mid_fanout(stack: Stack) -> None:
    (engine,) = (service for service in stack.services if service.name == "copy-engine")
    signals: list[Mapping[str, str]] = []
    while _decided(stack) == 2 * len(USERS) * len(signals):  # again if it was through before it was stopped: it is fast
        assert len(signals) < 50, "the engine could not be stopped in the middle"
        wait_outcomes(
            stack, USERS, *signals
        )  # one question in two seconds: what is left of a round would be added to the next
        engine.send(signal.SIGSTOP)
        signals += [stack.signal_at_each(size="0.001") for _ in range(5)]
        begun = len(USERS) * (2 * len(signals) - 9)
        engine.send(signal.SIGCONT)
        end = time.monotonic() + 20
        while _decided(stack) <= begun:  # without a pause: the whole fan-out takes a tenth of a second
            assert time.monotonic() < end, "the fan-out of the second signal has not begun"
        engine.send(signal.SIGSTOP)  # so that it is still in the middle when Redis dies
    signals.append(stack.signal_at_each(kind="exit", fraction="1"))
    stack.redis.kill()
    engine.send(signal.SIGCONT)
    stack.redis.start()
    wait_outcomes(stack, USERS, *signals)
    for user in USERS:
        ids = ids_for(stack, user, signals)
        own = [row["outcome"] for row in stack.reports(user) if row["signal_id"] in ids]
        assert own == ["filled"] * len(signals)
        assert len(stack.orders(user)) == 2 * len(signals)  # of the other venue's signals there is a decision as well
        assert_books_match(stack, user)
    assert stack.invalid_nonces() == []


def test_redis_flushed(stack: Stack) -> None:
    """With it go streams, records, leases and nonces. The master tells its fills anew; the venue's list says what was done.

    Whoever holds something is parked until the operator has their books rebuilt (Case S6); what is told anew is not done again.
    """
    before = stack.signal_at_each(size="0.001")
    wait_outcomes(stack, USERS, before)
    under_way = USERS[:4]
    for user in under_way:
        stack.fault("slow_reply", user=user, method=stack.words(user).places, count=1, seconds=2)
    stack.signal_at_each(size="0.001")
    wait_for(
        lambda: all(len(stack.venue_orders(user)) == 2 for user in under_way), 20, "the orders are at the exchange"
    )
    told = [fields for _, fields in cast("list[tuple[str, dict[str, str]]]", stack.client.xrange(keys.SIGNALS))]
    decided = {user: [row["id"] for row in stack.orders(user) if row["decision"] == "copy"] for user in USERS}
    assert {len(ids) for ids in decided.values()} == {2}
    stack.client.flushall()
    for user in USERS:
        wait_for(lambda user=user: "ops rebuild" in account_reason(stack, user), 60, f"{user} is parked")  # type: ignore[misc]
    rebuilt = run_ops(stack, "rebuild", "--yes", "--json")
    assert rebuilt.code == 0, rebuilt.out
    stack.wait_ready(*USERS)
    for fields in told:
        stack.client.xadd(keys.SIGNALS, fields)  # type: ignore[arg-type]  # redis-py wants its own union of value types
    after = stack.signal_at_each(size="0.001")
    out = stack.signal_at_each(kind="exit", fraction="1")
    wait_outcomes(stack, USERS, after, out)
    for user in USERS:
        for order_id in decided[user]:
            assert len(legs_at_venue(stack, user, order_id)) == 1, f"{user}: an order twice or not at all"
            outcomes = [row["outcome"] for row in stack.reports(user) if row["order_id"] == order_id]
            assert outcomes == ["filled"], f"{user}: {outcomes}"
        assert_books_match(stack, user)
        assert stack.account(user)["state"] == "ready"
    assert stack.invalid_nonces() == []


@EACH_VENUE
def test_redis_forgets_a_sale_while_the_next_exit_waits(tmp_path: Path, venue: str) -> None:
    """Found by `make chaos` seed 14: an owner whom a short fail-over did not disturb sold by the position of before."""
    with Stack(tmp_path, ["alice"], venue=venue) as stack:
        stack.open_account("alice", USD=100_000, BTC=1)  # the coin is her own
        stack.price("BTC/USD", "60000")
        executor = stack.executor(["alice"])
        stack.engine()
        stack.wait_ready("alice")
        entry = stack.signal(size="0.01")
        wait_outcomes(stack, ["alice"], entry)
        stack.fault("slow_reply", user="alice", method=stack.words("alice").places, count=1, seconds=2)
        half, rest = stack.signal(kind="exit", fraction="0.5"), stack.signal(kind="exit", fraction="1")
        wait_for(lambda: len(stack.orders("alice")) == 3, 20, "all is decided")
        wait_for(lambda: len(stack.venue_orders("alice")) == 2, 20, "the exchange has sold a half")
        remembered = stack.redis.written
        stack.fault("cancel_only_mode")
        wait_outcomes(stack, ["alice"], entry, half)
        wait_for(lambda: "exit refused" in executor.log(), 20, "the rest waits for the market")
        stack.redis.kill()
        stack.redis.forget(remembered)
        stack.redis.start()
        stack.clear_faults()
        found = wait_outcomes(stack, ["alice"], entry, half, rest)
        assert {row["outcome"] for row in found["alice"].values()} == {"filled"}
        assert stack.held("alice") == {}
        assert Decimal(stack.get(f"/paper/accounts/alice/{venue}")["balances"]["BTC"]) == 1


@EACH_VENUE
def test_redis_lost_with_positions_held_is_parked_and_rebuilt_on_request(tmp_path: Path, venue: str) -> None:
    """Case S6: positions were nobody's. An exit that comes meanwhile waits, and sells what was bought and no more."""
    with Stack(tmp_path, ["alice"], venue=venue) as stack:
        stack.open_account("alice", USD=5000, BTC=1)  # the coin is their own
        stack.price("BTC/USD", "60000")
        stack.executor(["alice"])
        stack.engine()
        stack.wait_ready("alice")
        wait_outcomes(stack, ["alice"], stack.signal(size="0.02"))
        size = stack.held("alice")["BTC/USD"]
        stack.client.flushall()
        wait_for(lambda: "Redis has lost its data" in account_reason(stack, "alice"), 60, "alice is parked")
        assert f"{size} BTC held" in account_reason(stack, "alice")
        assert "--not-ours" in account_reason(stack, "alice")
        entry, out = stack.signal(size="0.02"), stack.signal(kind="exit", fraction="1")
        assert wait_outcomes(stack, ["alice"], entry)["alice"][entry]["outcome"] in {"failed", "skipped"}
        shown = run_ops(stack, "rebuild", "--user", "alice", typed="n\n")
        assert shown.code == 1
        assert f"{size} BTC of BTC/USD" in shown.out
        assert stack.client.exists(keys.positions("alice", venue)) == 0
        ran = run_ops(stack, "rebuild", "--user", "alice", "--yes", "--json")
        assert (ran.code, ran.json["accounts"][0]["written"]) == (0, True), ran.out
        assert wait_outcomes(stack, ["alice"], out)["alice"][out]["outcome"] == "filled"
        assert Decimal(stack.get(f"/paper/accounts/alice/{venue}")["balances"]["BTC"]) == 1
        assert stack.held("alice") == {}
        audited = run_ops(stack, "audit", "--json")
        assert audited.code == 0, audited.out
        assert run_ops(stack, "rebuild", "--user", "alice").out.startswith("no books are lost")


@EACH_VENUE
def test_orders_that_are_not_ours_are_let_be(tmp_path: Path, venue: str) -> None:
    """Case S6: a person's own bot may give its orders ids of the same kind. Nothing of it is Shoal's to sell."""
    with Stack(tmp_path, ["alice"], venue=venue) as stack:
        stack.open_account("alice", USD=5000)
        stack.price("BTC/USD", "60000")
        stack.executor(["alice"])
        stack.engine()
        stack.wait_ready("alice")
        wait_outcomes(stack, ["alice"], stack.signal(size="0.02"))
        stack.client.flushall()
        wait_for(lambda: "Redis has lost its data" in account_reason(stack, "alice"), 60, "alice is parked")
        ran = run_ops(stack, "rebuild", "--user", "alice", "--not-ours", "--yes", "--json")
        assert ran.code == 0, ran.out
        stack.wait_ready("alice")
        out = stack.signal(kind="exit", fraction="1")
        assert wait_outcomes(stack, ["alice"], out)["alice"][out]["outcome"] == "skipped"
        assert len(stack.venue_orders("alice")) == 1


def account_reason(stack: Stack, user: str) -> str:
    """Read why an account does not trade."""
    return stack.account(user).get("reason", "")


def _decided(stack: Stack) -> int:
    pipe = stack.client.pipeline(transaction=False)
    for user in USERS:
        pipe.xlen(keys.orders(user))
    return sum(pipe.execute())
