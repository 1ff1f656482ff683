"""`ops backtest`: its options, its forms of output, and one line that names the option or the file for what is wrong."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from services.ops.app import build
from shared.config.errors import ConfigurationError
from shared.seeded_market.candles import seeded_candles
from tests.support.processes import ROOT

D = Decimal
STRATEGY = """
strategy = "sma-cross"
symbols = ["BTC/USD"]
interval_minutes = 5
entry_gap_seconds = 0
[settings]
fast = 5
slow = 20
"""


@pytest.fixture(name="config", autouse=True)
def with_shipped_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a copy of the shipped configuration, with a strategy of one pair."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    (folder / "strategy.toml").write_text(STRATEGY, "utf-8")
    monkeypatch.setenv("SHOAL_CONFIG", str(folder))
    return folder


def ops(*words: str) -> str:
    """Run the command, which must work; return what it prints."""
    done = CliRunner().invoke(build("backtest"), ["backtest", *words])
    assert done.exception is None, done.exception
    return done.stdout


def refused(*words: str) -> str:
    """Run the command, which must be refused; return the sentence."""
    done = CliRunner().invoke(build("backtest"), ["backtest", *words])
    assert isinstance(done.exception, ConfigurationError), done.exception or done.stdout
    return str(done.exception)


def as_json(*words: str) -> dict[str, Any]:
    """Return the object that the command prints."""
    found: dict[str, Any] = json.loads(ops(*words, "--json").splitlines()[-1])
    return found


def write_candles(folder: Path, count: int = 600, gap: Sequence[int] = ()) -> Path:
    """Write seeded candles of 2025-01-01 on as Kraken's file."""
    folder.mkdir()
    made = seeded_candles(
        seed=3, symbol="BTC/USD", regime="trend", decimals=1, start=1_735_689_600, minutes=5, count=count
    )
    rows = (
        f"{c.opened_at // 1000},{c.open},{c.high},{c.low},{c.close},{c.volume},5\n"
        for number, c in enumerate(made)
        if number not in gap
    )
    (folder / "XBTUSD_5.csv").write_text("".join(rows), "utf-8")
    return folder


def test_a_seed_gives_the_same_result_for_master_and_users_each_time() -> None:
    words = ("--seed", "7", "--days", "3", "--user", "alice=5000", "--user", "carol=20")
    found = as_json(*words)
    assert found == as_json(*words)
    assert [each["name"] for each in found["accounts"]] == ["master", "alice", "carol"]
    master, alice, carol = found["accounts"]
    assert master["trades"] > 5
    assert alice["copied"]["entry"] == master["trades"] + len(master["held"])
    assert carol["copied"]["entry"] == 0
    assert carol["skips"][0]["code"] == "below_minimum"
    assert found["candles"] == 3 * 288
    assert as_json("--seed", "8", "--days", "3") != found


def test_files_are_read_for_the_period_with_candles_before_it_to_warm_up(tmp_path: Path) -> None:
    folder = write_candles(tmp_path / "candles", gap=(300, 301))
    found = as_json("--candles", str(folder), "--from", "2025-01-02", "--to", "2025-01-03T12:00:00+00:00")
    assert (found["from"], found["to"]) == (1_735_776_000_000, 1_735_869_600_000)  # the file ends at 02:00
    assert found["candles"] == 20 + 288 + 24 - 2
    assert found["missing_candles"] == 2
    assert str(folder) in found["source"]


def test_csv_has_a_row_per_account_and_html_and_fills_are_files_for_their_owner_only(tmp_path: Path) -> None:
    html, fills = tmp_path / "r.html", tmp_path / "f.csv"
    words = ("--seed", "7", "--days", "2", "--user", "alice=5000", "--html", str(html), "--fills", str(fills), "--csv")
    written, rows = ops(*words).split("account,", 1)
    assert written == f"written: {html}\nwritten: {fills}\n"
    found = list(csv.DictReader(("account," + rows).splitlines()))
    assert [row["account"] for row in found] == ["master", "alice"]
    assert html.stat().st_mode & 0o777 == 0o600
    assert "<svg" in html.read_text("utf-8")
    with fills.open(newline="") as file:
        assert {row["account"] for row in csv.DictReader(file)} == {"master", "alice"}


