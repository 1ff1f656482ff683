"""Whatever is delivered late, twice, never, to the wrong process or as nonsense: each decision becomes one order at most.

One system for all of them but the flood of signals; half of its users trade at Kraken, half at Coinbase. The executor of a
scenario is started for it, so that a process that was killed or frozen is no other scenario's concern.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, cast
from uuid import uuid4

import pytest

from shared.contracts import keys
from tests.support.outcomes import Signalled, assert_books_match, ids_for, missing, wait_outcomes
from tests.support.processes import wait_for
from tests.support.stack import Stack

USERS: Final = [f"user-{number}" for number in range(8)]
AT: Final = {user: (("kraken", "coinbase")[number % 2],) for number, user in enumerate(USERS)}
MALFORMED: Final = {"v": "1", "id": "no-uuid", "symbol": "???"}
FLOODED: Final = "alice"
SIGNALS: Final = 10_000
EXITS: Final[Mapping[int, str]] = {2_500: "0.37", SIGNALS - 1: "1"}


@dataclass(frozen=True, slots=True)
class Flood:
    """What was signalled while nobody consumed it."""

    stack: Stack
    ids: list[str]


@pytest.fixture(scope="module", autouse=True)
def flood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flood]:
    """Let the flood loose beside the other scenarios, which mostly wait; its own test comes last."""
    with Stack(tmp_path_factory.mktemp("flood"), [FLOODED]) as stack:
        stack.open_account(FLOODED, USD=100_000)
        stack.price("BTC/USD", "60000")
        executor, _ = stack.executor(), stack.engine()
        stack.wait_ready(FLOODED)
        wait_outcomes(stack, [FLOODED], stack.signal())
        executor.kill()
        ids = _signal_in_bulk(stack)
        stack.client.delete(keys.lease(FLOODED))
        stack.executor()
        yield Flood(stack, ids)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An engine and an exchange with a market that stands still; each test starts its executors and ends them."""
    with Stack(tmp_path_factory.mktemp("delivery"), USERS, venues=AT) as stack:
        for user in USERS:
            stack.open_account(user, USD=100_000)
        stack.price("BTC/USD", "60000")
        stack.engine()
        yield stack


@pytest.fixture(autouse=True)
def _no_executor_outlives_its_test(stack: Stack) -> Iterator[None]:
    yield
    for service in stack.services:
        if service.name == "executor" and service.running:
            service.kill()
    for user in USERS:
        stack.client.delete(keys.lease(user))  # that the next waits for the lease's end is another test's matter


def test_delivered_five_times(stack: Stack) -> None:
    """In one process: set back while it works. In two: set back again when another has taken over."""
    first = stack.executor(USERS)
    stack.wait_ready(*USERS)
    signals = [stack.signal_at_each() for _ in range(5)]
    signals.append(stack.signal_at_each(kind="exit", fraction="0.5"))
    for delivery in range(1, 5):
        for number, user in enumerate(USERS):
            if number // 2 + 1 >= delivery:
                _deliver_again(stack, keys.orders(user), keys.EXECUTOR)
        _deliver_again(stack, keys.SIGNALS, keys.ENGINE)
        _wait_idle(stack, USERS)
    wait_outcomes(stack, USERS, *signals)
    assert first.stop() == 0
    for user in USERS:
        _deliver_again(stack, keys.orders(user), keys.EXECUTOR)
    stack.executor(USERS)
    signals.append(stack.signal_at_each(kind="exit", fraction="1"))
    _wait_idle(stack, USERS)
    wait_outcomes(stack, USERS, *signals)
    _one_order_each(stack, USERS, signals)


def test_acked_entry_returns_after_failover(stack: Stack) -> None:
    """A replica that lagged is the master now: acknowledged entries come back, and their records and reports are gone."""
    executor = stack.executor(USERS)
    stack.wait_ready(*USERS)
    lost, kept = USERS[:4], USERS[4:]
    bought = stack.signal_at_each()
    found = wait_outcomes(stack, USERS, bought)
    for user in lost:
        (report,) = found[user].values()
        stack.client.delete(keys.order(user, report["order_id"]))
        rows = cast("list[tuple[str, dict[str, str]]]", stack.client.xrange(keys.reports(user)))
        stack.client.xdel(keys.reports(user), *(each for each, row in rows if row["id"] == report["id"]))
        _forget_position(stack, user)
    for user in (*lost[:2], *kept):  # two of them come back to a process that never saw them
        _deliver_again(stack, keys.orders(user), keys.EXECUTOR)
    wait_outcomes(stack, [*lost[:2], *kept], bought)
    executor.kill()
    for user in lost[2:]:
        stack.client.delete(keys.lease(user))
        _deliver_again(stack, keys.orders(user), keys.EXECUTOR)
    stack.executor(USERS)
    sold = stack.signal_at_each(kind="exit", fraction="1")
    wait_outcomes(stack, USERS, bought, sold)
    _wait_idle(stack, USERS)
    _one_order_each(stack, USERS, [bought, sold])


def test_poison_entry(stack: Stack) -> None:
    stack.executor(USERS)
    stack.wait_ready(*USERS)
    before = stack.signal_at_each()
    stack.client.xadd(keys.SIGNALS, MALFORMED)  # type: ignore[arg-type]  # redis-py wants its own union of value types
    after = stack.signal_at_each(kind="exit", fraction="1")
    wait_outcomes(stack, USERS, before, after)
    victims = [keys.orders(user) for user in USERS[:2]]
    for stream in victims:
        stack.client.xadd(stream, MALFORMED)  # type: ignore[arg-type]  # the same
    last = stack.signal_at_each()
    closing = stack.signal_at_each(kind="exit", fraction="1")
    wait_outcomes(stack, USERS, last, closing)
    for stream in (keys.SIGNALS, *victims):
        wait_for(lambda stream=stream: stack.client.xlen(keys.dead(stream)), 10, f"a dead letter of {stream}")  # type: ignore[misc]
        ((_, letter),) = cast("list[tuple[str, dict[str, str]]]", stack.client.xrange(keys.dead(stream)))
        assert letter["field:symbol"] == "???"
        assert letter["reason"], "a dead letter says why"
    _wait_idle(stack, USERS)
    _one_order_each(stack, USERS, [before, after, last, closing])


