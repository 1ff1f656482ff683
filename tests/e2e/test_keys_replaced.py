"""Keys are replaced while signals flow, at both venues, by real processes; judged by what the exchange saw under each key."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import count, pairwise
from pathlib import Path

import pytest

from shared.contracts import keys
from shared.contracts.keys import fingerprint
from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match, wait_outcomes
from tests.support.person import Person
from tests.support.processes import wait_for
from tests.support.secret_stack import Pair, SecretStack

USERS = ("alice", "cole")
_PAUSE = 0.4
"""Seconds between two signals."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[SecretStack]:
    """alice trades at Kraken and cole at Coinbase; both are served."""
    with SecretStack(tmp_path, USERS, venues={"cole": ("coinbase",)}) as made:
        for user in USERS:
            made.open_account(user, USD=5000)
        made.move_keys(*USERS)
        made.price("BTC/USD", "60000")
        made.executor(capacity=5)
        made.engine()
        made.wait_ready(*USERS)
        yield made


class Flow:
    """Signals, one after the other: an entry, and then an exit of all."""

    def __init__(self, stack: SecretStack) -> None:
        self._stack = stack
        self._number = count()
        self.signals: list[dict[str, str]] = []

    def until(self, condition: Callable[[], object], at_least: int = 0) -> None:
        """Give signals until something holds, and some more."""
        end = time.monotonic() + 90
        for number in count():
            kind = "exit" if next(self._number) % 2 else "entry"
            self.signals.append(self._stack.signal_at_each(kind=kind, fraction="1" if kind == "exit" else ""))
            if number >= at_least and condition():
                return
            assert time.monotonic() < end, self._stack.services[1].log()[-3000:]
            time.sleep(_PAUSE)

    def end(self) -> None:
        """End with an exit."""
        if next(self._number) % 2:
            self.signals.append(self._stack.signal_at_each(kind="exit", fraction="1"))


def _trades_with(stack: SecretStack, user: str, pair: Pair) -> bool:
    place = stack.words(user).places
    return any(row["method"] == place and row["verdict"] == "ok" for row in stack.requests_with(pair))


def _judge(stack: SecretStack, flow: Flow) -> None:
    """Every signal has one outcome, nothing is doubled under any key, no nonce was refused, no key was written anywhere."""
    flow.end()
    wait_outcomes(stack, USERS, *flow.signals)
    for user in USERS:
        assert_books_match(stack, user)
        used = [stack.requests_with(pair) for pair in stack.pairs_of(user)]
        for before, after in pairwise(used):
            if before and after:
                assert before[-1]["at"] <= after[0]["at"], f"{user}'s former key was used after the new one"
    assert stack.invalid_nonces() == []
    audit = run_ops(stack, "audit", "--json", "--grace", "0")
    assert audit.code == 0, audit.out + audit.err
    assert (audit.json["missing"], audit.json["duplicates"]) == (0, 0)
    stack.assert_no_key_in(stack.all_that_was_written() + audit.out + audit.err)


def test_keys_replaced_while_signals_flow_double_nothing_and_lose_nothing(stack: SecretStack) -> None:
    flow = Flow(stack)
    flow.until(lambda: True, at_least=2)
    for order in (("secret", "key"), ("key", "secret")):
        new = {user: stack.new_pair(user) for user in USERS}
        for part in order:
            for user in USERS:
                stack.write_key(user, new[user], part)
            if part == order[0]:  # half a pair: the former key goes on
                flow.until(lambda: True, at_least=10)
                assert [stack.requests_with(new[user]) for user in USERS] == [[], []]
        flow.until(lambda new=new: all(_trades_with(stack, user, new[user]) for user in USERS), at_least=3)  # type: ignore[misc]
    assert stack.services[1].log().count("the API key was replaced") == 4
    _judge(stack, flow)
    for user in USERS:
        pairs = stack.pairs_of(user)
        known = {name.rpartition(":")[2] for name in stack.client.scan_iter(keys.nonce(user, "*"))}
        assert known == ({fingerprint(key) for key, _ in pairs} if user == "alice" else set())


def test_a_key_is_replaced_while_orders_have_an_unknown_outcome(stack: SecretStack) -> None:
    flow = Flow(stack)
    flow.until(lambda: True, at_least=1)
    for user in USERS:
        stack.fault("processed_then_reply_dropped", user=user, method=stack.words(user).places, count=3)
    new = {user: stack.new_pair(user) for user in USERS}
    for user in USERS:
        stack.write_key(user, new[user])
    flow.until(lambda: all(_trades_with(stack, user, new[user]) for user in USERS), at_least=8)
    _judge(stack, flow)


