"""The bytes to and from Coinbase: a token per request that ends when it must, the recorded text as it is, and nothing leaked."""

from __future__ import annotations

import logging
import time
import traceback

import jwt
import pytest
from coinbase import jwt_generator
from cryptography.hazmat.primitives.asymmetric import ed25519

from shared.config.keys.coinbase_key import parse_secret
from shared.venues.coinbase.transport import CoinbaseApi, SigningKey, request_text
from shared.venues.errors import OutcomeUnknown, Unavailable, VenueError
from shared.venues.factory import HttpSession
from shared.venues.venue_clock import ExactTime
from tests.unit.venues.coinbase.conftest import NAME, PRIVATE, SECRET
from tests.unit.venues.coinbase_stub import CoinbaseStub, reply, token_of
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken_stub import Raw

PATH = "/api/v3/brokerage"


async def test_a_token_is_what_the_library_would_make_but_for_its_life(api: CoinbaseApi, stub: CoinbaseStub) -> None:
    before = int(time.time())
    await api.ask("/orders/historical/batch", {"order_status": ["OPEN"], "limit": 5})
    (arrived,) = stub.requests
    header, claims = token_of(arrived)
    theirs = jwt_generator.build_rest_jwt(f"GET api.coinbase.com{PATH}/orders/historical/batch", NAME, SECRET)
    assert header.keys() == jwt.get_unverified_header(theirs).keys()
    expected = jwt.decode(theirs, options={"verify_signature": False})
    assert {**claims, "nbf": 0, "exp": 0} == {**expected, "nbf": 0, "exp": 0}
    assert (header["alg"], header["kid"], len(header["nonce"])) == ("ES256", NAME, 64)
    assert before - 1 <= claims["nbf"] <= time.time()
    assert 3 <= claims["exp"] - before <= 5  # its time-out of 2 s, and 2 s
    token = arrived.headers["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, PRIVATE.public_key(), algorithms=["ES256"]) == claims


async def test_each_request_has_a_token_of_its_own(api: CoinbaseApi, stub: CoinbaseStub) -> None:
    for _ in range(3):
        await api.ask("/accounts")
    assert len({token_of(arrived)[0]["nonce"] for arrived in stub.requests}) == 3
    assert stub.connections == 1


async def test_an_ed25519_key_signs_as_well(stub: CoinbaseStub, http: HttpSession) -> None:
    private = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    api = CoinbaseApi(url=stub.url, http=http, timeout=2, clock=ExactTime(now), key=SigningKey(NAME, private))
    await api.ask("/accounts")
    token = stub.requests[0].headers["Authorization"].removeprefix("Bearer ")
    assert jwt.decode(token, private.public_key(), algorithms=["EdDSA"])["sub"] == NAME


async def test_an_order_leaves_as_it_was_recorded_under_a_token_that_ends_when_it_was_recorded_to(
    api: CoinbaseApi, stub: CoinbaseStub
) -> None:
    text = '{"side":"BUY", "client_order_id":"x",\t"note":"\\u00e9 \u00e9","order_configuration":{"k":{"base_size":"1.0"}}}'
    deadline = now() + 1_700
    await api.order(text, expires_at=deadline)
    (arrived,) = stub.requests
    assert (arrived.verb, arrived.path, arrived.body) == ("POST", f"{PATH}/orders", text)
    assert arrived.headers["Content-Type"] == "application/json"
    _, claims = token_of(arrived)
    assert (claims["exp"], claims["uri"]) == (deadline // 1000, f"POST api.coinbase.com{PATH}/orders")
    assert claims["nbf"] < claims["exp"]


async def test_a_token_is_dated_by_the_venue_s_clock(stub: CoinbaseStub, http: HttpSession) -> None:
    key = SigningKey(NAME, parse_secret(SECRET))
    api = CoinbaseApi(url=stub.url, http=http, timeout=2, clock=ExactTime(lambda: 1_000_000_500), key=key)
    await api.ask("/accounts")
    _, claims = token_of(stub.requests[0])
    assert (claims["nbf"], claims["exp"]) == (999_999, 1_000_004)


async def test_no_token_lives_longer_than_the_venue_takes(http: HttpSession) -> None:
    api = CoinbaseApi(url="http://127.0.0.1:1", http=http, timeout=600, clock=ExactTime(now))
    assert 100_000 < api.token_life_ms < 118_000


async def test_public_calls_are_unsigned_gets(stub: CoinbaseStub, http: HttpSession) -> None:
    api = CoinbaseApi(url=stub.url, http=http, timeout=2, clock=ExactTime(now))
    await api.ask("/market/products", {"product_ids": ["BTC-USD", "ETH-USD"], "limit": 3}, public=True)
    (arrived,) = stub.requests
    assert (arrived.verb, arrived.body, arrived.path) == ("GET", "", f"{PATH}/market/products")
    assert arrived.query == "product_ids=BTC-USD&product_ids=ETH-USD&limit=3"
    assert "Authorization" not in arrived.headers


async def test_a_venue_behind_a_path_is_called_there_and_signed_as_it_is(stub: CoinbaseStub, http: HttpSession) -> None:
    key = SigningKey(NAME, parse_secret(SECRET))
    api = CoinbaseApi(url=f"{stub.url}/venue/", http=http, timeout=2, clock=ExactTime(now), key=key)
    await api.ask("/accounts")
    (arrived,) = stub.requests
    assert arrived.path == f"/venue{PATH}/accounts"
    assert token_of(arrived)[1]["uri"] == f"GET api.coinbase.com{PATH}/accounts"


async def test_environment_and_redirects_have_no_say(
    api: CoinbaseApi, stub: CoinbaseStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    stub.answer("accounts", Raw(b"", 302, ("Location: https://api.coinbase.com/",)))
    assert (await api.ask("/accounts")).status == 302
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("headers", "wait", "remaining"),
    [
        ((), 1.0, None),
        (("Retry-After: 7",), 7.0, None),
        (("x-ratelimit-reset: 3", "x-ratelimit-remaining: 0"), 3.0, 0),
        (("x-ratelimit-reset: 1700000000",), 1.0, None),
        (("Retry-After: 900",), 60.0, None),
        (("Retry-After: 0",), 1.0, None),
        (("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT",), 1.0, None),
    ],
)
async def test_a_429_says_how_long_to_wait(
    api: CoinbaseApi, stub: CoinbaseStub, headers: tuple[str, ...], wait: float, remaining: int | None
) -> None:
    stub.answer("accounts", Raw(b"<html>slow down</html>", 429, headers))
    answer = await api.ask("/accounts")
    assert (answer.status, answer.body, answer.retry_after, answer.remaining) == (429, None, wait, remaining)


async def test_an_answer_that_repeats_the_key_does_not_show_it(api: CoinbaseApi, stub: CoinbaseStub) -> None:
    stub.answer("accounts", reply({"message": f"no rights for {NAME}"}, 403))
    assert (await api.ask("/accounts")).body == {"message": "no rights for [key]"}


async def test_nothing_secret_is_shown_and_the_library_says_nothing(
    api: CoinbaseApi, stub: CoinbaseStub, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    body = request_text({"client_order_id": "secret-content"})
    told: list[VenueError] = []
    for answer in (Raw(drop=True), Raw(b'{"a', length=90), Raw(b"x", 500), Raw(b"Unauthorized", 401)):
        stub.answer("orders", answer)
        try:
            await api.order(body, expires_at=now() + 2_000)
        except VenueError as error:
            told.append(error)
    assert [type(each) for each in told] == [OutcomeUnknown, OutcomeUnknown]
    text = (
        "".join("".join(traceback.format_exception(each)) for each in told) + caplog.text + "".join(capfd.readouterr())
    )
    text += repr(api._key)
    for hidden in ("Bearer", NAME, "secret-content", *SECRET.split("\n")[1:-2]):
        assert hidden not in text


async def test_a_closed_port_was_never_reached(http: HttpSession) -> None:
    api = CoinbaseApi(url="http://127.0.0.1:1", http=http, timeout=1, clock=ExactTime(now))
    with pytest.raises(Unavailable, match="could not connect"):
        await api.ask("/time", public=True)


@pytest.mark.parametrize("name", ["coinbase.RESTClient", "coinbase.WSClient"])
def test_the_library_s_loggers_are_off(name: str) -> None:
    assert not logging.getLogger(name).isEnabledFor(logging.CRITICAL)
