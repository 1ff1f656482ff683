"""One user's misfortune is nobody else's; a process that is gone is replaced or not needed."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, cast

import pytest

from shared.contracts import keys
from tests.support.outcomes import Report, Signalled, assert_books_match, wait_outcomes
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

WELL: Final = [f"well-{number:02}" for number in range(90)]
"""Half of them trade at Kraken, half at Coinbase."""
FROM_THE_START: Final[Mapping[str, dict[str, Any]]] = {
    "revoked-key": {"fault": "key_revoked_mid_run"},
    "locked-out": {"fault": "temporary_lockout"},
    "too-many-calls": {"fault": "http_429", "method": "BalanceEx"},
    "c-revoked-key": {"fault": "key_revoked_mid_run"},
    "c-too-many-calls": {"fault": "http_429", "method": "ListAccounts"},
}
IN_MID_RUN: Final[Mapping[str, dict[str, Any]]] = {
    "hangs": {"fault": "hang", "method": "AddOrder"},
    "may-not-trade": {"fault": "permission_denied", "method": "AddOrder"},
    "disabled": {"fault": "account_disabled", "method": "AddOrder"},
    "c-hangs": {"fault": "hang", "method": "CreateOrder"},
    "c-may-not-trade": {"fault": "trade_permission_lost"},
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
    "c-no-key": "COINBASE_USER_C_NO_KEY_API_KEY is blank",
    "c-half-a-key": "the secret",
    "c-revoked-key": "Unauthorized",
    "c-too-many-calls": "Too many requests",
    "c-hangs": "past the age",
    "c-may-not-trade": "Missing required scopes",
}
AT_COINBASE: Final = dict.fromkeys((*WELL[1::2], *(each for each in BROKEN if each.startswith("c-"))), ("coinbase",))
DAMAGED: Final = "damaged-record"
"""What is looked up beside this user's work cannot be read (a key of another type); no order hangs on it, theirs neither."""


@pytest.mark.timeout(240)
def test_hundred_users_ten_broken(tmp_path: Path) -> None:
    users = [*WELL, *BROKEN, DAMAGED]
    with Stack(tmp_path, users, user_settings='[guards]\nmax_signal_age = "15s"\n', venues=AT_COINBASE) as stack:
        for user in users:
            stack.open_account(user, USD=0 if user == "no-funds" else 5000)
        stack.keys["no-key"] = ("", "")
        stack.keys["placeholder-key"] = ("your_api_key", "your_api_secret")
        coinbase = stack.keys_at["coinbase"]
        coinbase["c-no-key"] = ("", "")
        key, secret = coinbase["c-half-a-key"]
        coinbase["c-half-a-key"] = (key, secret.splitlines()[0])  # what a shell makes of a text of several lines
        stack.price("BTC/USD", "60000")
        for user, fault in FROM_THE_START.items():
            stack.fault(**fault, user=user)
        for _ in range(2):
            stack.executor(capacity=55)
        stack.engine()
        stack.wait_ready(*WELL, "no-funds", *IN_MID_RUN, DAMAGED)

        # Whose account is parked already costs nobody anything: this is how fast it goes.
        easy = stack.signal_at_each(size="0.002")
        wait_outcomes(stack, users, easy)
        before = _filled_after(stack, easy)

        for user, fault in IN_MID_RUN.items():
            stack.fault(**fault, user=user)
        stack.client.set(keys.differences(DAMAGED, "kraken"), "no hash")
        stack.client.delete(keys.lease(DAMAGED))  # ends the turn that has looked already
        wait_for(lambda: _refused(stack), 20, "the record is found to be damaged")
        hard = stack.signal_at_each(size="0.002")
        wait_outcomes(stack, [*WELL, DAMAGED], hard)
        with_broken = _filled_after(stack, hard)
        assert with_broken < 2 * before + 2_000, f"{with_broken} ms instead of {before} ms"
        told = _reports(stack, list(BROKEN), hard)
        for user, words in BROKEN.items():
            assert told[user]["outcome"] != "filled"
            assert words in told[user]["reason"], f"{user}: {told[user]}"
        reasons = {
            user: told[user]["reason"] for user in BROKEN if user != "c-hangs"
        }  # Kraken's hangs as this one does
        assert len(set(reasons.values())) == len(reasons)
        assert _reports(stack, [DAMAGED], hard)[DAMAGED]["outcome"] == "filled"
        assert "WRONGTYPE" in _refused(stack)[-1]
        assert all(service.running for service in stack.services)
        for user in WELL:
            assert_books_match(stack, user)
        assert stack.invalid_nonces() == []

        stack.client.delete(keys.differences(DAMAGED, "kraken"))
        last = stack.signal_at_each(kind="exit", fraction="1")
        told = _reports(stack, [*WELL, DAMAGED], last)
        assert {report["outcome"] for report in told.values()} == {"filled"}
        assert len(wait_outcomes(stack, [DAMAGED], easy, hard, last)[DAMAGED]) == 3
        assert_books_match(stack, DAMAGED)


