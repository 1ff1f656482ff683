"""Joining as a pure function: when it waits, when it is skipped and with which words, and how much it buys at which price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from services.copy_engine.decide import Follower
from services.copy_engine.joining import PATIENCE_MS, Surroundings, Waiting, join
from services.copy_engine.open_positions import Joinable, OpenPositions
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.money import Price
from shared.domain.order import Decision, order_id
from shared.domain.policy import (
    GuardPolicy,
    LimitPolicy,
    OnJoin,
    SizingMode,
    SizingPolicy,
    SymbolPolicy,
    UserPolicy,
)
from shared.domain.symbol import Symbol
from tests.support.examples import (
    BTC_USD,
    NOW,
    a_policy,
    an_account,
    an_entry,
    an_id,
    an_instrument,
    btc,
    btc_price,
    usd,
)

BTC_USDC = Symbol("BTC", "USDC")
LATER = NOW + 3_600_000
"""The master bought an hour ago."""
JOINS = "joins the master's 0.1 BTC of 60000 USD on average"


def open_now(**changes: Any) -> Joinable:
    """Give the example's 0.1 BTC at 60,000 as what the master has open."""
    found = OpenPositions()
    found.take("1-0", an_entry(**changes))
    (joinable,) = found.joinable("1-0")
    return joinable


def a_joiner(account: Account | None = None, **settings: Any) -> Follower:
    """Give alice, who wants to join, with 5,000 USD as of now."""
    policy = a_policy(on_join=OnJoin.COPY_OPEN, **settings)
    return Follower(policy, account or an_account(as_of=LATER), (Control(),))


def around(price: str = "60000", **changes: Any) -> Surroundings:
    """Give a market, and a master with 10,000 USD."""
    master = an_account(MASTER, equity=usd(10_000), as_of=LATER)
    return replace(Surroundings((btc_price(price), LATER), master), **changes)


UNPRICED = replace(around(), price=None)


def joined(
    follower: Follower | None = None,
    scene: Surroundings | None = None,
    joinable: Joinable | None = None,
    waited: int = 0,
    instrument: Any = None,
) -> Decision | Waiting:
    """Decide an hour after the master's entry."""
    return join(
        joinable or open_now(), follower or a_joiner(), scene or around(), instrument or an_instrument(), LATER, waited
    )


def skipped(found: Decision | Waiting) -> str:
    """Give the reason of a skip."""
    assert isinstance(found, Decision)
    assert found.copy is None
    return found.reason


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


def test_a_price_above_the_bound_is_a_skip_with_its_numbers() -> None:
    assert skipped(joined(scene=around("60300.1"))) == (
        f"{JOINS}: the price of 60300.1 is 50 bps above that; on_join_bps is 50"
    )
    assert skipped(joined(a_joiner(on_join_bps=Decimal(0)), around("61200"))) == (
        f"{JOINS}: the price of 61200 is 200 bps above that; on_join_bps is 0"
    )


UNREADY = [
    (an_account(state=AccountState.CONNECTING), "account at kraken is not connected yet"),
    (an_account(state=AccountState.PARKED, reason="no key"), "account is parked: no key"),
    (an_account(equity=None, cash=None, reason="EService:Busy"), "balance unknown: EService:Busy"),
    (an_account(as_of=LATER - 120_001), "balance is 120 s old"),
]


@pytest.mark.parametrize(("account", "what"), UNREADY)
def test_an_account_that_is_not_ready_is_waited_for_and_then_it_is_a_skip(account: Account, what: str) -> None:
    follower = a_joiner(account)
    assert joined(follower, waited=PATIENCE_MS - 1) == Waiting(what)
    assert skipped(joined(follower, waited=PATIENCE_MS)) == f"{JOINS}: waited 600 s, but {what}"


@pytest.mark.parametrize(
    ("scene", "what"),
    [
        (UNPRICED, "no price is known"),
        (replace(around(), price=(btc_price(60000), LATER - 60_001)), "the last price is 60 s old"),
        (
            around(master=an_account(MASTER, as_of=LATER - 120_001)),
            "the master's equity has not been read for 120 s",
        ),
        (
            around(master=an_account(MASTER, equity=None, as_of=LATER)),
            "the master's equity has not been read for 0 s",
        ),
    ],
)
def test_what_is_not_known_of_the_market_or_the_master_is_waited_for_too(scene: Surroundings, what: str) -> None:
    assert joined(scene=scene) == Waiting(what)
    assert skipped(joined(scene=scene, waited=PATIENCE_MS)) == f"{JOINS}: waited 600 s, but {what}"


def test_an_account_that_was_never_recorded_is_waited_for() -> None:
    assert joined(replace(a_joiner(), account=None)) == Waiting("account at kraken is not connected yet")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"enabled": False}, "the user is disabled"),
        ({"venues": ("coinbase",)}, "follows on coinbase, not on kraken"),
        ({"symbols": SymbolPolicy(exclude=frozenset({BTC_USD}))}, "BTC/USD is excluded by symbols.exclude"),
        ({"symbols": SymbolPolicy(map={BTC_USD: Symbol("BTC", "EUR")})}, "no rate is known"),
    ],
)
def test_what_the_settings_forbid_is_skipped_at_once_and_waits_for_nothing(
    settings: dict[str, Any], words: str
) -> None:
    follower = a_joiner(an_account(state=AccountState.CONNECTING), **settings)
    if "symbols" in settings and settings["symbols"].map:
        follower = a_joiner(**settings)
    assert words in skipped(joined(follower, UNPRICED))


def test_the_switches_stop_it_as_they_stop_every_entry() -> None:
    follower = replace(a_joiner(), switches=(Control(ControlMode.PAUSE, "lunch"),))
    assert skipped(joined(follower)) == f"{JOINS}, now at 60000 USD: pause is set: lunch"


def test_who_holds_the_asset_from_copying_does_not_join_whatever_it_is_quoted_in() -> None:
    words = "not joined: BTC is held from copying already"
    assert skipped(joined(scene=around(held={"BTC"}))) == words
    mapped = a_joiner(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    assert skipped(joined(mapped, around(held={"BTC"}))) == words
    other = joined(scene=around(held={"ETH"}))
    assert isinstance(other, Decision)
    assert other.copy is not None


def test_a_position_that_the_master_has_added_to_since_is_not_joined() -> None:
    found = OpenPositions()
    found.take("1-0", an_entry("1"))
    found.take("2-0", an_entry("2", position_before=btc("0.1"), position_after=btc("0.2")))
    (joinable,) = found.joinable("1-0")
    decision = joined(joinable=joinable)
    assert skipped(decision) == f"not joined: the master has added to it since, see signal {an_id('2')}"
    assert isinstance(decision, Decision)
    assert decision.signal_id == an_id("1")


def test_a_position_of_unknown_beginning_is_not_joined() -> None:
    joinable = open_now(position_before=btc("0.1"), position_after=btc("0.2"))
    assert "are not known any more" in skipped(joined(joinable=joinable))


def test_a_mapped_symbol_is_bought_by_its_own_price() -> None:
    follower = a_joiner(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    assert follower.account is not None
    coins = replace(
        follower.account,
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
        "alice",
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
