"""One user's misfortune is nobody else's; a process that is gone is replaced or not needed."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import pytest

from shared.contracts import keys
from tests.support.outcomes import assert_books_match, outcomes, wait_outcomes
from tests.support.processes import wait_for
from tests.support.stack import Stack

WELL: Final = [f"well-{number:02}" for number in range(90)]
FROM_THE_START: Final[Mapping[str, dict[str, Any]]] = {
    "revoked-key": {"fault": "key_revoked_mid_run"},
    "locked-out": {"fault": "temporary_lockout"},
    "too-many-calls": {"fault": "http_429", "method": "BalanceEx"},
}
IN_MID_RUN: Final[Mapping[str, dict[str, Any]]] = {
    "hangs": {"fault": "hang", "method": "AddOrder"},
    "may-not-trade": {"fault": "permission_denied", "method": "AddOrder"},
    "disabled": {"fault": "account_disabled", "method": "AddOrder"},
}
BROKEN: Final = {
    "no-key": "KRAKEN_USER_NO_KEY_API_KEY is blank",
    "placeholder-key": "holds a placeholder",
    "no-funds": "below venue minimum",
    "revoked-key": "Invalid key",
    "locked-out": "Temporary lockout",
    "too-many-calls": "429",
    "hangs": "past the age",
    "may-not-trade": "Permission denied",
    "disabled": "temporary disabled",
}
CRASHES: Final = "crash-loop"
"""His reports cannot be written (a key of another type), so that each of his turns ends in the middle."""


@pytest.mark.timeout(180)
def test_hundred_users_ten_broken(tmp_path: Path) -> None:
    users = [*WELL, *BROKEN, CRASHES]
    with Stack(tmp_path, users, user_settings='[guards]\nmax_signal_age = "15s"\n') as stack:
        for user in users:
            stack.open_account(user, USD=0 if user == "no-funds" else 5000)
        stack.keys["no-key"] = ("", "")
        stack.keys["placeholder-key"] = ("your_api_key", "your_api_secret")
        stack.price("BTC/USD", "60000")
        for user, fault in FROM_THE_START.items():
            stack.fault(**fault, user=user)
        for _ in range(2):
            stack.executor(capacity=50)
        stack.engine()
        stack.wait_ready(*WELL, "no-funds", *IN_MID_RUN, CRASHES)

        # Whose account is parked already costs nobody anything: this is how fast it goes.
        easy = stack.signal(size="0.002")
        wait_outcomes(stack, users, easy)
        before = _filled_after(stack, easy)

        for user, fault in IN_MID_RUN.items():
            stack.fault(**fault, user=user)
        stack.client.rename(keys.reports(CRASHES), "kept")
        stack.client.set(keys.reports(CRASHES), "no stream")
        hard = stack.signal(size="0.002")
        wait_outcomes(stack, WELL, hard)
        with_broken = _filled_after(stack, hard)
        assert with_broken < 2 * before + 2_000, f"{with_broken} ms instead of {before} ms"
        told = wait_outcomes(stack, list(BROKEN), hard)
        for user, words in BROKEN.items():
            assert told[user][hard]["outcome"] != "filled"
            assert words in told[user][hard]["reason"], user
        assert len({told[user][hard]["reason"] for user in BROKEN}) == len(BROKEN)
        log = "".join(service.log() for service in stack.services)
        assert f"user={CRASHES}" in log
        assert all(service.running for service in stack.services)
        for user in WELL:
            assert_books_match(stack, user)
        assert stack.invalid_nonces() == []

        last = stack.signal(kind="exit", fraction="1")
        wait_outcomes(stack, WELL, last)
        assert {outcomes(stack, user, last)[0]["outcome"] for user in WELL} == {"filled"}


def _filled_after(stack: Stack, signal_id: str) -> int:
    """Give the time (ms) from the signal to the last fill of those who are well."""
    settled = []
    for user in WELL:
        report = outcomes(stack, user, signal_id)[0]
        assert report["outcome"] == "filled", report
        settled.append(int(report["settled_at"]) - int(report["signal_at"]))
    return max(settled)


def test_master_dies_users_still_exit(tmp_path: Path) -> None:
    """His closes are in the stream when he dies; nobody has read them yet. They need no master to be carried out."""
    users = ["alice", "bob"]
    with Stack(tmp_path, users) as stack:
        for owner in (*users, "master"):
            stack.open_account(owner, USD=10_000)
        stack.price("BTC/USD", "60000")
        (stack.config / "strategy.toml").write_text('symbols = ["ETH/USD"]\n')  # what it trades by itself is not judged
        stack.executor(capacity=2)
        master, engine = stack.start("master-strategy", "services.master_strategy"), stack.engine()
        wait_for(lambda: _state(stack, "master") == "ready", 20, "the master is connected")
        stack.wait_ready(*users)
        bought = stack.signal()
        wait_outcomes(stack, users, bought)
        assert engine.stop() == 0
        sold = stack.signal(kind="exit", fraction="0.37")
        closed = stack.signal(kind="exit", fraction="1")
        master.kill()
        stack.client.delete(keys.account("master", "kraken"))  # nothing says any more that there ever was one
        stack.engine()
        found = wait_outcomes(stack, users, bought, sold, closed)
        for user in users:
            assert [found[user][each]["filled_size"] for each in (bought, sold, closed)] == ["0.01", "0.0037", "0.0063"]
            assert stack.client.hget(keys.positions(user, "kraken"), "BTC/USD") is None
            assert_books_match(stack, user)


def test_users_wait_for_master(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice"]) as stack:
        for owner in ("alice", "master"):
            stack.open_account(owner, USD=10_000)
        executor = stack.executor()
        stack.wait_ready("alice")
        wait_for(lambda: "waiting for the master account" in executor.log(), 15, "the users say what they wait for")
        assert "TRADING" not in executor.log()
        stack.start("master-strategy", "services.master_strategy")
        wait_for(lambda: "USER: alice: TRADING (Broker: KRAKEN)" in executor.log(), 20, "the user trades")
        assert _state(stack, "master") == "ready"


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
def test_engine_standby_takes_over(tmp_path: Path, ending: signal.Signals) -> None:
    """Within 20 s, with whatever the first had left half done; one that wakes up again decides nothing."""
    users = ["alice", "bob"]
    with Stack(tmp_path, users) as stack:
        for user in users:
            stack.open_account(user, USD=10_000)
        stack.price("BTC/USD", "60000")
        stack.executor(capacity=2)
        first = stack.engine()
        stack.wait_ready(*users)
        signals = [stack.signal(size="0.001")]
        wait_outcomes(stack, users, signals[0])
        standby = stack.engine()
        wait_for(lambda: "standing by" in standby.log(), 15, "the second engine stands by")
        signals += [stack.signal(size="0.001") for _ in range(8)]
        first.send(ending)
        signals.append(stack.signal(kind="exit", fraction="1"))
        wait_for(
            lambda: all(len(stack.orders(user)) == len(signals) for user in users), 20, "the standby has taken over"
        )
        wait_outcomes(stack, users, *signals)
        if ending is signal.SIGSTOP:
            first.send(signal.SIGCONT)
            wait_for(lambda: first.log().count("standing by"), 20, "the sleeper stands by")
            signals.append(stack.signal(size="0.001"))
            wait_outcomes(stack, users, *signals)
        for user in users:
            assert len(stack.orders(user)) == len(signals)
            assert_books_match(stack, user)


def _state(stack: Stack, owner: str) -> str | None:
    return cast("str | None", stack.client.hget(keys.account(owner, "kraken"), "state"))
