"""Users' files: every refusal is one line that names the file and the key."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.config.errors import ConfigurationError
from shared.config.users.loader import load_users
from shared.domain.limits.policy import (
    BelowMinimum,
    ExitPolicy,
    GuardPolicy,
    LimitPolicy,
    OnJoin,
    OnLeave,
    SizingMode,
    SizingPolicy,
    StopOutAction,
    SymbolPolicy,
    UserPolicy,
)
from shared.domain.stages.stage import Stage, StagePolicy
from shared.domain.values.symbol import Symbol

ROOT = Path(__file__).resolve().parents[3]
BTC_USD, ETH_USD = Symbol("BTC", "USD"), Symbol("ETH", "USD")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration folder without users."""
    (tmp_path / "users").mkdir()
    return tmp_path


def write(config: Path, user: str, text: str = "") -> Path:
    """Write a user's file."""
    path = config / "users" / f"{user}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(config: Path) -> str:
    """Load the users and return the one line about the one file that cannot be used."""
    (problem,) = load_users(config).problems
    assert "\n" not in str(problem)
    return str(problem)


def test_an_empty_file_is_a_user_with_the_defaults(config: Path) -> None:
    write(config, "alice")
    assert load_users(config) == {
        "alice": UserPolicy(
            user="alice",
            enabled=True,
            venues=("kraken",),
            sizing=SizingPolicy(multiplier=Decimal(1)),
            limits=LimitPolicy(max_order_pct=None, max_order_quote=None),
            guards=GuardPolicy(max_signal_age_ms=30_000, max_slippage_bps=Decimal(50), exit_slippage_bps=Decimal(200)),
            symbols=SymbolPolicy(),
            exits=ExitPolicy(stop_loss_pct=Decimal(5)),
            on_join=OnJoin.NEW_ONLY,
            on_leave=OnLeave.KEEP,
            paper=False,
        )
    }


def test_every_setting_is_read_exactly(config: Path) -> None:
    write(
        config,
        "bob-2",
        """
        enabled = false
        venues = ["coinbase", "kraken"]
        on_join = "copy_open"
        on_join_bps = 25
        paper = true
        on_leave = "exits_only"
        [sizing]
        mode = "fixed_quote"
        multiplier = 0.1
        quote_amount = 250.5
        below_minimum = "round_up"
        [limits]
        max_order_pct = 33.3
        max_order_quote = 2000
        max_positions = 4
        max_exposure_pct = 80
        max_symbol_pct = 20.5
        daily_loss_pct = 3
        max_drawdown_pct = 12.5
        on_stop_out = "close_all"
        stop_out_lasts = "36h"
        max_trades_per_day = 10
        [guards]
        max_signal_age = "2m"
        max_slippage_bps = 12.5
        exit_slippage_bps = 300
        [symbols]
        include = ["BTC/USD", "ETH/USD"]
        exclude = ["SOL/USD"]
        map = { "BTC/USD" = "BTC/USDC", "ETH/USD" = "ETH/USDC" }
        [exits]
        stop_loss_pct = 7.5
        take_profit_pct = 15
        trailing_pct = 4
        max_hold = "3d"
        """,
    )
    assert load_users(config)["bob-2"] == UserPolicy(
        user="bob-2",
        enabled=False,
        venues=("coinbase", "kraken"),
        sizing=SizingPolicy(
            multiplier=Decimal("0.1"),  # not 0.1000000000000000055511151231257827
            below_minimum=BelowMinimum.ROUND_UP,
            mode=SizingMode.FIXED_QUOTE,
            quote_amount=Decimal("250.5"),
        ),
        limits=LimitPolicy(
            max_order_pct=Decimal("33.3"),
            max_order_quote=Decimal(2000),
            max_positions=4,
            max_exposure_pct=Decimal(80),
            max_symbol_pct=Decimal("20.5"),
            daily_loss_pct=Decimal(3),
            max_drawdown_pct=Decimal("12.5"),
            on_stop_out=StopOutAction.CLOSE_ALL,
            stop_out_lasts_ms=36 * 3_600_000,
            max_trades_per_day=10,
        ),
        guards=GuardPolicy(max_signal_age_ms=120_000, max_slippage_bps=Decimal("12.5"), exit_slippage_bps=Decimal(300)),
        symbols=SymbolPolicy(
            include=frozenset({BTC_USD, ETH_USD}),
            exclude=frozenset({Symbol("SOL", "USD")}),
            map={BTC_USD: Symbol("BTC", "USDC"), ETH_USD: Symbol("ETH", "USDC")},
        ),
        exits=ExitPolicy(
            stop_loss_pct=Decimal("7.5"),
            take_profit_pct=Decimal(15),
            trailing_pct=Decimal(4),
            max_hold_ms=3 * 86_400_000,
        ),
        on_join=OnJoin.COPY_OPEN,
        on_join_bps=Decimal(25),
        on_leave=OnLeave.EXITS_ONLY,
        paper=True,
        stage=StagePolicy(start=Stage.PAPER),
    )
    assert load_users(config)["bob-2"].currency == "USDC"


