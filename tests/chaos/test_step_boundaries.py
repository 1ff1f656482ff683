"""`kill_between_every_two_steps`: a process dies at each named step of the path, once during an entry and once during an exit.

Judged by what the exchange saw: each order exactly once, and its outcome is there. All victims of a test share one stack, since
whoever takes over has to wait for the end of the dead owner's lease: those at Kraken, where the master is, and those who have it
copied at Coinbase.
"""

from __future__ import annotations

import signal
from collections import Counter
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Self

import pytest

from shared.contracts import keys
from shared.domain.order import TERMINAL, OrderState
from shared.runtime.crash_points import CrashPoint
from tests.chaos.judging.sends import judge_sends
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

ENGINE_STEPS: Final = [step for step in CrashPoint if step.startswith("engine")]
EXECUTOR_STEPS: Final = [step for step in CrashPoint if step.startswith("executor")]
MASTER_STEPS: Final = [step for step in CrashPoint if step.startswith("master")]
AT_COINBASE: Final = "-c"
"""The end of the name of a user who has the master copied at Coinbase."""
BYTES_LEFT: Final = "bytes-left"
"""Not a step: the order has reached the exchange and its reply is held back when the executor is killed from outside."""


@pytest.mark.timeout(150)
def test_kill_between_every_two_steps_of_an_executor(tmp_path: Path) -> None:
    names = [step.removeprefix("executor-") for step in EXECUTOR_STEPS]
    kinds = [f"{kind}-{name}" for kind in ("entry", "exit") for name in (*names, BYTES_LEFT)]
    users = [f"{kind}{mark}" for kind in kinds for mark in ("", AT_COINBASE)]
    with _Opened(tmp_path, users) as stack:
        executors = {user: _doomed(stack, user) for user in users}
        stack.engine()
        stack.wait_ready(*users)
        _wait_for_coinbases_price(stack)

        _lose_a_reply(stack, executors, "entry", orders=1)
        for user in users:
            if user.startswith("exit"):
                assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"
        _lose_a_reply(stack, executors, "exit", orders=2)

        stack.executor(users)
        _everything_happened_once(stack, users)
        sends = judge_sends(stack.get("/paper/requests"))
        assert sends.replays >= 2, "what had reached Coinbase was sent again"
        assert sends.altered == []


@pytest.mark.timeout(150)
def test_kill_between_every_two_steps_of_the_engine(tmp_path: Path) -> None:
    half = [f"user-{number:02}" for number in range(10)]
    users = [*half, *(f"{user}{AT_COINBASE}" for user in half)]  # more than one round of the fan-out
    with _Opened(tmp_path, users) as stack:
        stack.executor(users)
        stack.wait_ready(*users)
        _wait_for_coinbases_price(stack)
        stack.signal()
        for step in ENGINE_STEPS:
            _engine_dies(stack, f"{step}:1")
        # The entry is carried to its end by one that dies at the first step of the exit, and so on.
        engine = stack.start("copy-engine", "services.copy_engine", DEBUG_DIE_AT=f"{ENGINE_STEPS[0]}:2")
        for user in users:
            assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"
        stack.signal(kind="exit", fraction="1")
        _died(stack, engine)
        for step in ENGINE_STEPS[1:]:
            _engine_dies(stack, f"{step}:1")
        stack.engine()
        _everything_happened_once(stack, users)


@pytest.mark.timeout(240)
def test_kill_between_every_two_steps_of_the_master(tmp_path: Path) -> None:
    """Case R3. The strategy trades on; whoever comes next finds an intent, an order or a fill that nobody was told of.

    SMA-cross buys what it does not hold and sells all that it holds: an intent that became two orders, or a fill that was
    forgotten or told twice, breaks the alternation of equal purchases and sales of a symbol.
    """
    with Stack(tmp_path, price_speed=240) as stack:
        stack.open_account("master", tier="unlimited", USD=1_000_000)
        (stack.config / "strategy.toml").write_text(
            'name = "sma-cross"\nsymbols = ["BTC/USD", "ETH/USD", "SOL/USD"]\nentry_gap_seconds = 0\npoll_seconds = 0.2\n'
        )
        for _ in range(2):  # during an entry as well as during an exit, as the market has it
            for step in MASTER_STEPS:
                master = _master(stack, DEBUG_DIE_AT=step)
                assert master.wait(60) == -signal.SIGKILL, master.log()
                stack.client.delete(keys.lease("master"))
        stack.post("/paper/clock", {"speed": 0})
        master = _master(stack)
        wait_for(lambda: _every_fill_is_a_signal(stack), 40, "every fill is a signal")
        wait_for(lambda: not _open_records(stack), 40, "every intent has its end")
        assert master.running
        _each_intent_is_one_order(stack)
        assert stack.invalid_nonces() == []


def _master(stack: Stack, **more: str) -> Service:
    """Start a master; that so many of them in a row ask more than one key may is another test's matter."""
    return stack.start("master", "services.master_strategy", KRAKEN_TIER="none", **more)


def _signals(stack: Stack) -> list[dict[str, str]]:
    rows: Any = stack.client.xrange(keys.SIGNALS)
    return [fields for _, fields in rows]


def _every_fill_is_a_signal(stack: Stack) -> bool:
    told: Counter[str] = Counter()
    for row in _signals(stack):
        told[row["master_order_id"]] += Decimal(row["base_size"])  # type: ignore[assignment]  # a Counter of amounts
    return told == {row["order_id"]: Decimal(str(row["filled_size"])) for row in _filled(stack)}


