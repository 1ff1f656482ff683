"""Signals of one master copied on another venue: one decision per signal and user, on the venue that `[follow]` names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from services.copy_engine.decisions.fanout import FanOut
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.position_record import write_position
from shared.domain.limits.policy import SymbolPolicy, UserPolicy
from shared.domain.order import Decision, order_id
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from tests.support.examples import (
    BTC_USD,
    NOW,
    a_policy,
    an_account,
    an_entry,
    an_exit,
    an_instrument,
    btc,
    usd,
)
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
BTC_USDC = Symbol("BTC", "USDC")
ACROSS = a_policy("alice", venues=("coinbase",), follow=(("kraken", "coinbase"),))
MOVED = a_policy("alice", venues=("kraken", "coinbase"), follow=(("kraken", "coinbase"),))


def clock() -> int:
    return NOW + 40


async def decide(
    bus: Bus, emit: Emit, policy: UserPolicy, signal: Signal, price: str = "60000", symbol: Symbol = BTC_USD
) -> Decision:
    prices = {symbol: Price(Decimal(price), symbol)} if price else {}
    markets = KnownMarkets({symbol: replace(an_instrument(), symbol=symbol)}, prices)
    await FanOut(bus, clock).distribute(await emit(signal), signal, [policy], markets)
    return (await decided(bus, "alice"))[-1][1]


async def ready(bus: Bus, *venues: str) -> None:
    for venue in venues:
        await Records(bus).write_account(replace_venue(venue))


def replace_venue(venue: str):  # type: ignore[no-untyped-def]  # an account
    return an_account("alice")._replace(venue=venue)


async def hold(bus: Bus, venue: str, symbol: Symbol = BTC_USD) -> None:
    held = Position(symbol, btc("0.1"), usd(6_000), NOW, NOW)
    await bus.do("HSET", keys.positions("alice", venue), str(symbol), write_position(held))


async def test_a_signal_is_copied_on_the_venue_that_follow_names(bus: Bus, emit: Emit) -> None:
    await ready(bus, "coinbase")
    signal = an_entry()
    decision = await decide(bus, emit, ACROSS, signal)
    assert (decision.venue, decision.copy is not None) == ("coinbase", True)
    assert decision.id == order_id(signal.id, "alice", "coinbase")


async def test_a_master_that_is_not_followed_is_a_skip_for_entries_and_exits(bus: Bus, emit: Emit) -> None:
    await ready(bus, "coinbase")
    for signal in (an_entry("1"), an_exit("2")):
        decision = await decide(bus, emit, ACROSS, replace(signal, venue="coinbase"))
        assert (decision.copy, decision.code) == (None, ReasonCode.VENUE_NOT_FOLLOWED)


@pytest.mark.parametrize(("price", "limit"), [("59000", "59295"), ("61000", "60300")])
async def test_the_stricter_of_the_two_prices_bounds_an_entry(bus: Bus, emit: Emit, price: str, limit: str) -> None:
    await ready(bus, "coinbase")
    decision = await decide(bus, emit, ACROSS, an_entry(), price)
    assert decision.copy is not None
    assert decision.copy.limit_price == Price(Decimal(limit), BTC_USD)


async def test_without_a_price_at_the_other_venue_an_entry_is_a_visible_skip_and_an_exit_goes_on(
    bus: Bus, emit: Emit
) -> None:
    await ready(bus, "coinbase")
    await hold(bus, "coinbase")
    entry = await decide(bus, emit, ACROSS, an_entry("1"), price="")
    assert (entry.copy, entry.code) == (None, ReasonCode.PRICE_UNKNOWN)
    leaving = await decide(bus, emit, ACROSS, an_exit("2"), price="")
    assert (leaving.venue, leaving.copy is not None) == ("coinbase", True)


async def test_quotes_are_bridged_by_the_map(bus: Bus, emit: Emit) -> None:
    await bus.do("HSET", keys.account("alice", "coinbase"), *_usdc_account())
    policy = replace(ACROSS, symbols=SymbolPolicy(map={BTC_USD: BTC_USDC}))
    decision = await decide(bus, emit, policy, an_entry(), symbol=BTC_USDC)
    assert decision.copy is not None, decision.reason
    assert (decision.symbol, decision.copy.limit_price) == (BTC_USDC, Price(Decimal("60300"), BTC_USDC))


def _usdc_account() -> list[str]:
    fields = {"v": "1", "state": "ready", "reason": "", "equity": "5000", "cash": "5000", "currency": "USDC"}
    fields |= {"taker_fee": "0.012", "as_of": str(NOW)}
    return [part for pair in fields.items() for part in pair]


async def test_what_is_held_where_no_master_is_copied_any_more_is_sold_there(bus: Bus, emit: Emit) -> None:
    await ready(bus, "kraken", "coinbase")
    await hold(bus, "kraken")
    decision = await decide(bus, emit, MOVED, an_exit())
    assert (decision.venue, decision.copy is not None) == ("kraken", True)
    assert decision.id == order_id(an_exit().id, "alice", "kraken")


async def test_until_it_is_sold_there_no_entry_in_that_coin_is_copied_anywhere(bus: Bus, emit: Emit) -> None:
    """Otherwise one exit signal would have to close two positions, and a signal is one decision."""
    await ready(bus, "kraken", "coinbase")
    await hold(bus, "kraken")
    held_back = await decide(bus, emit, MOVED, an_entry("1"))
    assert (held_back.venue, held_back.copy, held_back.code) == ("coinbase", None, ReasonCode.ALREADY_HELD)
    await bus.do("DEL", keys.positions("alice", "kraken"))
    copied = await decide(bus, emit, MOVED, an_entry("2"))
    assert (copied.venue, copied.copy is not None) == ("coinbase", True)


async def test_an_exit_goes_where_the_master_is_copied_if_the_coin_is_held_there(bus: Bus, emit: Emit) -> None:
    await ready(bus, "kraken", "coinbase")
    await hold(bus, "kraken")
    await hold(bus, "coinbase")
    assert (await decide(bus, emit, MOVED, an_exit())).venue == "coinbase"
