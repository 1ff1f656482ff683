"""What a balance would have made of the master's signals, by the sizing that decides for real."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.domain.limits.policy import LimitPolicy, SizingMode, SizingPolicy, SymbolPolicy, UserPolicy
from shared.domain.signal import Signal
from shared.ledger.track import MOST_MISSED, TrackingResult, smallest_balance, track
from tests.support.examples import BTC_USD, an_entry, an_exit, an_instrument, btc, btc_price, usd

ALICE = UserPolicy(user="alice", enabled=True, venues=("kraken",))
INSTRUMENTS = {BTC_USD: an_instrument()}
FEE = Decimal("0.004")


def signals(*sizes: str) -> list[Signal]:
    """Buy and sell again, so many times."""
    found = []
    for number, size in enumerate(sizes):
        bought = {"base_size": btc(size), "quote_size": usd(Decimal(size) * 60000), "position_after": btc(size)}
        found.append(an_entry(f"in {number}", **bought))
        found.append(an_exit(f"out {number}", position_before=btc(size), position_after=btc(0)))
    return found


def replay(told: list[Signal], balance: str, policy: UserPolicy = ALICE) -> TrackingResult:
    return track(told, policy, Decimal(balance), INSTRUMENTS, FEE)


def test_a_balance_like_the_masters_misses_nothing_and_tracks_to_the_lot() -> None:
    found = replay(signals("0.1", "0.05"), "10000")
    assert (found.entries, found.copied, found.below_minimum, found.limited) == (2, 2, 0, 0)
    assert found.error_worst < Decimal("0.001")


def test_entries_below_the_venues_minimum_are_missed_and_leave_an_error_of_their_share() -> None:
    # 1/1000 of the master: 0.0001 BTC passes the minimum of 0.00005, 0.00004 does not.
    found = replay(signals("0.1", "0.04"), "10")
    assert (found.copied, found.below_minimum) == (1, 1)
    assert found.missed_share == Decimal("0.5")
    assert found.error_worst == pytest.approx(
        Decimal(24), abs=Decimal("0.1")
    )  # 0.04 BTC is 24 % of the master's 10,000


def test_what_limits_cut_is_copied_and_seen_in_the_error_alone() -> None:
    capped = replace(ALICE, limits=LimitPolicy(max_order_pct=Decimal(30)))
    found = replay(signals("0.1"), "10000", capped)
    assert (found.copied, found.limited) == (1, 0)
    assert found.error_worst == pytest.approx(Decimal(30), abs=Decimal("0.5"))  # 30 % held instead of 60 %


def test_what_limits_bar_is_counted_apart_from_what_is_too_small() -> None:
    rare = replace(ALICE, limits=LimitPolicy(max_trades_per_day=1))
    found = replay(signals("0.1", "0.1", "0.1"), "10000", rare)
    assert (found.copied, found.limited, found.below_minimum) == (1, 2, 0)


def test_what_a_full_exposure_leaves_no_room_for_is_limited_and_not_too_small() -> None:
    full = replace(ALICE, limits=LimitPolicy(max_exposure_pct=Decimal(10)))
    told = [an_entry(f"in {number}", base_size=btc("0.02"), quote_size=usd(1200)) for number in range(3)]
    found = replay(told, "10000", full)
    # The second takes what the first, sized by its limit price, has left; for the third nothing is left.
    assert (found.copied, found.limited, found.below_minimum) == (2, 1, 0)


def test_filtered_symbols_are_no_trades_of_this_user() -> None:
    picky = replace(ALICE, symbols=SymbolPolicy(exclude=frozenset({BTC_USD})))
    found = replay(signals("0.1", "0.1"), "10000", picky)
    assert (found.entries, found.filtered) == (0, 2)
    assert not found.error_worst


def test_the_mode_cash_scales_by_what_the_master_had_free() -> None:
    # The master, of 10,000, holds 0.1 BTC already: 4,000 were free before the second entry.
    first = an_entry("first", position_after=btc("0.1"))
    second = an_entry("second", base_size=btc("0.02"), quote_size=usd(1200), position_after=btc("0.12"))
    cash = replace(ALICE, sizing=SizingPolicy(mode=SizingMode.CASH))
    found = replay([first, second], "10000", cash)
    assert found.copied == 2


def test_the_smallest_sensible_balance_misses_at_most_a_twentieth_and_a_smaller_one_more() -> None:
    told = signals(*["0.1"] * 19, "0.04", "0.04")
    least = smallest_balance(lambda balance: replay(told, str(balance)))
    assert least is not None
    assert replay(told, str(least)).missed_share <= MOST_MISSED
    assert replay(told, str(least * Decimal("0.98"))).missed_share > MOST_MISSED


def test_a_size_that_no_balance_makes_larger_has_no_sensible_balance() -> None:
    tiny = SizingPolicy(mode=SizingMode.FIXED_QUOTE, quote_amount=Decimal("0.1"))
    assert smallest_balance(lambda balance: replay(signals("0.1"), str(balance), replace(ALICE, sizing=tiny))) is None


def test_an_exit_of_what_was_never_bought_does_nothing() -> None:
    found = replay([an_exit(position_after=btc(0), price=btc_price(61000))], "10")
    assert not found.entries
    assert not found.error_worst