def test_the_table_shows_accounts_skips_and_assumptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = ops("--seed", "7", "--days", "2", "--user", "bob=2000", "--user", "carol=20", "--fee", "kraken=0.26")
    for text in ("master", "bob", "coinbase", "below_minimum", "0.26 % at kraken, 1.2 % at coinbase", "Not modelled"):
        assert text in shown


def test_a_user_on_another_venue_has_the_minimums_of_that_venue() -> None:
    """Bob copies on Coinbase with half the size: his 1.8 USD of BTC are enough there, and too little at Kraken."""
    bob = as_json("--seed", "7", "--days", "2", "--user", "bob=60")["accounts"][1]
    assert bob["venue"] == "coinbase"
    assert bob["copied"]["entry"] > 3
    assert bob["copied"]["exit"] > 3


@pytest.mark.parametrize("beside", [True, False], ids=["beside the file", "in the configuration folder"])
def test_a_strategy_of_a_stranger_runs(tmp_path: Path, config: Path, *, beside: bool) -> None:
    file = config / "mine.toml" if beside else tmp_path / "mine.toml"
    file.write_text('strategy = "breakout:Breakout"\nsymbols = ["BTC/USD"]\ninterval_minutes = 5\n', "utf-8")
    found = as_json("--seed", "7", "--days", "3", "--strategy", str(file))
    assert found["strategies"] == ["breakout:Breakout"]
    assert found["accounts"][0]["trades"] > 3


def test_the_default_strategy_runs_by_its_own_caps(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('strategy = "trend"\nsymbols = ["BTC/USD"]\n', "utf-8")
    found = as_json("--seed", "7", "--days", "4", "--strategy", str(file))
    assert found["interval_minutes"] == 5
    assert 0 < found["accounts"][0]["trades"] <= 4 * 30
    assert "cap" in {skip["code"] for skip in found["accounts"][0]["skips"]}


def test_fees_and_slippage_only_cost(tmp_path: Path) -> None:
    folder = write_candles(tmp_path / "candles")
    ends = [
        D(as_json("--candles", str(folder), "--fee", f"kraken={fee}", "--slippage-bps", bps)["accounts"][0]["end"])
        for fee, bps in (("0", "0"), ("0.1", "0"), ("0.1", "10"))
    ]
    assert ends == sorted(ends, reverse=True)
    assert len(set(ends)) == 3


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "give either --candles FOLDER or --seed N"),
        (("--seed", "1", "--candles", "x"), "give either --candles FOLDER or --seed N"),
        (("--seed", "1", "--days", "2", "--to", "2025-02-01"), "give --days or --to, not both"),
        (("--seed", "1", "--from", "2025-02-01", "--to", "2025-01-01"), "--to 2025-01-01 is not after --from 2025-02-01"),
        (("--seed", "1", "--from", "soon"), "--from must be a date as 2026-01-31 (got 'soon')"),
        (("--seed", "1", "--regime", "wild"), "--regime wild: must be one of calm, trend, crash, gap"),
        (("--seed", "1", "--user", "alice"), "--user alice: must be NAME=NUMBER"),
        (("--seed", "1", "--user", "alice=0"), "--user alice= must be a number above 0 to 1000000000 (got '0')"),
        (("--seed", "1", "--user", "alice=1", "--user", "alice=2"), "--user names alice twice"),
        (("--seed", "1", "--fee", "bitstamp=1"), "--fee bitstamp=1: bitstamp is no venue; known: kraken, coinbase"),
        (("--seed", "1", "--balance", "1e3"), "--balance must be a number above 0 to 1000000000 (got '1e3')"),
        (("--seed", "1", "--slippage-bps", "-1"), "--slippage-bps must be a number from 0 to 1000000000 (got '-1')"),
        (("--candles", "x", "--days", "2"), "--days is for --seed; with --candles use --from and --to"),
        (("--candles", "/nowhere"), "/nowhere is not a folder with candle files"),
        (("--seed", "1", "--json", "--csv"), "--json and --csv exclude each other"),
        (("--seed", "1", "--strategy", "/none.toml"), "/none.toml: there is no such strategy file"),
        (("--seed", "1", "--days", "1", "--html", "/nowhere/r.html"), "--html /nowhere/r.html: No such file or directory"),
    ],
)  # fmt: skip
def test_a_wrong_option_is_named(words: tuple[str, ...], why: str) -> None:
    assert refused(*words) == why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('strategy = "none"', 'strategy is "none": there is nothing to test'),
        ('symbols = ["BTC/EUR"]', "the minimums and steps of BTC/EUR at kraken are not known: leave it out"),
        ('strategy = "sma-cross"\n[settings]\nfast = 9', "settings: fast must be below slow"),
        ("interval = 5", "interval is not a known setting"),
    ],
)
def test_a_strategy_file_that_cannot_be_tested_is_named(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text, "utf-8")
    found = refused("--seed", "1", "--strategy", str(file))
    assert why in found
    assert str(file) in found or "minimums" in why


