"""`ops user`: what the commands write and refuse, against a real Redis and a stand-in for the paper exchange's control plane."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from services.ops.system.paper_accounts import load_accounts
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.bus.users.last_settings import LastSettings
from shared.config.users.loader import load_users
from shared.contracts import keys
from shared.domain.limits.policy import OnLeave
from shared.domain.position import Position
from shared.domain.values.money import Quantity
from tests.integration.ops.command import Exchange
from tests.integration.ops.users_command import ALICE, Run
from tests.support.examples import BTC_USD, NOW, an_account, usd


async def _holds(bus: Bus, user: str) -> None:
    await Records(bus).write_position(
        user, "kraken", Position(BTC_USD, Quantity(Decimal("0.01"), "BTC"), usd(600), NOW, NOW)
    )


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


async def test_a_paper_user_gets_a_file_an_account_and_a_key_that_nobody_is_shown(
    run: Run, venue: Exchange, config: Path, tmp_path: Path
) -> None:
    ran = await run("add", "dave", "--paper", "--balance", "800", "--wait", "0")
    assert (ran.code, ran.err) == (0, "")
    assert venue.accounts == [{"user": "dave", "venue": "kraken", "balances": {"USD": "800"}}]
    policy = load_users(config)["dave"]
    assert (policy.enabled, policy.venues, policy.paper) == (True, ("kraken",), False)
    home = tmp_path / "secrets" / "kraken" / "dave"
    assert [(path.name, path.read_text(), path.stat().st_mode & 0o777) for path in sorted(home.iterdir())] == [
        ("key", "PAPER-api_key\n", 0o600),
        ("secret", "PAPER-api_secret\n", 0o600),
    ]
    assert home.stat().st_mode & 0o777 == 0o700
    assert {user: held for (user, _), held in load_accounts(config).items()}["dave"] == {"USD": 800}
    assert (
        (config / "paper_accounts.toml").read_text().startswith('# balances\n[accounts.alice.kraken]\nUSD = "5000"\n')
    )
    assert "no executor serves dave yet" in ran.out
    assert "PAPER-api" not in ran.out
    again = await run("add", "dave", "--paper")
    assert (again.code, "exists already" in again.err) == (2, True)


async def test_in_live_mode_the_file_of_a_paper_user_says_so_and_both_venues_are_possible(
    run: Run, config: Path, venue: Exchange
) -> None:
    words = ("--paper", "--venue", "coinbase", "--venue", "kraken", "--wait", "0", "--json")
    ran = await run("add", "dave", *words, SHOAL_MODE="live")
    assert ran.code == 0, ran.err
    policy = load_users(config)["dave"]
    assert (policy.paper, policy.venues) == (True, ("coinbase", "kraken"))
    assert [sent["venue"] for sent in venue.accounts] == ["coinbase", "kraken"]
    assert [each["venue"] for each in ran.json["accounts"]] == ["coinbase", "kraken"]


async def test_without_paper_it_says_where_the_keys_belong(
    run: Run, venue: Exchange, config: Path, tmp_path: Path
) -> None:
    ran = await run("add", "dave")
    assert ran.code == 0, ran.err
    home = tmp_path / "secrets" / "kraken" / "dave"
    assert (
        f"needed at kraken: {home}/secret and {home}/key, both chmod 600, or KRAKEN_USER_DAVE_API_KEY"
        in (ran.out.replace("\n", " ").replace("  ", " "))
        or f"{home}/key" in ran.out
    )
    assert venue.accounts == []
    assert "dave" in load_users(config)
    ran = await run("add", "erin", SHOAL_SECRETS="")
    assert "KRAKEN_USER_ERIN_API_KEY and KRAKEN_USER_ERIN_API_SECRET" in ran.out


@pytest.mark.parametrize(
    "name", ["../alice", "Dave", "a/b", "", "master", "prices-x", "al\nice", "a" * 33, "ali.ce", "-x"]
)
@pytest.mark.parametrize("command", [("add",), ("rename", "alice"), ("remove",), ("disable",)])
async def test_no_name_but_a_user_id_is_taken(run: Run, config: Path, command: tuple[str, ...], name: str) -> None:
    before = _files(config)
    ran = await run(command[0], *(["--yes"] if command[0] in {"rename", "remove"} else []), "--", *command[1:], name)
    assert ran.code == 2, ran.out
    assert _files(config) == before
    assert len(ran.err.strip().splitlines()) <= 8


async def test_two_names_that_share_a_variable_are_refused(run: Run) -> None:
    assert (await run("add", "ann-lee")).code == 0
    ran = await run("add", "ann_lee")
    assert (ran.code, "would share one key variable" in ran.err) == (2, True)


async def test_a_balance_that_is_none_is_refused_before_anything_is_made(
    run: Run, venue: Exchange, config: Path
) -> None:
    for balance in ("-1", "much", "NaN", "1e99"):
        assert (await run("add", "dave", "--paper", "--balance", balance)).code == 2
    assert (await run("add", "dave", "--balance", "8")).code == 2
    assert (await run("add", "dave", "--paper", "--venue", "mtgox")).code == 2
    assert (venue.accounts, sorted(load_users(config))) == ([], ["alice"])


async def test_disable_and_enable_change_one_line_and_leave_the_rest(run: Run, config: Path) -> None:
    path = config / "users" / "alice.toml"
    assert (await run("disable", "alice", "--on-leave", "exits_only")).code == 0
    assert path.read_text() == 'on_leave = "exits_only"\n' + ALICE.replace("enabled = true ", "enabled = false ")
    policy = load_users(config)["alice"]
    assert (policy.enabled, policy.on_leave) == (False, OnLeave.EXITS_ONLY)
    assert (await run("enable", "alice")).code == 0
    assert load_users(config)["alice"].enabled
    assert (await run("disable", "zed")).err.startswith("ops: zed: there is no such user (known: alice)")
    path.write_text("enabled = true\nvenus = []\n")
    ran = await run("disable", "alice")
    assert (ran.code, path.read_text()) == (2, "enabled = true\nvenus = []\n")
    assert "is not changed, since services would not accept it: venus" in ran.err


async def test_list_shows_state_venues_where_keys_are_and_what_is_held(
    run: Run, bus: Bus, config: Path, tmp_path: Path
) -> None:
    (config / "users" / "bob.toml").write_text('enabled = false\nstage = "0.25"\n')
    (config / "users" / "cy.toml").write_text('[stage]\nstart = "shadow"\nmax = "0.25"\nauto = true\n')
    (config / "users" / "bad.toml").write_text("enabled = maybe\n")
    (tmp_path / "secrets" / "kraken" / "alice").mkdir(parents=True)
    (tmp_path / "secrets" / "kraken" / "alice" / "key").write_text("theKeyOfAlice")
    await _holds(bus, "alice")
    await _holds(bus, "zoe")
    await Records(bus).write_account(an_account("alice"))
    await bus.do("SET", keys.lease("alice"), "someone")
    ran = await run("list", "--json", KRAKEN_USER_BOB_API_KEY="theKeyOfBob")
    assert ran.json["total"] == 5
    rows = {row["user"]: row for row in ran.json["users"]}
    assert {user: row["state"] for user, row in rows.items() if user not in {"bad", "cy"}} == {
        "alice": "enabled",
        "bob": "disabled, on_leave = keep",
        "zoe": "gone, still holds",
    }
    assert rows["bad"]["state"].startswith("bad file: ")
    stages = {"alice": "1", "bob": "0.25", "cy": "shadow, climbs to 0.25", "bad": "", "zoe": ""}
    assert {user: row["stage"] for user, row in rows.items()} == stages
    assert {user: row["key"] for user, row in rows.items() if user in {"alice", "bob"}} == {
        "alice": {"kraken": "folder"},
        "bob": {"kraken": "variable"},
    }
    assert (rows["alice"]["held"], rows["zoe"]["held"], rows["bob"]["held"]) == ("0.01 BTC", "0.01 BTC", "")
    assert (rows["alice"]["accounts"], rows["bob"]["accounts"]) == ({"kraken": "ready"}, {"kraken": "not served"})
    shown = await run("list", "--limit", "1", "--skip", "1")
    assert "1 of 5 users" in shown.out
    assert [row["user"] for row in (await run("list", "o", "--json")).json["users"]] == ["bob", "zoe"]
    assert "theKey" not in ran.out + shown.out


async def test_remove_refuses_what_is_held_and_keep_shows_what_is_left(run: Run, bus: Bus, config: Path) -> None:
    await _holds(bus, "alice")
    ran = await run("remove", "alice", "--yes")
    assert (ran.code, "alice holds 0.01 BTC from copying: --flatten sells it first, --keep" in ran.err) == (2, True)
    assert (config / "users" / "alice.toml").read_text() == ALICE
    ran = await run("remove", "alice", "--keep", "--yes")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "alice is gone, still holds: 0.01 BTC")
    assert sorted(load_users(config)) == []
    assert (await LastSettings(bus).read(["alice"]))["alice"].on_leave is OnLeave.KEEP
    assert (await run("list", "--json")).json["users"][0]["state"] == "gone, still holds"
    assert ("alice", "kraken") in load_accounts(config)


async def test_remove_without_an_executor_sells_nothing_and_says_so(run: Run, bus: Bus, config: Path) -> None:
    await _holds(bus, "alice")
    ran = await run("remove", "alice", "--flatten", "--yes", "--wait", "1")
    assert ran.code == 1
    assert "alice is not removed: alice still holds 0.01 BTC, and no executor serves them" in ran.out
    policy = load_users(config)["alice"]
    assert (policy.enabled, policy.on_leave) == (False, OnLeave.CLOSE_NOW)


async def test_remove_takes_paper_keys_along_and_names_real_ones(run: Run, config: Path, tmp_path: Path) -> None:
    await run("add", "dave", "--paper", "--wait", "0")
    real = tmp_path / "secrets" / "coinbase" / "dave"
    real.mkdir(parents=True)
    (real / "key").write_text("organizations/1/apiKeys/2")
    (real / "secret").write_text("theSecretOfDave")
    ran = await run("remove", "dave", "--yes")
    assert ran.code == 0, ran.err + ran.out
    assert not (tmp_path / "secrets" / "kraken" / "dave").exists()
    assert (
        f"the key in {real / 'key'} is still there" in ran.out.replace("\n", " ").replace("  ", " ")
        or (real / "key").exists()
    )
    assert [user for user, _ in load_accounts(config)] == ["alice"]
    assert (config / "paper_accounts.toml").read_text().startswith("# balances\n[accounts.alice.kraken]")
    assert "theSecretOfDave" not in ran.out + ran.err


async def test_rename_takes_the_key_files_along(run: Run, bus: Bus, config: Path, tmp_path: Path) -> None:
    home = tmp_path / "secrets" / "kraken" / "alice"
    home.mkdir(parents=True)
    (home / "key").write_text("theKeyOfAlice")
    (tmp_path / "secrets" / "kraken" / "al").mkdir()
    (tmp_path / "secrets" / "kraken" / "al" / "key").write_text("another")
    ran = await run("rename", "alice", "al", "--yes")
    assert (ran.code, "exists already: it is another key" in ran.err) == (2, True)
    (tmp_path / "secrets" / "kraken" / "al" / "key").unlink()
    ran = await run("rename", "alice", "al", "--yes", "--json")
    assert (ran.code, ran.json["key_files"]) == (0, ["kraken"]), ran.err
    assert (tmp_path / "secrets" / "kraken" / "al" / "key").read_text() == "theKeyOfAlice"
    assert sorted(load_users(config)) == ["al"]
    del bus
