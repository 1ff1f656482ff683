"""`ops paper-accounts`: keys that the services hold become accounts of the paper exchange."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.ops.system.paper_accounts import load_accounts
from shared.config.errors import ConfigurationError
from tests.integration.ops.command import exchange, ops
from tests.support.ports import free_port
from tests.support.processes import ROOT

SECRET = "c2hvYWwgcGFwZXIgc2VjcmV0IG9mIGFsaWNlIGZvciB0ZXN0cw=="
KEYS = {
    "KRAKEN_MASTER_API_KEY": "PAPER-master",
    "KRAKEN_MASTER_API_SECRET": SECRET,
    "KRAKEN_USER_ALICE_API_KEY": "PAPER-alice",
    "KRAKEN_USER_ALICE_API_SECRET": SECRET,
}
NO_REDIS = "redis://127.0.0.1:1/0"


async def test_each_account_with_a_key_is_made_and_the_others_are_told_and_skipped() -> None:
    async with exchange() as venue:
        ran = await ops(NO_REDIS, "paper-accounts", PAPER_URL=venue.url, **KEYS)
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "master at kraken",
        "alice at kraken",
        "bob at coinbase",
        "carol at kraken",
    ]
    assert "ready with 5000 USD" in lines[1]
    assert "skipped: COINBASE_USER_BOB_API_KEY is not set" in lines[2]
    assert [(sent["user"], sent["api_key"], sent["balances"]) for sent in venue.accounts] == [
        ("master", "PAPER-master", {"USD": "10000"}),
        ("alice", "PAPER-alice", {"USD": "5000"}),
    ]
    assert venue.accounts[1]["api_secret"] == SECRET
    assert SECRET not in ran.out
    assert "PAPER-alice" not in ran.out


async def test_a_refusal_is_told_in_one_line_without_the_secret() -> None:
    async with exchange() as venue:
        venue.refuse = f"this api_key exists with another secret than {SECRET}"
        ran = await ops(NO_REDIS, "paper-accounts", PAPER_URL=venue.url, **KEYS)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert "exists with another secret" in ran.err
    assert SECRET not in ran.err


async def test_in_live_mode_there_is_nothing_to_do_for_those_on_real_money() -> None:
    ran = await ops(NO_REDIS, "paper-accounts", SHOAL_MODE="live", PAPER_URL=f"http://127.0.0.1:{free_port()}", **KEYS)
    assert (ran.code, ran.out) == (0, "")
    assert "no user with paper = true" in ran.err


async def test_in_live_mode_only_users_on_paper_money_get_accounts_and_no_real_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "paper_accounts.toml").write_text((ROOT / "config" / "paper_accounts.toml").read_text())
    for user, settings in {"alice": "paper = true", "bob": "", "carol": "paper = true"}.items():
        (tmp_path / "users" / f"{user}.toml").write_text(settings)
    real = {"KRAKEN_USER_CAROL_API_KEY": "aRealKeyOfCarol", "KRAKEN_USER_CAROL_API_SECRET": SECRET}
    async with exchange() as venue:
        ran = await ops(
            NO_REDIS,
            "paper-accounts",
            SHOAL_MODE="live",
            SHOAL_CONFIG=str(tmp_path),
            PAPER_URL=venue.url,
            **KEYS,
            **real,
        )
    assert ran.code == 0
    assert [(sent["user"], sent["api_key"]) for sent in venue.accounts] == [("alice", "PAPER-alice")]
    assert "carol at kraken: skipped: KRAKEN_USER_CAROL_API_KEY is not a paper key" in ran.out
    assert "aRealKeyOfCarol" not in ran.out + ran.err


def test_the_shipped_file_has_an_account_for_the_master_and_three_users_of_different_size() -> None:
    accounts = load_accounts(ROOT / "config")
    assert sorted(user for user, _ in accounts) == ["alice", "bob", "carol", "master"]
    assert len({str(balances["USD"]) for balances in accounts.values()}) == 4


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[accounts.alice.kraken]\nUSD = 'much'", "accounts.alice.kraken.USD"),
        ("[account.alice.kraken]\nUSD = '5'", "account"),
        ("[accounts.alice", "not valid TOML"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "paper_accounts.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_accounts(tmp_path)
    assert str(path) in str(refused.value)
    assert named in str(refused.value)
    assert "\n" not in str(refused.value)
