"""How much joining buys, and at which price at most."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.domain.account import MASTER
from shared.domain.control import Control
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import (
    GuardPolicy,
    LimitPolicy,
    OnJoin,
    SizingMode,
    SizingPolicy,
    SymbolPolicy,
    UserPolicy,
)
from shared.domain.order import Decision, order_id
from shared.domain.values.money import Price
from tests.support.examples import BTC_USD, an_account, an_id, an_instrument, btc, btc_price, usd
from tests.support.joinables import BTC_USDC, LATER, a_joiner, around, joined, open_now


def test_he_buys_his_share_of_all_that_is_open_as_an_entry_of_now() -> None:
    joinable = open_now(base_size=btc("0.02"), quote_size=usd(1200), position_after=btc("0.02"))
    found = joined(joinable=joinable)
    assert isinstance(found, Decision)
    assert found.copy is not None
    assert found.copy.base_size == btc("0.01")
    assert found.copy.limit_price == btc_price(60300)
    assert found.copy.not_after == LATER + 30_000
    assert (found.id, found.signal_id) == (order_id(an_id("signal"), "alice", "kraken"), an_id("signal"))
    assert (found.signal_at, found.emitted_at) == (LATER, LATER)
    assert found.reason == (
        "joins the master's 0.02 BTC of 60000 USD on average, now at 60000 USD: "
        "0.02 x 5,000/10,000 x 1.0 = 0.01, floored to 0.01; min 0.00005"
    )


def test_the_ratio_is_that_of_the_equities_now_and_not_of_the_fill() -> None:
    master = an_account(MASTER, equity=usd(20_000), as_of=LATER)
    found = joined(scene=around(master=master))
    assert isinstance(found, Decision)
    assert found.copy is not None
    assert found.copy.base_size == btc("0.025")
    assert found.master_equity == usd(20_000)


def test_where_nobody_records_the_masters_account_its_last_signal_tells_the_equity() -> None:
    found = joined(scene=around(master=None))
    assert isinstance(found, Decision)
    assert found.copy is not None
    assert found.copy.base_size == btc("0.05")


@pytest.mark.parametrize(
    ("price", "limit"),
    [
        ("60300", "60300"),  # at the very bound of on_join_bps
        ("60100", "60300"),
        ("60000", "60300"),
        ("59000", "59295"),  # below it, max_slippage_bps of the present price is the stricter one
        ("30000", "30150"),
    ],
)
def test_the_stricter_of_the_two_bounds_is_the_limit(price: str, limit: str) -> None:
    found = joined(scene=around(price))
    assert isinstance(found, Decision)
    assert found.copy is not None
    assert found.copy.limit_price == btc_price(limit)


def test_a_mapped_symbol_is_bought_by_its_own_price() -> None:
    follower = a_joiner(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    assert follower.account is not None
    coins = follower.account._replace(
        cash=replace(usd(5000), currency="USDC"),
        equity=replace(usd(5000), currency="USDC"),
    )
    scene = replace(around(), price=(Price(Decimal(59000), BTC_USDC), LATER))
    found = joined(replace(follower, account=coins), scene, instrument=an_instrument(symbol=BTC_USDC))
    assert isinstance(found, Decision)
    assert found.copy is not None
    assert found.symbol == BTC_USDC
    assert found.copy.limit_price == Price(Decimal(59295), BTC_USDC)


_amounts = st.decimals("0.01", "1000000", places=2, allow_nan=False)
_bps = st.decimals("0", "1000", places=1, allow_nan=False)
_percents = st.none() | st.decimals("0.1", "100", places=1, allow_nan=False)


@given(
    average=_amounts,
    present=_amounts,
    size=st.decimals("0.0001", "1000", places=4, allow_nan=False),
    cash=_amounts,
    equity=_amounts,
    masters=_amounts,
    on_join=_bps,
    slippage=_bps,
    pct=_percents,
    quote=st.none() | _amounts,
    mode=st.sampled_from([SizingMode.EQUITY, SizingMode.MULTIPLIER, SizingMode.FIXED_QUOTE]),
)
def test_no_join_is_above_a_limit_or_a_price_bound_or_asks_for_more_than_the_share(
    *,
    average: Decimal,
    present: Decimal,
    size: Decimal,
    cash: Decimal,
    equity: Decimal,
    masters: Decimal,
    on_join: Decimal,
    slippage: Decimal,
    pct: Decimal | None,
    quote: Decimal | None,
    mode: SizingMode,
) -> None:
    joinable = open_now(
        base_size=btc(size), quote_size=usd(size * average), price=btc_price(average), position_after=btc(size)
    )
    policy = UserPolicy(
        user="alice",
        enabled=True,
        venues=("kraken",),
        sizing=SizingPolicy(mode=mode, quote_amount=Decimal(500)),
        limits=LimitPolicy(max_order_pct=pct, max_order_quote=quote),
        guards=GuardPolicy(max_slippage_bps=slippage),
        on_join=OnJoin.COPY_OPEN,
        on_join_bps=on_join,
    )
    account = an_account(cash=usd(cash), equity=usd(equity), as_of=LATER)
    scene = around(str(present), master=an_account(MASTER, equity=usd(masters), as_of=LATER))
    found = joined(
        Follower(policy, account, (Control(),)), scene, joinable, instrument=an_instrument(tick=Decimal("0.01"))
    )
    assert isinstance(found, Decision)
    if found.copy is None:
        return
    assert found.copy.base_size is not None
    assert found.copy.limit_price is not None
    limit, bought = found.copy.limit_price.amount, found.copy.base_size.amount
    worst = average * (1 + on_join / 10_000)
    assert limit <= worst
    assert present <= worst
    assert limit <= present * (1 + slippage / 10_000)
    cost, near = bought * limit, Decimal("1.0000001")
    assert cost * (1 + account.taker_fee) <= cash * near
    assert pct is None or cost <= equity * pct / 100 * near
    assert quote is None or cost <= quote * near
    share = {
        SizingMode.EQUITY: size * equity / masters,
        SizingMode.MULTIPLIER: size,
        SizingMode.FIXED_QUOTE: Decimal(500) / limit,
    }[mode]
    assert bought <= share * near