def test_only_the_stop_loss_has_to_be_switched_off(config: Path) -> None:
    write(config, "alice", 'exits.stop_loss_pct = "off"')
    assert load_users(config)["alice"].exits == ExitPolicy(
        stop_loss_pct=None, take_profit_pct=None, trailing_pct=None, max_hold_ms=None
    )


def test_a_target_of_just_the_fees_is_allowed(config: Path) -> None:
    write(config, "alice", "exits.take_profit_pct = 0.8")
    assert load_users(config)["alice"].exits.take_profit_pct == Decimal("0.8")


@pytest.mark.parametrize(
    ("written", "ms"), [("30", 30_000), ("0.5", 500), ('"500ms"', 500), ('"45s"', 45_000), ('"1h"', 3_600_000)]
)
def test_an_age_is_seconds_or_says_its_unit(config: Path, written: str, ms: int) -> None:
    write(config, "alice", f"guards.max_signal_age = {written}")
    assert load_users(config)["alice"].guards.max_signal_age_ms == ms


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("max_order_pct = 5", "max_order_pct is not a known setting"),
        ("limits.max_order_percent = 5", "limits.max_order_percent is not a known setting"),
        ('api_key = "abc"', "api_key is not a known setting"),
        ("enabled = 2", "enabled: "),
        ("venues = []", "venues: "),
        ('venues = ["binance"]', "venues.0: must be 'kraken' or 'coinbase' (got 'binance')"),
        ('venues = "kraken"', "venues: "),
        (
            'sizing.mode = "fixed"',
            "sizing.mode: must be 'equity', 'cash', 'fixed_quote' or 'multiplier' (got 'fixed')",
        ),
        ("sizing.multiplier = 0", "sizing.multiplier: must be above 0 and at most 100 (got 0)"),
        ("sizing.multiplier = -1", "sizing.multiplier: must be above 0 and at most 100 (got -1)"),
        ("sizing.multiplier = 101", "sizing.multiplier: "),
        ("sizing.multiplier = nan", "sizing.multiplier: "),
        ("sizing.multiplier = inf", "sizing.multiplier: "),
        ("sizing.multiplier = true", "sizing.multiplier: "),
        ('sizing.below_minimum = "bump"', "sizing.below_minimum: must be 'skip' or 'round_up' (got 'bump')"),
        ("limits.max_order_pct = 0", "limits.max_order_pct: "),
        ("limits.max_order_pct = 100.5", "limits.max_order_pct: "),
        ("limits.max_order_quote = -5", "limits.max_order_quote: "),
        ("limits.max_order_quote = inf", "limits.max_order_quote: "),
        ("guards.max_signal_age = 0", "guards.max_signal_age: "),
        ("guards.max_signal_age = -1", "guards.max_signal_age: "),
        ("guards.max_signal_age = inf", "guards.max_signal_age: must be a number of seconds, or a text like"),
        ("guards.max_signal_age = nan", "guards.max_signal_age: must be a number of seconds, or a text like"),
        ("guards.max_signal_age = true", "guards.max_signal_age: must be a number of seconds, or a text like"),
        ('guards.max_signal_age = "30 seconds"', "guards.max_signal_age: must be a number of seconds, or a text like"),
        ('guards.max_signal_age = "2h"', "guards.max_signal_age: must be above 0 and at most 1 hour (got '2h')"),
        ("guards.max_slippage_bps = -1", "guards.max_slippage_bps: "),
        ("guards.max_slippage_bps = 1001", "guards.max_slippage_bps: "),
        ("guards = 5", "guards: "),
        ("guards.exit_slippage_bps = 1001", "guards.exit_slippage_bps: "),
        ('sizing.mode = "fixed_quote"', 'sizing: mode "fixed_quote" needs sizing.quote_amount'),
        (
            "sizing.quote_amount = 50",
            'sizing: quote_amount has no effect with mode "equity"; it belongs to "fixed_quote"',
        ),
        ("sizing.quote_amount = -1", "sizing.quote_amount: must be above 0 and at most 1000000000000 (got -1)"),
        (
            'sizing.below_minimum = "round_up"',
            'sizing.below_minimum "round_up" needs limits.max_order_pct, above which it never rounds',
        ),
        ("limits.max_positions = 0", "limits.max_positions: must be at least 1 and at most 100000 (got 0)"),
        ("limits.max_positions = 2.5", "limits.max_positions: "),
        ("limits.max_positions = true", "limits.max_positions: "),
        ("limits.max_exposure_pct = 101", "limits.max_exposure_pct: "),
        ("limits.max_symbol_pct = 0", "limits.max_symbol_pct: "),
        ("limits.daily_loss_pct = 0", "limits.daily_loss_pct: "),
        ("limits.max_drawdown_pct = 100.1", "limits.max_drawdown_pct: "),
        ("limits.max_trades_per_day = -1", "limits.max_trades_per_day: "),
        (
            'limits.on_stop_out = "close_all"',
            "limits: on_stop_out has no effect without limits.daily_loss_pct or limits.max_drawdown_pct",
        ),
        ('limits.stop_out_lasts = "1h"', "limits: stop_out_lasts has no effect without limits.daily_loss_pct or"),
        (
            'limits.daily_loss_pct = 5\nlimits.on_stop_out = "sell"',
            "limits.on_stop_out: must be 'block_entries' or 'close_all' (got 'sell')",
        ),
        ('symbols.include = ["BTCUSD"]', "symbols.include.0: not a symbol like BTC/USD: 'BTCUSD'"),
        ('symbols.include = ["btc/usd"]', "symbols.include.0: not a symbol like BTC/USD: 'btc/usd'"),
        ("symbols.exclude = [5]", 'symbols.exclude.0: must be a symbol like "BTC/USD" (got 5)'),
        (
            'symbols.include = ["BTC/USD"]\nsymbols.exclude = ["BTC/USD"]',
            "symbols: BTC/USD is in both include and exclude",
        ),
        (
            'symbols.map = { "BTC/USD" = "ETH/USD" }',
            "symbols: map changes the quote currency only: BTC/USD cannot become ETH/USD",
        ),
        (
            'symbols.map = { "BTC/USD" = "BTC/USDC", "ETH/USD" = "ETH/EUR" }',
            "symbols: map leads to EUR and USDC, but an account pays in one currency",
        ),
        (
            "exits.take_profit_pct = 0.79",
            "exits.take_profit_pct must be at least 0.8, the fees of buying and selling",
        ),
        ("exits.stop_loss_pct = 0", "exits.stop_loss_pct: "),
        ("exits.stop_loss_pct = 101", "exits.stop_loss_pct: "),
        ('exits.stop_loss_pct = "none"', "exits.stop_loss_pct: "),
        ("exits.trailing_pct = 0", "exits.trailing_pct: "),
        ('exits.max_hold = "soon"', "exits.max_hold: must be a number of seconds, or a text like"),
        ("on_join_bps = -1", "on_join_bps: "),
        ('on_join = "all"', "on_join: must be 'new_only' or 'copy_open' (got 'all')"),
        ('on_leave = "sell"', "on_leave: must be 'keep', 'exits_only' or 'close_now' (got 'sell')"),
        ("paper = 2", "paper: "),
        ('venues = ["kraken", "kraken"]', "venues contains a venue twice"),
        (
            'venues = ["coinbase"]\nexits.take_profit_pct = 2.3',
            "exits.take_profit_pct must be at least 2.4, the fees of buying and selling",
        ),
        ('follow.kraken = "coinbase"', "follow.kraken is coinbase, which is not among venues"),
        ('follow.kraken = "binance"', "follow.kraken: "),
        ('follow.binance = "kraken"', "follow.binance is not a known setting"),
        (
            'follow.kraken = "kraken"\nfollow.coinbase = "kraken"',
            "follow.kraken and follow.coinbase are both kraken: what two masters buy in one account cannot be distinguished",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(config: Path, text: str, words: str) -> None:
    path = write(config, "alice", text)
    assert refusal(config).startswith(f"{path}: {words}")


def test_malformed_toml_is_named_with_its_place(config: Path) -> None:
    path = write(config, "alice", "enabled = true\nvenues = kraken")
    assert refusal(config).startswith(f"{path}: not valid TOML: ")
    assert "line 2" in refusal(config)


def test_a_file_that_is_no_text_or_cannot_be_read_is_named(config: Path) -> None:
    path = config / "users" / "alice.toml"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(config) == f"{path}: is UTF-16 text; save it as UTF-8"
    path.write_bytes(b"# a\xe4b")
    assert refusal(config) == f"{path}: is not UTF-8 text (byte 0xE4 at 3); save it as UTF-8"
    path.unlink()
    path.mkdir()
    assert refusal(config) == f"{path}: is a folder, not a file"


@pytest.mark.parametrize("user", ["master", "copy-engine", "prices-kraken"])
def test_a_name_of_shoals_own_is_refused(config: Path, user: str) -> None:
    path = write(config, user)
    assert refusal(config) == f"{path}: {user} is reserved; choose another user id"


@pytest.mark.parametrize("user", ["Alice", "al ice", "-alice", "al.ice", "alice\n", "{alice}", "a" * 33, "älice"])
def test_a_user_id_that_would_not_do_as_key_or_variable_is_refused(config: Path, user: str) -> None:
    path = write(config, user)
    shown = str(path) if "\n" not in user else repr(str(path))
    assert refusal(config).startswith(f"{shown}: a user id has up to 32 of a-z, 0-9, - and _")
    assert not load_users(config)


def test_two_ids_that_would_share_one_key_variable_are_refused(config: Path) -> None:
    write(config, "ann-lee")
    write(config, "ann_lee")
    write(config, "bob")
    users = load_users(config)
    assert [str(problem).rpartition(": ")[2] for problem in users.problems] == [
        "the users ann-lee and ann_lee would share one key variable; rename one"
    ] * 2
    assert [user for user, policy in users.items() if not policy.fault] == ["bob"]


def test_one_wrong_file_among_good_ones_is_the_one_that_is_named(config: Path) -> None:
    write(config, "alice")
    path = write(config, "bob", "enabld = true")
    assert refusal(config) == f"{path}: enabld is not a known setting (did you mean enabled?)"


def test_a_folder_that_is_missing_is_named_with_its_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load_users(tmp_path / "nowhere")
    assert str(refused.value) == (
        f"{tmp_path / 'nowhere' / 'users'} is not a folder: SHOAL_CONFIG must hold users/<user>.toml"
    )


def test_users_come_in_alphabetical_order_and_other_files_are_left_alone(config: Path) -> None:
    for user in ("zoe", "alice", "mia"):
        write(config, user)
    (config / "users" / "README.md").write_text("not a user")
    assert list(load_users(config)) == ["alice", "mia", "zoe"]


def test_the_users_that_ship_with_shoal_can_be_read() -> None:
    assert {"alice", "bob", "carol"} <= set(load_users(ROOT / "config"))


@pytest.mark.parametrize("none", ['"none"', '"off"', '""', "false"])
def test_a_master_that_is_not_followed_can_be_written_in_several_ways(tmp_path: Path, none: str) -> None:
    users = tmp_path / "users"
    users.mkdir()
    (users / "alice.toml").write_text(f'venues = ["kraken", "coinbase"]\n[follow]\nkraken = {none}\n')
    alice = load_users(tmp_path)["alice"]
    assert (alice.fault, alice.venue_for("kraken"), alice.venue_for("coinbase")) == ("", None, "coinbase")
