"""When joining waits, and when it is skipped and with which words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from services.copy_engine.followers.open_positions import OpenPositions
from services.copy_engine.joining.join_decision import PATIENCE_MS, JoinContext, JoinDelay
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.limits.policy import SymbolPolicy
from shared.domain.order import Decision
from shared.domain.reason import ReasonCode
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, an_account, an_entry, an_id, btc, btc_price
from tests.support.joinables import (
    BTC_USDC,
    JOINS,
    LATER,
    UNPRICED,
    a_joiner,
    around,
    joined,
    open_now,
    skip_code,
    skipped,
)


def test_a_price_above_the_bound_is_a_skip_with_its_numbers() -> None:
    assert skipped(joined(scene=around("60300.1"))) == (
        f"{JOINS}: the price of 60300.1 is 50 bps above that; on_join_bps is 50"
    )
    assert skip_code(joined(a_joiner(on_join_bps=Decimal(0)), around("61200"))) == ReasonCode.PRICE_TOO_HIGH


UNREADY = [
    (an_account(state=AccountState.CONNECTING), ReasonCode.NOT_CONNECTED),
    (an_account(state=AccountState.PARKED, reason="no key"), ReasonCode.PARKED),
    (an_account(entries_until=LATER - 1), ReasonCode.KEY_UNCHECKED),
    (an_account(equity=None, cash=None, reason="EService:Busy"), ReasonCode.BALANCE_UNKNOWN),
    (an_account(as_of=LATER - 120_001), ReasonCode.BALANCE_TOO_OLD),
]


@pytest.mark.parametrize(("account", "code"), UNREADY)
def test_an_account_that_is_not_ready_is_waited_for_and_then_it_is_a_skip(account: Account, code: ReasonCode) -> None:
    follower = a_joiner(account)
    assert isinstance(joined(follower, waited=PATIENCE_MS - 1), JoinDelay)
    assert skip_code(joined(follower, waited=PATIENCE_MS)) == code


def test_what_was_waited_for_in_vain_is_the_reason_of_the_skip() -> None:
    follower = a_joiner(an_account(as_of=LATER - 120_001))
    assert joined(follower) == JoinDelay("balance is 120 s old")
    assert skipped(joined(follower, waited=PATIENCE_MS)) == f"{JOINS}: waited 600 s, but balance is 120 s old"


@pytest.mark.parametrize(
    ("scene", "what", "code"),
    [
        (UNPRICED, "no price is known", ReasonCode.PRICE_UNKNOWN),
        (
            replace(around(), price=(btc_price(60000), LATER - 60_001)),
            "the last price is 60 s old",
            ReasonCode.PRICE_UNKNOWN,
        ),
        (
            around(master=an_account(MASTER, as_of=LATER - 120_001)),
            "the master's equity has not been read for 120 s",
            ReasonCode.MASTER_EQUITY_UNKNOWN,
        ),
        (
            around(master=an_account(MASTER, equity=None, as_of=LATER, reason="no price for 9,000 XYZ")),
            "the master's equity is not fully known: no price for 9,000 XYZ",
            ReasonCode.MASTER_EQUITY_UNKNOWN,
        ),
    ],
)
def test_what_is_not_known_of_the_market_or_the_master_is_waited_for_too(
    scene: JoinContext, what: str, code: ReasonCode
) -> None:
    assert joined(scene=scene) == JoinDelay(what)
    assert skip_code(joined(scene=scene, waited=PATIENCE_MS)) == code


def test_an_account_that_was_never_recorded_is_waited_for() -> None:
    assert isinstance(joined(replace(a_joiner(), account=None)), JoinDelay)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"enabled": False}, ReasonCode.DISABLED),
        ({"venues": ("coinbase",)}, ReasonCode.VENUE_NOT_FOLLOWED),
        ({"symbols": SymbolPolicy(exclude=frozenset({BTC_USD}))}, ReasonCode.SYMBOL_FILTERED),
        ({"symbols": SymbolPolicy(map={BTC_USD: Symbol("BTC", "EUR")})}, ReasonCode.NO_RATE),
    ],
)
def test_what_the_settings_forbid_is_skipped_at_once_and_waits_for_nothing(
    settings: dict[str, Any], code: ReasonCode
) -> None:
    follower = a_joiner(an_account(state=AccountState.CONNECTING), **settings)
    if "symbols" in settings and settings["symbols"].map:
        follower = a_joiner(**settings)
    assert skip_code(joined(follower, UNPRICED)) == code


def test_the_switches_stop_it_as_they_stop_every_entry() -> None:
    follower = replace(a_joiner(), switches=(Control(ControlMode.PAUSE, "lunch"),))
    assert skipped(joined(follower)) == f"{JOINS}, now at 60000 USD: pause is set: lunch"
    assert skip_code(joined(follower)) == ReasonCode.KILL_SWITCH


def test_who_holds_the_asset_from_copying_does_not_join_whatever_it_is_quoted_in() -> None:
    assert skipped(joined(scene=around(held={"BTC"}))) == "not joined: BTC is held from copying already"
    mapped = a_joiner(symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    assert skip_code(joined(mapped, around(held={"BTC"}))) == ReasonCode.ALREADY_HELD
    other = joined(scene=around(held={"ETH"}))
    assert isinstance(other, Decision)
    assert other.copy is not None


def test_a_position_that_the_master_has_added_to_since_is_not_joined() -> None:
    found = OpenPositions()
    found.apply("1-0", an_entry("1"))
    found.apply("2-0", an_entry("2", position_before=btc("0.1"), position_after=btc("0.2")))
    (joinable,) = found.joinable("1-0")
    decision = joined(joinable=joinable)
    assert skipped(decision) == f"not joined: the master has added to it since, see signal {an_id('2')}"
    assert skip_code(decision) == ReasonCode.POSITION_INCREASED
    assert isinstance(decision, Decision)
    assert decision.signal_id == an_id("1")


def test_a_position_of_unknown_beginning_is_not_joined() -> None:
    joinable = open_now(position_before=btc("0.1"), position_after=btc("0.2"))
    assert skip_code(joined(joinable=joinable)) == ReasonCode.HISTORY_INCOMPLETE
