"""`kill_between_every_two_steps`: a process dies at each named step of the path, once during an entry and once during an exit.

Judged by what the exchange saw: each order exactly once, and its outcome is there. All victims of a test share one stack, since
whoever takes over has to wait for the end of the dead owner's lease.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Final

import pytest

from shared.config.boundary import Step
from shared.contracts import keys
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

ENGINE_STEPS: Final = [step for step in Step if step.startswith("engine")]
EXECUTOR_STEPS: Final = [step for step in Step if step.startswith("executor")]
BYTES_LEFT: Final = "bytes-left"
"""Not a step: the order has reached the exchange and its reply is held back when the executor is killed from outside."""


@pytest.mark.timeout(150)
def test_kill_between_every_two_steps_of_an_executor(tmp_path: Path) -> None:
    names = [step.removeprefix("executor-") for step in EXECUTOR_STEPS]
    users = [f"{kind}-{name}" for kind in ("entry", "exit") for name in (*names, BYTES_LEFT)]
    with Stack(tmp_path, users) as stack:
        for user in users:
            stack.open_account(user, USD=5000)
        stack.price("BTC/USD", "60000")
        executors = {user: _doomed(stack, user) for user in users}
        stack.engine()
        stack.wait_ready(*users)

        stack.fault("slow_reply", user=f"entry-{BYTES_LEFT}", method="AddOrder", count=1, seconds=30)
        stack.signal()
        _kill_once_sent(stack, executors, f"entry-{BYTES_LEFT}", orders=1)
        _all_died(executors, "entry")
        for user in users:
            if user.startswith("exit"):
                assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"

        stack.fault("slow_reply", user=f"exit-{BYTES_LEFT}", method="AddOrder", count=1, seconds=30)
        stack.signal(kind="exit", fraction="1")
        _kill_once_sent(stack, executors, f"exit-{BYTES_LEFT}", orders=2)
        _all_died(executors, "exit")

        stack.executor(users)
        _everything_happened_once(stack, users)


@pytest.mark.timeout(150)
def test_kill_between_every_two_steps_of_the_engine(tmp_path: Path) -> None:
    users = [f"user-{number:02}" for number in range(20)]  # more than one round of the fan-out
    with Stack(tmp_path, users) as stack:
        for user in users:
            stack.open_account(user, USD=5000)
        stack.price("BTC/USD", "60000")
        stack.executor(users)
        stack.wait_ready(*users)
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


def _doomed(stack: Stack, user: str) -> Service:
    """Start the executor of one user, which dies at the step that the user is named after: at its first pass, or its second."""
    kind, _, name = user.partition("-")
    hook = "" if name == BYTES_LEFT else f"executor-{name}:{1 if kind == 'entry' else 2}"
    return stack.start("executor", "services.executor", EXECUTOR_USERS=user, DEBUG_DIE_AT=hook)


def _kill_once_sent(stack: Stack, executors: dict[str, Service], user: str, orders: int) -> None:
    """SIGKILL an executor while the reply to an order that the exchange has accepted is held back."""
    wait_for(lambda: len(stack.venue_orders(user)) == orders, 15, f"the exchange has the order of {user}")
    assert len(stack.reports(user)) == orders - 1, "the executor knew the outcome before it was killed"
    executors[user].kill()


def _all_died(executors: dict[str, Service], kind: str) -> None:
    for user, executor in executors.items():
        if user.startswith(kind) and not user.endswith(BYTES_LEFT):
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
        assert stack.client.hgetall(keys.positions(user, "kraken")) == {}
    assert stack.invalid_nonces() == []