def test_a_key_that_was_revoked_before_the_new_one_came_is_replaced_without_a_restart(stack: SecretStack) -> None:
    stack.fault("key_revoked_mid_run", user="alice")
    wait_for(lambda: stack.signal() and stack.account("alice")["state"] == "parked", 60, "the revoked key is noticed")
    new = stack.new_pair("alice")
    stack.clear_faults()
    stack.write_key("alice", new)
    wait_for(lambda: stack.requests_with(new), 60, "the new key is used")
    stack.wait_ready("alice")


def test_broken_files_leave_the_key_in_use_and_are_reported(stack: SecretStack) -> None:
    flow = Flow(stack)
    home = stack.secrets / "kraken" / "alice"
    (home / "key").write_text("")
    flow.until(lambda: "a changed API key is not used" in stack.services[1].log(), at_least=3)
    wait_for(lambda: "kraken/alice/key is" in run_ops(stack, "status", "--json").out, 60, "status shows it")
    (home / "key").unlink()
    (home / "secret").unlink()
    flow.until(lambda: True, at_least=8)
    new = stack.new_pair("alice")
    stack.write_key("alice", new)
    flow.until(lambda: _trades_with(stack, "alice", new), at_least=2)
    _judge(stack, flow)


def test_a_user_whose_key_comes_later_trades_without_a_restart(stack: SecretStack) -> None:
    first = stack.signal()  # the engine opens with the first signal, and takes users in from then on
    wait_outcomes(stack, ["alice"], first)
    stack.write_user("erin")
    stack.open_account("erin", USD=5000)
    wait_for(lambda: stack.account("erin").get("state") == "parked", 60, "erin is parked")
    assert "nor is there a file" in stack.account("erin")["reason"]
    pair = stack.keys_at["kraken"]["erin"]
    stack.write_key("erin", pair, "key")
    wait_for(lambda: stack.client.exists(keys.following("erin")), 60, "the engine has erin follow")
    signal = stack.signal()
    assert wait_outcomes(stack, ["erin"], signal)["erin"][signal]["outcome"] == "skipped"
    assert stack.requests_with(pair) == []
    stack.write_key("erin", pair, "secret")
    stack.wait_ready("erin")


def test_one_key_for_two_users_is_refused_when_it_comes_by_files(stack: SecretStack) -> None:
    stack.write_user("erin")
    stack.write_key("erin", stack.keys_at["kraken"]["alice"])
    wait_for(lambda: "hold the same key" in stack.account("erin").get("reason", ""), 60, "erin is refused")
    signal = stack.signal()
    wait_outcomes(stack, ["alice"], signal)
    stack.assert_no_key_in(stack.all_that_was_written())


def test_the_masters_key_is_replaced_while_a_person_trades(tmp_path: Path) -> None:
    with SecretStack(tmp_path, ["alice"]) as stack:
        (stack.config / "strategy.toml").write_text('name = "none"\n')
        stack.price("BTC/USD", "60000")
        stack.open_account("master", USD=1_000_000)
        stack.open_account("alice", USD=1_000_000)
        stack.move_keys("master", "alice")
        person = Person(stack, "master")
        master = stack.start("master", "services.master_strategy")
        stack.executor()
        stack.engine()
        stack.wait_ready("master", "alice")
        wait_for(lambda: stack.client.get(keys.fill_cursor("master", "kraken")) is not None, 60, "the first scan")
        old, new = stack.used["master", "kraken"][0], stack.new_pair("master")
        trades = count(1)

        def trade() -> None:
            number = next(trades)
            person.trade("buy" if number % 2 else "sell", "0.04")
            wait_for(lambda: len(stack.reports("alice")) == number, 60, f"trade {number} was copied")

        trade()
        stack.write_key("master", new, "key")
        trade()
        stack.write_key("master", new, "secret")
        wait_for(lambda: stack.requests_with(new), 60, "the new key is used")
        before = len(stack.requests_with(old))
        trade()
        trade()
        assert len(stack.requests_with(old)) == before
        assert [row["outcome"] for row in stack.reports("alice")] == ["filled"] * 4
        assert stack.client.xlen(keys.SIGNALS) == 4
        assert master.running
        assert stack.invalid_nonces() == []
        assert_books_match(stack, "alice")
        stack.assert_no_key_in(stack.all_that_was_written())
