"""Nothing is signed for an exchange that has not named itself as the paper exchange."""

from __future__ import annotations

import json

import pytest

from shared.config.keys.coinbase_key import parse_secret
from shared.venues.coinbase.paper import PaperCoinbaseApi
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.coinbase.transport import CoinbaseApi, SigningKey
from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.factory import (
    HttpSession,
    RateBudget,
    open_account,
    open_budget,
    open_coinbase,
    open_public,
)
from shared.venues.venue_clock import ExactTime
from tests.unit.venues.coinbase.conftest import NAME, SECRET, TEXT
from tests.unit.venues.coinbase_stub import CoinbaseStub, reply
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken_stub import Raw

PAPER = reply({"exchange": "shoal-paper", "clock": {}})


@pytest.fixture
def paper(stub: CoinbaseStub, http: HttpSession) -> PaperCoinbaseApi:
    key = SigningKey(NAME, parse_secret(SECRET))
    return PaperCoinbaseApi(url=stub.url, http=http, timeout=2, clock=ExactTime(now), key=key)


def paths(stub: CoinbaseStub) -> list[str]:
    """Return what was asked for, in order."""
    return [request.method for request in stub.requests]


async def test_the_other_side_is_asked_once_who_it_is_and_before_anything_is_signed(
    paper: PaperCoinbaseApi, stub: CoinbaseStub
) -> None:
    stub.answer("identity", PAPER)
    await paper.ask("/accounts")
    await paper.order(TEXT, expires_at=now() + 2_000)
    assert paths(stub) == ["identity", "accounts", "orders"]
    assert ["Authorization" in request.headers for request in stub.requests] == [False, True, True]


@pytest.mark.parametrize(
    "answer",
    [
        reply({"error": "NOT_FOUND"}, 404),
        reply({}),
        Raw(b"<html>Coinbase</html>"),
        Raw(b'"shoal-paper"'),
        Raw(b'{"exchange":"shoal-paper"}', 302, ("Location: https://api.coinbase.com/",)),
        reply({"exchange": "another"}),
    ],
)
async def test_whoever_else_answers_never_sees_a_token(
    paper: PaperCoinbaseApi, stub: CoinbaseStub, answer: Raw
) -> None:
    stub.answer("identity", answer, answer)
    for asking in (paper.ask("/accounts"), paper.order(TEXT, expires_at=now() + 2_000)):
        with pytest.raises(Rejected, match="is not a paper exchange") as refused:
            await asking
        assert refused.value.refusal is Refusal.AUTH
    assert paths(stub) == ["identity", "identity"]


@pytest.mark.parametrize("trouble", [Raw(drop=True), Raw(b"", 503)])
async def test_while_it_cannot_be_asked_nothing_is_sent_and_it_is_asked_again(
    paper: PaperCoinbaseApi, stub: CoinbaseStub, trouble: Raw
) -> None:
    stub.answer("identity", trouble)
    with pytest.raises(Unavailable, match="does not answer"):
        await paper.order(TEXT, expires_at=now() + 2_000)
    assert paths(stub) == ["identity"]
    stub.answer("identity", PAPER)
    await paper.ask("/accounts")
    assert paths(stub) == ["identity", "identity", "accounts"]


async def test_the_factory_opens_both_sides_by_the_venue_s_name(stub: CoinbaseStub, http: HttpSession) -> None:
    public = open_public("coinbase", url=stub.url, http=http, timeout=2, clock=now)
    budget = open_budget("coinbase", None)
    assert isinstance(budget, CoinbaseBudget)
    stub.answer("identity", reply({}))
    for paper, kind in ((False, CoinbaseApi), (True, PaperCoinbaseApi)):
        venue = open_account(
            "coinbase",
            url=stub.url,
            api_key=NAME,
            api_secret=SECRET,
            nonces=None,
            http=http,
            timeout=2,
            clock=now,
            budget=budget,
            public=public,
            paper=paper,
        )
        assert type(venue._questions._api) is kind  # type: ignore[attr-defined]
        assert (venue.name, venue.replays, venue.order_life_ms) == ("coinbase", True, 4_000)
    assert venue.furthest_deadline_ms == 120_000
    with pytest.raises(Rejected):
        await venue.balances()


def test_what_is_not_of_one_venue_opens_nothing(stub: CoinbaseStub, http: HttpSession) -> None:
    public = open_public("coinbase", url=stub.url, http=http, timeout=2, clock=now)
    with pytest.raises(Rejected) as refused:
        open_account(
            "coinbase",
            url=stub.url,
            api_key=NAME,
            api_secret=SECRET,
            nonces=None,
            http=http,
            timeout=2,
            clock=now,
            budget=RateBudget(None),
            public=public,
        )
    assert refused.value.refusal is Refusal.AUTH


@pytest.mark.parametrize(
    ("key", "secret", "says"),
    [
        ("", SECRET, "the API key is empty"),
        (SECRET, NAME, "key and secret are swapped"),
        (SECRET.replace("\n", "\\n"), NAME, "key and secret are swapped"),
        ("na\rme", SECRET, "characters"),
        (NAME, "x" * 32, "legacy key"),
        (NAME, json.dumps({"name": NAME, "privateKey": SECRET}), "the whole JSON file"),
    ],
)
async def test_a_malformed_key_is_refused_before_anything_is_sent(
    stub: CoinbaseStub, http: HttpSession, key: str, secret: str, says: str
) -> None:
    with pytest.raises(Rejected, match=says) as refused:
        open_coinbase(
            url=stub.url, api_key=key, api_secret=secret, http=http, timeout=2, clock=now, budget=CoinbaseBudget()
        )
    assert refused.value.refusal is Refusal.AUTH
    assert stub.requests == []