def _refused(stack: Stack) -> list[str]:
    """Return the lines that say that a record of the damaged user cannot be read."""
    lines = [line for service in stack.services for line in service.log().splitlines()]
    return [line for line in lines if "WRONGTYPE" in line and f"user={DAMAGED}" in line]


def _reports(stack: Stack, users: Sequence[str], signalled: Signalled) -> dict[str, Report]:
    found = wait_outcomes(stack, users, signalled)
    return {user: next(iter(told.values())) for user, told in found.items()}


def _filled_after(stack: Stack, signalled: Signalled) -> int:
    """Return the time (ms) from the signal to the last fill of those who are well."""
    settled = []
    for report in _reports(stack, WELL, signalled).values():
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


def test_engine_standby_takes_over(tmp_path: Path) -> None:
    """Within 20 s, with whatever the first had left half done; one that wakes up again decides nothing."""
    endings = (signal.SIGKILL, signal.SIGSTOP)
    with ExitStack() as both:
        stacks = [both.enter_context(Stack(tmp_path / ending.name, ["alice", "bob"])) for ending in endings]
        signals = [_bought_with_a_standby(stack) for stack in stacks]
        for stack, ending, given in zip(stacks, endings, signals, strict=True):
            given += [stack.signal(size="0.001") for _ in range(8)]
            _engines(stack)[0].send(ending)
            given.append(stack.signal(kind="exit", fraction="1"))
        for stack, given in zip(stacks, signals, strict=True):
            everything = partial(_all_decided, stack, len(given))
            wait_for(everything, 20, "the standby has taken over")
            wait_outcomes(stack, stack.users, *given)
        frozen = _engines(stacks[1])[0]
        frozen.send(signal.SIGCONT)
        wait_for(lambda: "standing by" in frozen.log(), 20, "the sleeper stands by")
        signals[1].append(stacks[1].signal(size="0.001"))
        for stack, given in zip(stacks, signals, strict=True):
            wait_outcomes(stack, stack.users, *given)
            assert _all_decided(stack, len(given))
            for user in stack.users:
                assert_books_match(stack, user)


def _bought_with_a_standby(stack: Stack) -> list[str]:
    """Start two engines and have a first entry copied; answers its id."""
    for user in stack.users:
        stack.open_account(user, USD=10_000)
    stack.price("BTC/USD", "60000")
    stack.executor(capacity=len(stack.users))
    stack.engine()
    stack.wait_ready(*stack.users)
    given = [stack.signal(size="0.001")]
    wait_outcomes(stack, stack.users, *given)
    standby = stack.engine()
    wait_for(lambda: "standing by" in standby.log(), 15, "the second engine stands by")
    return given


def _engines(stack: Stack) -> list[Service]:
    return [service for service in stack.services if service.name == "copy-engine"]


def _all_decided(stack: Stack, count: int) -> bool:
    return all(len(stack.orders(user)) == count for user in stack.users)


def _state(stack: Stack, owner: str) -> str | None:
    return cast("str | None", stack.client.hget(keys.account(owner, "kraken"), "state"))
