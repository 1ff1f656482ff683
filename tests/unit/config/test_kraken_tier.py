"""KRAKEN_TIER, COINBASE_TIER and KRAKEN_STREAM_URL reach every account: the master's and users', real money or paper."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any, cast, get_args

import pytest

from services.executor.account.context_factory import AccountContextFactory
from services.master_strategy.app import open_master
from services.master_strategy.clock import system_clock
from shared.config.keys.secrets import ApiKey
from shared.config.settings import Settings, load_settings
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.factory import HttpSession, RateBudget, Tier, new_http_session, open_budget, open_public, tier_named
from shared.venues.fake import MemoryNonces
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.kraken.streaming.stream import KrakenStream

KEY = ApiKey("PAPERkEyOfTheTest", "c2VjcmV0LW9mLXRoZS10ZXN0")
TIERS = [("", Tier.INTERMEDIATE), ("starter", Tier.STARTER), ("pro", Tier.PRO), ("none", None)]


@pytest.fixture
async def http() -> AsyncIterator[HttpSession]:
    async with new_http_session() as session:
        yield session


def test_every_name_that_the_setting_takes_is_a_tier_or_none() -> None:
    names = get_args(get_args(Settings.model_fields["kraken_tier"].annotation)[0])
    assert {tier_named(name) for name in names} == {*Tier, None}


@pytest.mark.parametrize(("told", "tier"), TIERS)
async def test_the_masters_account_keeps_within_it(
    env: pytest.MonkeyPatch, http: HttpSession, told: str, tier: Tier | None
) -> None:
    env.setenv("KRAKEN_TIER", told)
    settings = load_settings()
    clock = system_clock()
    public = open_public("kraken", url=settings.venue_url("kraken"), http=http, timeout=1, clock=clock.now)
    budget = open_budget("kraken", settings.venue_tier("kraken"))
    venue = open_master(settings, KEY, MemoryNonces(), budget, http, clock, public)
    _keeps_within(venue, tier)


@pytest.mark.parametrize("mode", ["paper", "live"])
@pytest.mark.parametrize("paper", [False, True])
@pytest.mark.parametrize(("told", "tier"), TIERS)
async def test_users_accounts_keep_within_it(
    env: pytest.MonkeyPatch, http: HttpSession, told: str, tier: Tier | None, paper: bool, mode: str
) -> None:
    env.setenv("KRAKEN_TIER", told)
    env.setenv("SHOAL_MODE", mode)
    desks = AccountContextFactory(load_settings(), cast("Any", None), http, lambda: time.time_ns() // 1_000_000)
    memory = desks._memory("kraken", KEY.fingerprint)
    _keeps_within(desks._open("kraken", KEY, MemoryNonces(), memory, paper=paper), tier)


def _keeps_within(venue: object, tier: Tier | None) -> None:
    assert isinstance(venue, KrakenVenue)
    assert venue._budget is venue._lane._budget
    assert venue._budget._limits == (None if tier is None else tier.value)


@pytest.mark.parametrize(("told", "learned"), [("", Tier.PRO), ("starter", Tier.STARTER), ("none", None)])
def test_the_venues_own_word_counts_only_without_it(env: pytest.MonkeyPatch, told: str, learned: Tier | None) -> None:
    env.setenv("KRAKEN_TIER", told)
    budget = open_budget("kraken", load_settings().venue_tier("kraken"))
    assert isinstance(budget, RateBudget)
    budget.learn(180)
    assert budget._limits == (None if learned is None else learned.value)


@pytest.mark.parametrize(("told", "limited"), [("", True), ("none", False)])
def test_coinbases_budget_is_counted_unless_that_is_turned_off(
    env: pytest.MonkeyPatch, told: str, limited: bool
) -> None:
    env.setenv("COINBASE_TIER", told)
    budget = open_budget("coinbase", load_settings().venue_tier("coinbase"))
    assert isinstance(budget, CoinbaseBudget)
    assert budget._limited is limited


async def test_the_address_of_streams_reaches_every_account_but_those_on_paper_money_beside_real_ones(
    env: pytest.MonkeyPatch, http: HttpSession
) -> None:
    env.setenv("SHOAL_MODE", "live")
    env.setenv("KRAKEN_STREAM_URL", "wss://streams.example.org/v2")
    settings = load_settings()
    factory = AccountContextFactory(settings, cast("Any", None), http, lambda: time.time_ns() // 1_000_000)
    memory = factory._memory("kraken", KEY.fingerprint)

    def stream_url(venue: object) -> str:
        assert isinstance(venue, KrakenVenue)
        stream = venue.private_stream()
        assert isinstance(stream, KrakenStream)
        return stream._account.address.url

    real = factory._open("kraken", KEY, MemoryNonces(), memory, paper=False)
    paper = factory._open("kraken", KEY, MemoryNonces(), memory, paper=True)
    clock = system_clock()
    public = open_public("kraken", url=settings.venue_url("kraken"), http=http, timeout=1, clock=clock.now)
    budget = open_budget("kraken", settings.venue_tier("kraken"))
    master = open_master(settings, KEY, MemoryNonces(), budget, http, clock, public)
    assert [stream_url(each) for each in (real, paper, master)] == [
        "wss://streams.example.org/v2",
        "ws://127.0.0.1:8100/v2",
        "wss://streams.example.org/v2",
    ]
