"""A user's key is replaced by one of another account, at both venues, by real processes: nothing is traded there."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match, wait_outcomes
from tests.support.processes import wait_for
from tests.support.secret_stack import SecretStack

USERS = {"alice": "kraken", "cole": "coinbase"}
STRANGERS = {"alice": "zoe", "cole": "yan"}
"""Whose key each user's files get: accounts at the same venue that Shoal does not trade."""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[SecretStack]:
    """alice trades at Kraken and cole at Coinbase, and both hold something."""
    venues = {name: (venue,) for user, venue in USERS.items() for name in (user, STRANGERS[user])}
    with SecretStack(tmp_path, list(USERS), venues=venues) as made:
        for name in (*USERS, *STRANGERS.values()):
            made.open_account(name, USD=5000)
        made.move_keys(*USERS)
        made.price("BTC/USD", "60000")
        made.executor(capacity=5)
        made.engine()
        made.wait_ready(*USERS)
        wait_outcomes(made, list(USERS), made.signal_at_each())
        for user in USERS:
            wait_for(lambda user=user: _mark(made, user).get("key"), 60, f"the key of {user} is recorded")  # type: ignore[misc]
        yield made


def _mark(stack: SecretStack, user: str) -> dict[str, str]:
    return dict(stack.client.hgetall(keys.books(user, USERS[user])))  # type: ignore[arg-type]  # redis-py has unions


def _give_strangers_keys(stack: SecretStack) -> dict[str, str]:
    """Write further keys of the strangers' accounts into the users' files; return their fingerprints by user."""
    given = {user: stack.new_pair(stranger) for user, stranger in STRANGERS.items()}
    for user, pair in given.items():
        stack.write_key(user, pair)
    for user in USERS:
        wait_for(
            lambda user=user: "is of another account" in stack.account(user).get("reason", ""),  # type: ignore[misc]
            60,
            f"{user} is parked",
        )
    return {user: keys.fingerprint(key) for user, (key, _) in given.items()}


def test_nothing_is_traded_on_it_and_the_former_key_goes_on_where_it_stopped(stack: SecretStack) -> None:
    former = {user: stack.pairs_of(user)[0] for user in USERS}
    given = _give_strangers_keys(stack)
    for user in USERS:
        assert f"with the fingerprint {given[user]} is of another account" in stack.account(user)["reason"]
    entry = stack.signal_at_each()
    assert {
        user: rows[entry[USERS[user]]]["outcome"] for user, rows in wait_outcomes(stack, list(USERS), entry).items()
    } == dict.fromkeys(USERS, "skipped")
    close = stack.signal_at_each(kind="exit", fraction="1")
    listed = {row["user"]: row["accounts"] for row in run_ops(stack, "user", "list", "--json").json["users"]}
    assert all("is of another account" in str(listed[user]) for user in USERS)
    for user in USERS:
        assert stack.venue_orders(STRANGERS[user]) == []
        stack.write_key(user, former[user])
    wait_outcomes(stack, list(USERS), close)
    for user in USERS:
        assert_books_match(stack, user)
        assert stack.venue_orders(STRANGERS[user]) == []
        assert (stack.held(user), _mark(stack, user)["key"]) == ({}, keys.fingerprint(former[user][0]))
    audit = run_ops(stack, "audit", "--json", "--grace", "0")
    assert (audit.code, audit.json["missing"], audit.json["duplicates"]) == (0, 0, 0)


def test_an_operator_who_means_it_begins_empty_books_there(stack: SecretStack) -> None:
    given = _give_strangers_keys(stack)
    refused = run_ops(stack, "rebuild", "--user", "alice", "--yes", "--json")
    assert (refused.code, "another account than the key" in refused.json["accounts"][0]["reason"]) == (1, True)
    for user in USERS:
        ran = run_ops(stack, "rebuild", "--user", user, "--not-ours", "--yes", "--json")
        assert (ran.code, ran.json["accounts"][0]["written"]) == (0, True), ran.out + ran.err
    stack.wait_ready(*USERS)
    wait_outcomes(stack, list(USERS), stack.signal_at_each())
    for user in USERS:
        (order,) = stack.venue_orders(STRANGERS[user])
        assert Decimal(next(iter(stack.held(user).values())).split()[0]) == Decimal(order["filled_size"])
        assert _mark(stack, user)["key"] == given[user]