def test_a_user_without_a_file_and_a_bad_file_are_named(config: Path) -> None:
    assert "zoe" in refused("--seed", "1", "--user", "zoe=100")
    (config / "users" / "alice.toml").write_text("venues = 5", "utf-8")
    found = refused("--seed", "1", "--user", "alice=100")
    assert str(config / "users" / "alice.toml") in found


def test_a_line_of_a_candle_file_is_named(tmp_path: Path) -> None:
    folder = write_candles(tmp_path / "candles", 30)
    file = folder / "XBTUSD_5.csv"
    file.write_text(file.read_text("utf-8") + "oops,1,1,1,1,1,1\n", "utf-8")
    assert refused("--candles", str(folder)) == f"{file}:31: no unix time in seconds (got 'oops')"
    file.write_text("", "utf-8")
    assert refused("--candles", str(folder)) == f"{folder}: no candles of BTC/USD in this period; the file is empty"


def test_candles_of_another_time_are_said_to_be_there(tmp_path: Path) -> None:
    folder = write_candles(tmp_path / "candles", 30)
    found = refused("--candles", str(folder), "--from", "2026-01-01")
    assert found.endswith(
        "no candles of BTC/USD in this period; they are from 2025-01-01 00:00 to 2025-01-01 02:25 UTC"
    )


def test_candles_that_no_decision_can_be_made_of_are_refused(tmp_path: Path) -> None:
    """The strategy needs 20 candles without a gap."""
    short = write_candles(tmp_path / "short", 19)
    assert refused("--candles", str(short)) == (
        f"{short}: BTC/USD has 19 candles, at most 19 of them without a gap; the strategy needs 20 before it decides"
    )
    torn = write_candles(tmp_path / "torn", 600, gap=range(0, 600, 15))
    assert "BTC/USD has 560 candles, at most 14 of them without a gap" in refused("--candles", str(torn))


def test_a_gap_is_stated_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    folder = write_candles(tmp_path / "candles", gap=(200, 300, 301, 302))
    assert "4 candles are missing, the longest gap is 3 of BTC/USD from 2025-01-02 01:00 UTC" in ops(
        "--candles", str(folder)
    )


@pytest.mark.parametrize("width", ["80", "100"])
def test_no_number_is_broken_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch, width: str) -> None:
    monkeypatch.setenv("COLUMNS", width)
    shown = ops("--seed", "7", "--days", "31", "--balance", "1000000", "--user", "alice=5000")
    assert re.search(
        r"^master +1,000,000\.00 +[\d,]+\.\d\d +[+-]\d+\.\d\d +-?\d+\.\d\d +[\d,]+\.\d\d +\d[\d,]*$",
        shown,
        re.MULTILINE,
    )
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= int(width)
