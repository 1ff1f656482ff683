"""Users of a backtest get what the live decision code gives them, with their own settings, fees and minimums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import pytest

from shared.backtest.accounts.price_board import PriceBoard
from shared.backtest.accounts.user import UserAccount, UserSetup
from shared.backtest.backtest import run_backtest
from shared.backtest.fill_model import FillModel
from shared.backtest.results.result import AccountResult
from shared.domain.order import Kind, Side
from shared.domain.values.instrument import seed_instruments
from shared.domain.values.money import ONE, Money, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.port import Enter, Exit, Intent
from tests.support.backtests import BTC, ETH, START, STEP, Scripted, candle, flat_candles, scenario, user, with_settings

D = Decimal
BUY = Enter(BTC, D("0.06"), "up")
Script = Mapping[int, Sequence[Intent]]
ROUND_TRIP: Final[Script] = {0: [BUY], 3: [Exit(BTC, ONE, "down")]}
PRICES = flat_candles(60_000, 60_000, 60_000, 61_000, 61_000)


def run_user(setup: UserSetup, fills: FillModel | None = None) -> AccountResult:
    """Return what one user makes of one purchase for 6 % of the equity and its sale."""
    run = scenario(Scripted(ROUND_TRIP), {BTC: PRICES}, users=[setup], fills=fills or FillModel(D(0), D(0)))
    return run_backtest(run).accounts[1]


def codes(account: AccountResult) -> list[tuple[Kind, str]]:
    """Return what was skipped, by kind and code."""
    return [(skip.kind, skip.code) for skip in account.skips]


def test_a_copy_is_the_masters_entry_in_proportion_and_its_exit_sells_the_same_fraction() -> None:
    alice = run_user(user("alice", 5000))
    bought, sold = alice.fills
    assert (bought.side, bought.size.amount, bought.at) == (Side.BUY, D("0.005"), START + STEP)  # 0.01 x 5000 / 10000
    assert (sold.side, sold.size.amount, sold.price.amount) == (Side.SELL, D("0.005"), D(61_000))
    assert alice.copied == {Kind.ENTRY: 1, Kind.EXIT: 1}
    assert alice.end.amount == 5005


def test_a_follower_who_is_too_small_skips_by_the_venues_minimum_with_the_arithmetic() -> None:
    poor = run_user(user("carol", 40))
    assert codes(poor) == [(Kind.ENTRY, "below_minimum"), (Kind.EXIT, "nothing_held")]
    assert poor.skips[0].example == (
        "below venue minimum: 0.00004 BTC is below the venue's minimum of 0.00005 BTC "
        "(0.01 x 40/10,000 x 1.0 = 0.00004, floored to 0.00004; min 0.00005)"
    )
    assert poor.end.amount == 40
    rounding = with_settings("carol", sizing={"below_minimum": "round_up"}, limits={"max_order_pct": 50})
    assert [fill.size.amount for fill in run_user(user("carol", 40, rounding)).fills] == [D("0.00005"), D("0.00005")]


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"enabled": False}, "disabled"),
        ({"symbols": {"exclude": ["BTC/USD"]}}, "symbol_filtered"),
        ({"venues": ["coinbase"]}, "venue_not_followed"),
        ({"limits": {"max_order_quote": 1}}, "max_order"),
        ({"guards": {"max_slippage_bps": 1}}, "price_too_high"),
    ],
)
def test_settings_skip_entries_by_their_own_code(settings: dict[str, object], code: str) -> None:
    setup = user("alice", 5000, with_settings("alice", **settings))
    assert codes(run_user(setup, FillModel(D(0), D(2))))[0] == (Kind.ENTRY, code)


def test_a_copy_fills_worse_than_the_master_by_the_copy_slippage() -> None:
    alice = run_user(user("alice", 5000), FillModel(D(10), D(5)))
    assert [fill.price.amount for fill in alice.fills] == [D("60090"), D("60908.5")]


def test_a_user_on_another_venue_has_its_minimums_and_pays_its_fee() -> None:
    policy = with_settings("bob", venues=["coinbase"], follow={"kraken": "coinbase"})
    bob = run_user(user("bob", 30, policy, D("0.012")))
    assert bob.venue == "coinbase"
    assert [fill.size.amount for fill in bob.fills] == [D("0.00003"), D("0.00003")]  # Kraken's least is 0.00005
    assert bob.fees.amount == D("0.00003") * (60_000 + 61_000) * D("0.012")


def test_a_pair_that_a_user_has_mapped_is_held_and_valued_under_its_own_name() -> None:
    usdc = Symbol("BTC", "USDC")
    policy = with_settings("dave", symbols={"map": {"BTC/USD": "BTC/USDC"}})
    rules = seed_instruments("kraken")[BTC]
    instruments = {usdc: type(rules)(usdc, rules.lot_step, rules.tick, rules.min_size, rules.min_cost)}
    dave = run_user(UserSetup(policy, Money(D(5000), "USDC"), "kraken", D(0), instruments))
    assert {str(fill.symbol) for fill in dave.fills} == {"BTC/USDC"}
    assert dave.end.amount == 5005
    assert dave.end.currency == "USDC"


def test_positions_count_for_a_limit_on_them() -> None:
    both = Scripted({0: [BUY, Enter(ETH, D("0.06"), "up")]})
    candles = {BTC: flat_candles(60_000, 60_000), ETH: flat_candles(3000, 3000)}
    limited = user("alice", 5000, with_settings("alice", limits={"max_positions": 1}))
    alice = run_backtest(scenario(both, candles, users=[limited])).accounts[1]
    assert [str(fill.symbol) for fill in alice.fills] == ["BTC/USD"]
    assert codes(alice) == [(Kind.ENTRY, "max_positions")]


def test_a_daily_loss_stops_entries_until_the_next_day() -> None:
    script: Script = {
        0: [Enter(BTC, ONE, "all in")],
        2: [Exit(BTC, ONE, "out")],
        4: [BUY],
        6: [Exit(BTC, ONE, "out")],
        300: [BUY],
    }
    prices = [*flat_candles(100, 100, 100), candle(3, 90, 90, 90, 90)]
    prices += [candle(number, 90, 90, 90, 90) for number in range(4, 303)]
    policy = with_settings("alice", limits={"daily_loss_pct": 5}, exits={"stop_loss_pct": "off"})
    alice = run_backtest(scenario(Scripted(script), {BTC: prices}, users=[user("alice", 1000, policy)])).accounts[1]
    assert codes(alice) == [(Kind.ENTRY, "stopped_out"), (Kind.EXIT, "nothing_held")]
    assert [(fill.at - START) // STEP for fill in alice.fills] == [1, 3, 301]  # the UTC day has 288 candles


def test_a_stop_out_that_closes_all_sells_at_the_next_open() -> None:
    script: Script = {0: [Enter(BTC, ONE, "all in")]}
    prices = [*flat_candles(100, 100, 100), candle(3, 90, 90, 90, 90), candle(4, 88, 88, 88, 88)]
    limits = {"daily_loss_pct": 5, "on_stop_out": "close_all"}
    policy = with_settings("alice", limits=limits, exits={"stop_loss_pct": "off"})
    alice = run_backtest(scenario(Scripted(script), {BTC: prices}, users=[user("alice", 1000, policy)])).accounts[1]
    sold = alice.fills[1]
    assert (sold.side, (sold.at - START) // STEP) == (Side.SELL, 4)
    assert sold.price.amount == 88
    assert alice.own_exits == {"stop_out": 1}


def test_triggers_are_whole_ticks_at_which_the_rule_really_applies() -> None:
    board = PriceBoard({BTC: (BTC,)})
    board.set(BTC, D("59999.9"))

    def bought(**exits: object) -> UserAccount:
        policy = with_settings("alice", exits={"stop_loss_pct": "off", **exits})
        alice = UserAccount(user("alice", 5000, policy, D("0.0026")), FillModel(D(0), D(0)), board, START)
        alice.ledger.buy(BTC, Quantity(D("0.00123457"), "BTC"), board.prices[BTC], START, "")
        return alice

    tick = D("0.1")
    for exits in ({"stop_loss_pct": 5}, {"trailing_pct": 3}):
        alice = bought(**exits)
        low = alice.low_trigger(BTC)
        assert low is not None
        assert low % tick == 0
        assert not alice.hit(BTC, low + tick, START)
        assert alice.hit(BTC, low, START)
    alice = bought(take_profit_pct=7)
    high = alice.high_trigger(BTC)
    assert high is not None
    assert not alice.hit(BTC, high - tick, START)
    assert alice.hit(BTC, high, START)


def test_a_copy_is_in_proportion_to_the_masters_whole_equity_before_the_fill() -> None:
    """The master's cash is 5,000 by then and its equity 10,000: a tenth of that for a user with a tenth of it."""
    script: Script = {0: [Enter(BTC, D("0.5"), "up")], 2: [Enter(ETH, D("0.1"), "up")]}
    candles = {BTC: flat_candles(50_000, 50_000, 50_000, 50_000), ETH: flat_candles(2000, 2000, 2000, 2000)}
    alice = run_backtest(scenario(Scripted(script), candles, users=[user("alice", 1000)])).accounts[1]
    assert [(str(fill.symbol), fill.size.amount) for fill in alice.fills] == [
        ("BTC/USD", D("0.01")),
        ("ETH/USD", D("0.05")),
    ]
