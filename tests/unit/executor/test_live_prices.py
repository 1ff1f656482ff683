"""What the stream shows: how long it counts, and what revives it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import pytest

from services.executor.protection.live_prices import ASIDE, SILENCE, LivePrices
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, btc_price

ETH_USD = Symbol("ETH", "USD")


def eth_price(amount: str) -> Price:
    return Price(Decimal(amount), ETH_USD)


@dataclass
class Steady:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def steady() -> Steady:
    return Steady()


@pytest.fixture
def live(steady: Steady) -> LivePrices:
    live = LivePrices("kraken", steady)
    live.follow([BTC_USD, ETH_USD])
    live.seen(btc_price("60000"), 1_000)
    live.seen(eth_price("3000"), 1_000)
    return live


def test_only_what_has_changed_is_published_and_only_once(live: LivePrices) -> None:
    assert {price.symbol for price in live.take_changed()[0]} == {BTC_USD, ETH_USD}
    live.seen(btc_price("60000"), 1_100)
    assert not live.changed.is_set()
    live.seen(eth_price("3001"), 1_200)
    live.seen(eth_price("3002"), 1_300)
    assert live.changed.is_set()
    assert live.take_changed() == ([eth_price("3002")], 1_300)
    assert live.take_changed() == ([], 1_300)


def test_a_quiet_pair_is_known_as_of_the_last_sign_of_life(live: LivePrices) -> None:
    live.take_all()
    live.alive(5_000)
    prices, at = live.take_all()
    assert (sorted(map(str, prices)), at) == (sorted(map(str, [btc_price("60000"), eth_price("3000")])), 5_000)


def test_without_a_further_sign_of_life_nothing_is_published_again(live: LivePrices) -> None:
    assert len(live.take_all()[0]) == 2
    assert live.take_all() == ([], 1_000)


def test_a_clock_that_steps_back_makes_no_price_older(live: LivePrices) -> None:
    live.alive(500)
    assert live.take_all()[1] == 1_000


def test_silence_forgets_everything(live: LivePrices, steady: Steady) -> None:
    steady.now += SILENCE
    assert live.covers(BTC_USD)
    steady.now += 0.001
    assert not live.covers(BTC_USD)
    assert live.doubted.is_set()
    assert live.take_changed() == ([], 1_000)


def test_what_was_shown_before_a_silence_is_not_published_after_it(live: LivePrices, steady: Steady) -> None:
    steady.now += SILENCE + 1
    assert live.take_changed()[0] == []
    assert live.take_all()[0] == []


def test_a_heartbeat_after_a_silence_revives_nothing(live: LivePrices, steady: Steady) -> None:
    steady.now += SILENCE + 1
    live.alive(9_000)
    assert not live.covers(BTC_USD)
    assert live.take_all() == ([], 9_000)
    live.seen(btc_price("61000"), 9_001)
    assert live.covers(BTC_USD)
    assert not live.covers(ETH_USD)


def test_after_an_interruption_each_pair_must_be_seen_again(live: LivePrices) -> None:
    live.interrupted("cut")
    assert live.doubted.is_set()
    live.seen(eth_price("3000"), 2_000)
    assert (live.covers(ETH_USD), live.covers(BTC_USD)) == (True, False)
    assert live.take_all() == ([eth_price("3000")], 2_000)


def test_a_pair_that_is_shown_no_longer_is_read(live: LivePrices) -> None:
    live.unseen([BTC_USD], "a row cannot be read")
    assert live.doubted.is_set()
    assert (live.covers(ETH_USD), live.covers(BTC_USD)) == (True, False)
    assert live.take_all()[0] == [eth_price("3000")]


def test_a_pair_that_is_not_followed_is_not_heard_of(live: LivePrices) -> None:
    live.follow([ETH_USD])
    live.seen(btc_price("1"), 2_000)
    assert not live.covers(BTC_USD)
    assert live.take_all()[0] == [eth_price("3000")]
    live.follow([BTC_USD, ETH_USD])
    assert not live.covers(BTC_USD)  # what was known before it was followed no longer is


def test_rest_does_not_overwrite_what_the_stream_shows(live: LivePrices) -> None:
    sol = Price(Decimal(80), Symbol("SOL", "USD"))
    assert live.compare({BTC_USD: btc_price("59000"), sol.symbol: sol}) == [sol]
    assert not live.suspected  # it has just been seen: either may be the older one


def test_a_subscription_that_was_dropped_in_silence_is_found(live: LivePrices, steady: Steady) -> None:
    for _ in range(20):
        steady.now += 1
        live.alive(round(steady.now * 1000))
    assert live.compare({BTC_USD: btc_price("60000"), ETH_USD: eth_price("2000")}) == []
    assert live.suspected == {ETH_USD}
    assert live.compare({ETH_USD: eth_price("1999")}) == [eth_price("1999")]
    assert (live.covers(ETH_USD), live.covers(BTC_USD)) == (False, True)
    assert not live.suspected
    live.seen(eth_price("3000"), 200_000)
    assert not live.covers(ETH_USD)  # it is read by REST for a while
    for _ in range(round(ASIDE)):
        steady.now += 1
        live.alive(round(steady.now * 1000))
    live.seen(eth_price("1990"), 900_000)
    assert live.covers(ETH_USD)


def test_a_suspicion_ends_with_the_next_row(live: LivePrices, steady: Steady) -> None:
    for _ in range(20):
        steady.now += 1
        live.alive(round(steady.now * 1000))
    live.compare({ETH_USD: eth_price("2000")})
    live.seen(eth_price("1998"), 130_000)
    assert live.compare({ETH_USD: eth_price("2000")}) == []
    assert live.covers(ETH_USD)
    assert not live.suspected


def test_a_reset_forgets_everything(live: LivePrices) -> None:
    live.reset()
    assert not live.covers(BTC_USD)
    assert live.take_changed()[0] == []
