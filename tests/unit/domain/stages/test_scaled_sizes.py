"""A stage's share scales the copied size and the limits, once, and says so in the arithmetic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from shared.domain.limits.policy import BelowMinimum, LimitPolicy, SizingMode, SizingPolicy
from shared.domain.limits.risk import AccountSnapshot, AllowedSize, admit
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.sizing import EntrySize, Sizing, Skip
from shared.domain.stages.stage import STEPS
from shared.domain.values.money import ONE
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_instrument, btc, btc_price, usd

SNAPSHOT = AccountSnapshot(an_account())
TWENTIETH = Decimal("0.05")


def sized(scale: Decimal, snapshot: AccountSnapshot = SNAPSHOT, **settings: Any) -> EntrySize | Skip:
    return Sizing(an_entry(), a_policy(**settings), an_instrument()).size(snapshot, usd(10_000), scale)


def test_the_share_is_in_the_size_and_in_its_arithmetic() -> None:
    found = sized(TWENTIETH)
    assert isinstance(found, EntrySize)
    assert found.size == btc("0.0025")
    assert found.reason == ("0.1 x 5,000/10,000 x 1.0 = 0.05, x stage 0.05 = 0.0025, floored to 0.0025; min 0.00005")


@pytest.mark.parametrize(
    "sizing",
    [
        SizingPolicy(),
        SizingPolicy(mode=SizingMode.CASH),
        SizingPolicy(mode=SizingMode.FIXED_QUOTE, quote_amount=Decimal(600)),
        SizingPolicy(mode=SizingMode.MULTIPLIER, multiplier=Decimal("0.5")),
    ],
)
def test_every_mode_is_scaled(sizing: SizingPolicy) -> None:
    whole, part = sized(ONE, sizing=sizing), sized(TWENTIETH, sizing=sizing)
    assert isinstance(whole, EntrySize)
    assert isinstance(part, EntrySize)
    assert abs(part.size.amount - whole.size.amount * TWENTIETH) <= Decimal("0.00000001")


def test_a_limit_is_scaled_with_the_size_and_named_with_the_share() -> None:
    found = sized(TWENTIETH, limits=LimitPolicy(max_order_quote=Decimal(1500)))
    assert isinstance(found, EntrySize)
    assert found.size.amount * 60_300 <= 75
    assert "by limits.max_order_quote 1,500 x stage 0.05" in found.reason
    found = sized(TWENTIETH, limits=LimitPolicy(max_order_pct=Decimal(30)))
    assert isinstance(found, EntrySize)
    assert "by limits.max_order_pct 30 x stage 0.05 (75)" in found.reason


def test_what_is_held_counts_against_the_scaled_limit() -> None:
    held = Portfolio({BTC_USD: Position(BTC_USD, btc("0.01"), usd(600), NOW, NOW)})
    found = sized(TWENTIETH, AccountSnapshot(an_account(), held), limits=LimitPolicy(max_symbol_pct=Decimal(50)))
    assert isinstance(found, Skip)  # 50 % x 0.05 of 5,000 are 125, and 600 are held
    assert found.code is ReasonCode.MAX_SYMBOL
    assert "limits.max_symbol_pct 50 x stage 0.05 (125, of which 600 held)" in found.reason


def test_a_share_below_the_minimum_is_skipped_as_too_small() -> None:
    found = Sizing(an_entry(base_size=btc("0.001")), a_policy(), an_instrument()).size(SNAPSHOT, None, TWENTIETH)
    assert isinstance(found, Skip)
    assert found.code is ReasonCode.BELOW_MINIMUM
    assert "x stage 0.05" in found.reason


def test_rounding_up_stays_within_the_scaled_limit() -> None:
    sizing = SizingPolicy(below_minimum=BelowMinimum.ROUND_UP)
    policy = a_policy(sizing=sizing, limits=LimitPolicy(max_order_pct=Decimal(1)))  # 50 USD, and 2.50 at the stage
    found = Sizing(an_entry(base_size=btc("0.001")), policy, an_instrument()).size(SNAPSHOT, None, TWENTIETH)
    assert isinstance(found, Skip)


def test_the_executors_check_scales_the_limits_and_not_the_size() -> None:
    policy = a_policy(limits=LimitPolicy(max_order_quote=Decimal(6030)))
    limit = btc_price("60300")
    fits = admit(btc("0.005"), limit, policy, SNAPSHOT, an_instrument(), NOW, TWENTIETH)
    assert fits == AllowedSize(btc("0.005"), "")
    cut = admit(btc("0.006"), limit, policy, SNAPSHOT, an_instrument(), NOW, TWENTIETH)
    assert cut == AllowedSize(btc("0.005"), "cut from 0.006 to 0.005 by limits.max_order_quote 6,030 x stage 0.05")


@given(
    st.sampled_from([stage.share for stage in STEPS]),
    st.decimals("0.01", "100", places=2),
    st.none() | st.decimals(1, 100, places=1),
    st.none() | st.integers(1, 10_000),
    st.decimals("0.001", "0.05", places=4),
)
def test_a_stage_trades_its_share_of_what_the_whole_would_trade(
    share: Decimal, multiplier: Decimal, pct: Decimal | None, quote: int | None, held: Decimal
) -> None:
    """Whatever the limits, as long as the cash is not what limits: it is the same at every stage."""
    limits = LimitPolicy(
        max_order_pct=pct, max_order_quote=None if quote is None else Decimal(quote), max_symbol_pct=pct
    )
    rich = an_account(cash=usd(10**9))
    settings: dict[str, Any] = {"limits": limits, "sizing": SizingPolicy(multiplier=multiplier)}

    def with_held(part: Decimal) -> AccountSnapshot:
        size = btc(held * part)
        return AccountSnapshot(rich, Portfolio({BTC_USD: Position(BTC_USD, size, size * btc_price(60_000), NOW, NOW)}))

    whole, part = sized(ONE, with_held(ONE), **settings), sized(share, with_held(share), **settings)
    if isinstance(part, EntrySize):
        assert isinstance(whole, EntrySize)
        assert abs(part.size.amount - whole.size.amount * share) <= Decimal("0.00000001")
    elif isinstance(whole, EntrySize):
        assert part.code in {ReasonCode.BELOW_MINIMUM, ReasonCode.MAX_ORDER, ReasonCode.MAX_SYMBOL}
        assert whole.size.amount * share < Decimal("0.0001")  # below the venue's minimum
