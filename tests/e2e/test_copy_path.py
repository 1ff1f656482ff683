"""The whole path on real processes: signal, decision, order, report; judged by what the exchange saw."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path
from typing import Final

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.outcomes import wait_outcomes
from tests.support.processes import wait_for
from tests.support.stack import Stack


def test_every_user_gets_his_share_and_closes_by_fraction(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice", "bob", "carol"]) as stack:
        for user, cash in (("alice", 5000), ("bob", 1000), ("carol", 40)):
            stack.open_account(user, USD=cash)
        stack.price("BTC/USD", "60000")
        for _ in range(3):
            stack.executor()
        stack.engine()
        stack.wait_ready("alice", "bob", "carol")

        stack.signal(size="0.01")
        bought = {user: stack.wait_reports(user, 1)[0] for user in ("alice", "bob", "carol")}
        assert bought["alice"]["filled_size"] == "0.005"  # half the master's equity of 10,000
        assert bought["bob"]["filled_size"] == "0.001"
        assert bought["carol"]["outcome"] == "skipped"
        assert "below venue minimum" in bought["carol"]["reason"]

        stack.signal(kind="exit", size="0.0037", fraction="0.37")
        stack.signal(kind="exit", size="0.0063", fraction="1")
        sold = {user: stack.wait_reports(user, 3)[1:] for user in ("alice", "bob", "carol")}
        assert [row["filled_size"] for row in sold["alice"]] == ["0.00185", "0.00315"]
        assert [row["filled_size"] for row in sold["bob"]] == ["0.00037", "0.00063"]
        assert {row["reason"] for row in sold["carol"]} == {"nothing is held from copying"}

        for user in ("alice", "bob"):
            decided = [row["id"] for row in stack.orders(user) if row["decision"] == "copy"]
            assert [row["client_order_id"] for row in stack.venue_orders(user)] == decided
            assert stack.client.hgetall(keys.positions(user, "kraken")) == {}
            btc = stack.get(f"/paper/accounts/{user}/kraken")["balances"].get("BTC", {"total": "0"})
            assert Decimal(btc["total"] if isinstance(btc, dict) else btc) == 0
        assert stack.venue_orders("carol") == []
        assert stack.invalid_nonces() == []


def test_a_restart_in_the_middle_loses_and_doubles_nothing(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice"]) as stack:
        stack.open_account("alice", USD=5000)
        stack.price("BTC/USD", "60000")
        first, engine = stack.executor(), stack.engine()
        stack.wait_ready("alice")
        stack.signal()
        stack.wait_reports("alice", 1)

        assert engine.stop() == 0
        first.kill()
        stack.signal(kind="exit", fraction="1")
        stack.executor()
        stack.engine()
        assert [row["outcome"] for row in stack.wait_reports("alice", 2)] == ["filled", "filled"]
        assert len(stack.venue_orders("alice")) == 2
        assert stack.invalid_nonces() == []


def test_services_wait_out_a_redis_that_dies_and_go_on(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice"]) as stack:
        stack.open_account("alice", USD=5000)
        stack.price("BTC/USD", "60000")
        executor, engine = stack.executor(), stack.engine()
        stack.wait_ready("alice")
        stack.signal()
        stack.wait_reports("alice", 1)
        stack.redis.kill()
        wait_for(lambda: "waiting for Redis" in engine.log() + executor.log(), 15, "they say that they wait")
        stack.redis.start()
        stack.signal(kind="exit", fraction="1")
        assert [row["outcome"] for row in stack.wait_reports("alice", 2)] == ["filled", "filled"]
        assert executor.running
        assert engine.running
        assert len(stack.venue_orders("alice")) == 2
        assert stack.invalid_nonces() == []


def test_blank_or_placeholder_key(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice", "bob", "carol"]) as stack:
        stack.open_account("alice", USD=5000)
        stack.keys["bob"] = ("", "")
        stack.keys["carol"] = ("your_api_key", "your_api_secret")
        stack.price("BTC/USD", "60000")
        stack.executor(capacity=3)
        stack.engine()
        stack.wait_ready("alice")
        stack.signal()
        assert stack.wait_reports("alice", 1)[0]["outcome"] == "filled"
        blank, placeholder = stack.wait_reports("bob", 1)[0], stack.wait_reports("carol", 1)[0]
        assert blank["outcome"] == placeholder["outcome"] == "skipped"
        assert "KRAKEN_USER_BOB_API_KEY is blank" in blank["reason"]
        assert "KRAKEN_USER_CAROL_API_KEY holds a placeholder" in placeholder["reason"]


def test_two_users_same_first_name_keep_two_keys(tmp_path: Path) -> None:
    users = ["sam-jones", "sam-smith"]
    with Stack(tmp_path, users) as stack:
        for user in users:
            stack.open_account(user, USD=5000)
        stack.price("BTC/USD", "60000")
        stack.executor(capacity=2)
        stack.engine()
        stack.wait_ready(*users)
        stack.signal()
        for user in users:
            stack.wait_reports(user, 1)
            assert len(stack.venue_orders(user)) == 1


def test_users_wait_for_master_and_engine_waits_for_users(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice"]) as stack:
        stack.open_account("alice", USD=5000)
        stack.price("BTC/USD", "60000")
        engine, executor = stack.engine(), stack.executor()
        stack.wait_ready("alice")
        wait_for(lambda: "waiting for the master account" in engine.log(), 10, "the engine says what it waits for")
        assert "TRADING" not in executor.log()
        assert executor.stop() == 0
        stack.client.delete(keys.account("alice", "kraken"))
        stack.signal()
        wait_for(lambda: "waiting for users alice" in engine.log(), 10, "the engine waits for the user")
        assert stack.orders("alice") == []
        executor = stack.executor()
        stack.wait_reports("alice", 1)
        assert "USER: alice: TRADING (Broker: KRAKEN)" in executor.log()
        assert "Copy engine started: user trades will be replicated" in engine.log()


FAULTS_BY_USER: Final = {
    "alice": ("502_after_accept", "html_error_page", "invalid_nonce_burst"),
    "cole": ("502_after_accept", "html_error_page", "unauthorized_burst", "key_revoked_mid_run"),
    "edda": ("502_after_accept", "truncated_json", "unauthorized_burst", "permission_denied"),
}
TOKEN: Final = re.compile(r"eyJ[\w-]+\.eyJ[\w-]+\.")
"""How every JWT begins: two JSON objects in base64."""


def test_secrets_never_leave(tmp_path: Path) -> None:
    """At Kraken; at Coinbase, with a key of either kind: neither the PEM, nor any of its lines, nor a token."""
    at_coinbase = dict.fromkeys(("cole", "edda"), ("coinbase",))
    with Stack(tmp_path, list(FAULTS_BY_USER), venues=at_coinbase) as stack:
        stack.open_account("alice", USD=5000)
        stack.open_account("cole", USD=5000)
        stack.open_account("edda", USD=5000, key_type="ed25519")
        stack.price("BTC/USD", "60000")
        stack.executor(capacity=len(FAULTS_BY_USER))
        stack.engine()
        stack.wait_ready(*FAULTS_BY_USER)
        signals = []
        for number in range(max(map(len, FAULTS_BY_USER.values()))):
            for user, faults in FAULTS_BY_USER.items():
                if number < len(faults):
                    stack.fault(faults[number], user=user, count=4)
            signals.append(stack.signal_at_each())
            wait_outcomes(stack, list(FAULTS_BY_USER), *signals)
        seen = "".join(service.log() for service in stack.services)
        for command in (("status",), ("audit",), ("why", "cole"), ("doctor", "--all")):
            told = run_ops(stack, *command)
            seen += told.out + told.err
        for name in stack.client.scan_iter("*"):
            kind = stack.client.type(name)
            seen += name
            if kind == "hash":
                seen += str(stack.client.hgetall(name))
            elif kind == "stream":
                seen += str(stack.client.xrange(name))
            elif kind == "string":
                seen += str(stack.client.get(name))
        assert len(seen) > 1000
        for key, secret in (pair for owners in stack.keys_at.values() for pair in owners.values()):
            assert key not in seen
            assert [line for line in secret.splitlines() if not line.startswith("-----") and line in seen] == []
        assert not TOKEN.search(seen)


def test_a_user_whose_executor_is_gone_for_good_is_taken_in_and_handed_on_again(tmp_path: Path) -> None:
    with Stack(tmp_path, ["alice", "bob"]) as stack:
        for user in ("alice", "bob"):
            stack.open_account(user, USD=5000)
        stack.price("BTC/USD", "60000")
        doomed, stays, engine = stack.executor(), stack.executor(), stack.engine()
        stack.wait_ready("alice", "bob")
        stack.signal()
        for user in ("alice", "bob"):
            stack.wait_reports(user, 1)
        doomed.kill()
        stack.signal(kind="exit", fraction="1")
        for user in ("alice", "bob"):
            assert stack.wait_reports(user, 2)[1]["outcome"] == "filled"
        assert "took in a user whom nobody served" in stays.log()
        fresh = stack.executor()
        wait_for(lambda: "TRADING" in fresh.log(), 30, "the new executor serves the guest")
        stack.signal()
        for user in ("alice", "bob"):
            assert stack.wait_reports(user, 3)[2]["outcome"] == "filled"
            assert len(stack.venue_orders(user)) == 3
        assert engine.running
        assert stack.invalid_nonces() == []
