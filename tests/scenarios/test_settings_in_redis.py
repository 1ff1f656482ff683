"""Settings of users in Redis while everything runs, each service under its own Redis user: a change, a bad record, its repair."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.contracts import keys
from tests.e2e.test_redis_users import GuardedStack
from tests.support.ops_command import CommandResult, run_ops
from tests.support.processes import wait_for

pytestmark = pytest.mark.timeout(280)

GROUP = "groups/eu-1"


class SettingsInRedis(GuardedStack):
    """A stack whose users have records and no files."""

    def environment(self) -> dict[str, str]:
        """Return what every service is told."""
        return super().environment() | {"SHOAL_CONFIG_SOURCE": "redis"}


def ops(stack: SettingsInRedis, *words: str) -> CommandResult:
    """Run a command that must succeed."""
    ran = run_ops(stack, *words)
    assert ran.code == 0, ran
    return ran


def decided(stack: SettingsInRedis, signal: str) -> dict[str, tuple[str, str]]:
    """Return outcome and filled size by user, once both have an outcome of a signal."""
    found: dict[str, tuple[str, str]] = {}

    def ended() -> bool:
        for user in ("alice", "bob"):
            for row in stack.reports(user):
                if row["signal_id"] == signal:
                    found[user] = row["outcome"], row["filled_size"]
        return len(found) == 2

    wait_for(ended, 60, f"{signal} has ended for both")
    return found


def until(stack: SettingsInRedis, alice: str, bob: str) -> None:
    """Signal entries and exits until these are the outcomes of an entry (`full`, `half` of the size, `skipped`)."""
    seen: list[dict[str, str]] = []

    def in_force() -> bool:
        entry = decided(stack, stack.signal("ETH/USD", size="0.2", price="3000"))
        decided(stack, stack.signal("ETH/USD", kind="exit", size="0.2", price="3000", fraction="1"))
        seen.append({user: size_of(*found) for user, found in entry.items()})
        return seen[-1] == {"alice": alice, "bob": bob}

    wait_for(in_force, 90, f"alice {alice} and bob {bob}")


def size_of(outcome: str, filled: str) -> str:
    """Return how much of the signal's size was bought: about, since each round costs fees."""
    if outcome != "filled":
        return outcome
    return "half" if Decimal(filled) < Decimal("0.12") else "full"


def is_bad(stack: SettingsInRedis, user: str) -> bool:
    rows = {row["user"]: row["state"] for row in ops(stack, "user", "list", "--json").json["users"]}
    return str(rows[user]).startswith("bad file")


def test_a_change_takes_effect_and_a_bad_record_stops_one_users_entries_alone(tmp_path: Path) -> None:
    (tmp_path / "config" / "groups").mkdir(parents=True)
    (tmp_path / "config" / "groups" / "eu-1.toml").write_text("[limits]\nmax_positions = 5\n")
    with SettingsInRedis(tmp_path, [], groups={"eu-1": ["bob"]}) as stack:
        (stack.config / "users").rmdir()
        for name, price in (("BTC/USD", "60000"), ("ETH/USD", "3000")):
            stack.price(name, price)
        for user in ("alice", "bob"):
            stack.open_account(user, USD=10_000)
        stack.executor(capacity=9)
        stack.start("executor", "services.executor", AS=GROUP, EXECUTOR_GROUPS="eu-1", EXECUTOR_CAPACITY="9")
        engine = stack.engine()
        # Nobody is a user yet: they come while everything runs.
        ops(stack, "user", "add", "alice")
        ops(stack, "user", "add", "bob", "--group", "eu-1")
        stack.wait_ready("alice", "bob")
        held = decided(stack, stack.signal(size="0.02"))
        assert held == {"alice": ("filled", "0.02"), "bob": ("filled", "0.02")}

        ops(stack, "user", "set", "alice", "sizing.multiplier=0.5", "--reason", "smaller", "--yes")
        until(stack, alice="half", bob="full")

        bad = keys.user_settings("bob")
        text = str(stack.client.hget(bad, "text"))
        stack.client.hset(bad, "text", text + "[limits]\nmax_order_pct = 250\n")  # by hand: nobody is told
        assert is_bad(stack, "bob")
        wait_for(lambda: "the user's former ones stay in force" in engine.log(), 60, "the engine has seen it")
        until(stack, alice="half", bob="full")  # a service that runs keeps what it has, as with a file
        engine.stop()
        engine = stack.engine()
        until(stack, alice="half", bob="skipped")  # one that starts has nothing for entries
        skipped = [row for row in stack.reports("bob") if (row["outcome"], row["kind"]) == ("skipped", "entry")]
        reason = skipped[-1]["reason"]
        assert "shoal:user_settings:{bob}: " in reason
        assert "limits.max_order_pct: must be above 0 and at most 100 (got 250)" in reason
        sold = decided(stack, stack.signal(kind="exit", size="0.02", fraction="1"))
        assert {user: outcome for user, (outcome, _) in sold.items()} == {"alice": "filled", "bob": "filled"}
        assert stack.held("bob") == {}

        (version,) = [each["version"] for each in ops(stack, "user", "history", "bob", "--json").json["versions"]]
        ops(stack, "user", "restore", "bob", version, "--reason", "typed wrongly", "--yes")
        until(stack, alice="half", bob="full")
        assert stack.refusals() == []
        assert engine.running
