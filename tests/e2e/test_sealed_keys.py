"""Sealed keys in a running system: one user's wrong identity, and a rotation to a new identity while signals are copied."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.ops_command import CommandResult, run_ops
from tests.support.outcomes import assert_books_match
from tests.support.processes import wait_for
from tests.support.secret_stack import SecretStack

pytestmark = pytest.mark.timeout(200)


class SealedStack(SecretStack):
    """Services and commands have an identity file, which a test writes."""

    @property
    def identity(self) -> Path:
        """The file."""
        return self.folder / "identity"

    def environment(self) -> dict[str, str]:
        """What every service of this stack is told."""
        return {**super().environment(), "SHOAL_IDENTITY_FILE": str(self.identity)}


def ops(stack: SealedStack, *words: str, code: int = 0) -> CommandResult:
    """Run a command."""
    ran = run_ops(stack, *words)
    assert ran.code == code, ran
    stack.assert_no_key_in(ran.out + ran.err)
    return ran


def test_a_wrong_identity_parks_one_user_and_a_rotation_disturbs_nobody(tmp_path: Path) -> None:
    with SealedStack(tmp_path, ["alice", "bob"]) as stack:
        recipient = ops(stack, "seal", "identity", "--to", str(stack.identity), "--json").json["recipient"]
        strange = ops(stack, "seal", "identity", "--to", str(tmp_path / "strange"), "--json").json["recipient"]
        newer = tmp_path / "newer"
        ops(stack, "seal", "identity", "--to", str(newer))
        for user in ("alice", "bob"):
            stack.open_account(user, USD=5000)
        stack.move_keys("alice")
        ops(stack, "seal", "keys")
        assert sorted(path.name for path in (stack.secrets / "kraken").iterdir()) == ["alice.age"]
        bobs = stack.keys_at["kraken"]["bob"]
        stack.seal_key("bob", bobs, strange)
        stack.price("BTC/USD", "60000")
        executor = stack.executor(capacity=5)
        stack.engine()
        stack.wait_ready("alice")
        wait_for(
            lambda: "cannot be opened with the identity in" in stack.account("bob").get("reason", ""), 60, "parked"
        )
        assert stack.account("bob")["state"] == "parked"
        stack.signal(size="0.01")
        assert [row["outcome"] for row in stack.wait_reports("alice", 1)] == ["filled"]
        assert [row["outcome"] for row in stack.wait_reports("bob", 1)] == ["skipped"]

        stack.seal_key("bob", bobs, recipient)  # it comes later, and is picked up without a restart
        stack.wait_ready("bob")

        with stack.identity.open("a") as file:  # services have both before files are sealed for the new one
            file.write(newer.read_text())
        stack.seal_key("bob", bobs, strange)
        ran = ops(stack, "seal", "rotate", "--to", str(newer), code=1)
        assert "1 keys rotated" in ran.out
        assert "kraken/bob.age cannot be opened" in ran.out
        stack.seal_key("bob", bobs, recipient)
        assert "1 keys rotated, 1 were already" in ops(stack, "seal", "rotate", "--to", str(newer)).out
        stack.identity.write_text(newer.read_text())
        turns = executor.log().count("serving user")
        stack.signal(kind="exit", size="0.01", fraction="1")
        assert [row["outcome"] for row in stack.wait_reports("alice", 2)] == ["filled", "filled"]
        stack.signal(size="0.01")
        assert [row["outcome"] for row in stack.wait_reports("bob", 3)][-1] == "filled"
        assert executor.log().count("serving user") == turns, "the keys are the same: no turn ended"
        assert stack.invalid_nonces() == []
        for user in ("alice", "bob"):
            assert_books_match(stack, user)
        written = stack.all_that_was_written()
        stack.assert_no_key_in(written)
        for path in (stack.identity, newer, tmp_path / "strange"):
            assert path.read_text().splitlines()[-1] not in written
        assert "Traceback" not in written
        assert {path.stat().st_mode & 0o777 for path in (stack.secrets / "kraken").iterdir()} == {0o600}