def _filled(stack: Stack) -> list[dict[str, Any]]:
    return [row for row in stack.venue_orders("master") if Decimal(str(row["filled_size"])) > 0]


def _open_records(stack: Stack) -> list[str]:
    names = stack.client.scan_iter(match=keys.order("master", "*"))
    return [name for name in names if OrderState(str(stack.client.hget(name, "state"))) not in TERMINAL]


def _each_intent_is_one_order(stack: Stack) -> None:
    orders = stack.venue_orders("master")
    assert len(_filled(stack)) >= 2  # one in each round can serve all of its steps
    assert set(Counter(row["client_order_id"] for row in orders).values()) == {1}
    for row in orders:
        assert stack.client.exists(keys.order("master", row["client_order_id"])), (
            "an order without a write-ahead record"
        )
    signals = _signals(stack)
    assert len({row["id"] for row in signals}) == len({row["master_order_id"] for row in signals}) == len(signals)
    for symbol in {row["symbol"] for row in orders}:
        trades = [(row["side"], Decimal(str(row["filled_size"]))) for row in _filled(stack) if row["symbol"] == symbol]
        assert trades[0][0] == "buy"
        for (side, size), (next_side, next_size) in pairwise(trades):
            assert side != next_side, f"{symbol}: {trades}"
            assert side == "sell" or size == next_size, f"{symbol}: {trades}"


class _Opened(Stack):
    """A stack whose users all copy the master of Kraken and have 5,000 dollars, those with the mark at Coinbase."""

    def __init__(self, folder: Path, users: list[str]) -> None:
        super().__init__(folder, users, venues={user: ("coinbase",) for user in users if user.endswith(AT_COINBASE)})

    def __enter__(self) -> Self:
        super().__enter__()
        for user in self.users:
            (venue,) = self.venues_of(user)
            self.write_user(user, "" if venue == "kraken" else f'[follow]\nkraken = "{venue}"\n')
            self.open_account(user, USD=5000)
        self.price("BTC/USD", "60000")
        return self


def _wait_for_coinbases_price(stack: Stack) -> None:
    """Wait until the engine can bound the copies of Kraken's master at Coinbase."""
    prices = keys.prices("coinbase")
    wait_for(lambda: stack.client.hexists(prices, "BTC/USD"), 40, "Coinbase's price is published")


def _lose_a_reply(stack: Stack, executors: dict[str, Service], kind: str, orders: int) -> None:
    """Signal, kill at each venue the executor whose order is answered late, and wait until the others have died by themselves."""
    victims = [f"{kind}-{BYTES_LEFT}{mark}" for mark in ("", AT_COINBASE)]
    for user in victims:
        stack.fault("slow_reply", user=user, method=stack.words(user).places, count=1, seconds=30)
    stack.signal() if kind == "entry" else stack.signal(kind="exit", fraction="1")
    for user in victims:
        _kill_once_sent(stack, executors, user, orders)
    _all_died(executors, kind)


def _doomed(stack: Stack, user: str) -> Service:
    """Start the executor of one user, which dies at the step that the user is named after: at its first pass, or its second."""
    kind, _, name = user.removesuffix(AT_COINBASE).partition("-")
    hook = "" if name == BYTES_LEFT else f"executor-{name}:{1 if kind == 'entry' else 2}"
    return stack.start("executor", "services.executor", EXECUTOR_USERS=user, DEBUG_DIE_AT=hook)


def _kill_once_sent(stack: Stack, executors: dict[str, Service], user: str, orders: int) -> None:
    """SIGKILL an executor while the reply to an order that the exchange has accepted is held back."""
    wait_for(lambda: len(stack.venue_orders(user)) == orders, 15, f"the exchange has the order of {user}")
    assert len(stack.reports(user)) == orders - 1, "the executor knew the outcome before it was killed"
    executors[user].kill()


def _all_died(executors: dict[str, Service], kind: str) -> None:
    for user, executor in executors.items():
        if user.startswith(kind) and not user.removesuffix(AT_COINBASE).endswith(BYTES_LEFT):
            assert executor.wait(20) == -signal.SIGKILL, executor.log()


def _engine_dies(stack: Stack, hook: str) -> None:
    _died(stack, stack.start("copy-engine", "services.copy_engine", DEBUG_DIE_AT=hook))


def _died(stack: Stack, engine: Service) -> None:
    """Wait for an engine's death and take its lease away: that the next waits for the lease's end is another test's matter."""
    assert engine.wait(40) == -signal.SIGKILL, engine.log()
    stack.client.delete(keys.lease(keys.ENGINE))


def _everything_happened_once(stack: Stack, users: list[str]) -> None:
    for user in users:
        reports = stack.wait_reports(user, 2)
        decided = [row["id"] for row in stack.orders(user)]
        assert len(decided) == 2, f"decisions for {user}"
        assert [(row["order_id"], row["outcome"]) for row in reports] == [(order, "filled") for order in decided], user
        seen = [(row["client_order_id"], row["filled_size"]) for row in stack.venue_orders(user)]
        assert seen == [(row["order_id"], row["filled_size"]) for row in reports], f"orders of {user} at the exchange"
        assert stack.held(user) == {}
    assert stack.invalid_nonces() == []