@pytest.mark.timeout(150)
def test_executor_frozen_past_its_lease(stack: Stack) -> None:
    """Frozen with orders under way, some sent and some not; another takes over; it wakes up and must send nothing.

    At Kraken the next owner's nonces void what the sleeper had signed; at Coinbase its tokens have expired, and an order that it
    had sent answers to its replay.
    """
    frozen = stack.executor(USERS)
    stack.wait_ready(*USERS)
    bought = stack.signal_at_each()
    wait_outcomes(stack, USERS, bought)
    slow = USERS[:2]
    for user in slow:
        stack.fault("slow_reply", user=user, method=stack.words(user).places, count=1, seconds=3)
    sold = stack.signal_at_each(kind="exit", fraction="0.5")
    wait_for(lambda: all(_is_sending(stack, user) for user in slow), 10, "their orders are sent")
    frozen.send(signal.SIGSTOP)
    during = stack.signal_at_each()
    other = stack.executor(USERS)
    wait_outcomes(stack, USERS, bought, sold, during)
    frozen.send(signal.SIGCONT)
    wait_for(lambda: frozen.log().count("turn ended") >= len(USERS), 15, "the sleeper sees that its turns are over")
    after = stack.signal_at_each(kind="exit", fraction="1")
    wait_outcomes(stack, USERS, bought, sold, during, after)
    assert frozen.running
    assert other.running
    _one_order_each(stack, USERS, [bought, sold, during, after])
    for user in USERS:
        assert stack.account(user)["state"] == "ready"


@pytest.mark.timeout(200)
def test_consumer_down_for_10000_signals(flood: Flood) -> None:
    """None is lost: the stale entries expire, the exits among them do not."""
    stack, ids = flood.stack, flood.ids
    wait_for(lambda: stack.client.xlen(keys.reports(FLOODED)) > len(ids), 150, "every signal has its outcome")
    found = wait_outcomes(stack, [FLOODED], *ids)[FLOODED]
    assert {found[ids[number]]["outcome"] for number in EXITS} == {"filled"}
    assert {found[ids[number]]["outcome"] for number in range(len(ids)) if number not in EXITS} == {"expired"}
    assert found[ids[2_500]]["filled_size"] == "0.037"
    assert_books_match(stack, FLOODED)
    assert stack.client.hgetall(keys.positions(FLOODED, "kraken")) == {}


def _signal_in_bulk(stack: Stack) -> list[str]:
    """Write signals that are an hour old, entries but for those that have a fraction; answers their ids."""
    rows = cast("list[tuple[str, dict[str, str]]]", stack.client.xrevrange(keys.SIGNALS, count=1))
    an_hour_ago = str(int(time.time() * 1000) - 3_600_000)
    ids = [str(uuid4()) for _ in range(SIGNALS)]
    pipe = stack.client.pipeline(transaction=False)
    for number, signal_id in enumerate(ids):
        fields = {**rows[0][1], "id": signal_id, "master_order_id": signal_id, "filled_at": an_hour_ago}
        if number in EXITS:
            fields |= {"side": "sell", "kind": "exit", "fraction": EXITS[number]}
        pipe.xadd(keys.SIGNALS, fields)  # type: ignore[arg-type]  # redis-py wants its own union of value types
    pipe.execute()
    return ids


def _deliver_again(stack: Stack, stream: str, group: str) -> None:
    """Have the whole stream delivered once more, acknowledged or not."""
    stack.client.xgroup_setid(stream, group, "0")


def _forget_position(stack: Stack, user: str) -> None:
    (venue,) = stack.venues_of(user)
    stack.client.delete(keys.positions(user, venue))


def _wait_idle(stack: Stack, users: Collection[str]) -> None:
    """Wait until everything that was delivered is acknowledged."""
    for stream in (keys.SIGNALS, *(keys.orders(user) for user in users)):
        wait_for(lambda stream=stream: _idle(stack, stream), 40, f"{stream} is at rest")  # type: ignore[misc]


def _idle(stack: Stack, stream: str) -> bool:
    group, facts = stack.client.xinfo_groups(stream)[0], stack.client.xinfo_stream(stream)
    return not group["pending"] and group["last-delivered-id"] == facts["last-generated-id"]


def _is_sending(stack: Stack, user: str) -> bool:
    """Return whether the exchange has an order whose outcome is not known."""
    known = sum(Decimal(row["filled_size"]) > 0 for row in stack.reports(user))
    return len(stack.venue_orders(user)) > known


def _one_order_each(stack: Stack, users: Collection[str], signals: Collection[Signalled]) -> None:
    """Every one of these signals was traded once by everybody, and the books are the exchange's."""
    for user in users:
        ids = ids_for(stack, user, signals)
        rows = [row for row in stack.reports(user) if row["signal_id"] in ids]
        assert [row["outcome"] for row in rows] == ["filled"] * len(signals), f"{user}: {rows}"
        assert len({row["id"] for row in stack.reports(user)}) == len(stack.reports(user))
        assert not missing(stack, [user], signals)
        assert_books_match(stack, user)
        visible = [row for row in rows if "nonce" in row["reason"].lower() or "another program" in row["reason"]]
        assert visible == []
