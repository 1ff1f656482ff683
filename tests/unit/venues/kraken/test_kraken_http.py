"""The bytes to and from Kraken: signed as sent, sent once, and every way of failing distinguished."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import socket
import traceback
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import krakenex
import pytest
from hypothesis import given, strategies as st

from shared.venues.errors import OutcomeUnknown, Unavailable, VenueError
from shared.venues.factory import HttpSession, new_http_session
from shared.venues.kraken.transport import KrakenApi, form_of, read_reply
from tests.unit.venues.conftest import KEY, SECRET
from tests.unit.venues.kraken_stub import KrakenStub, Raw, refusal, result

ORDER = {"pair": "XBTUSD", "type": "buy", "volume": "1.25", "deadline": "2026-11-22T16:00:00.000Z"}


@pytest.fixture
def api(stub: KrakenStub, http: HttpSession) -> KrakenApi:
    return KrakenApi(url=stub.url, http=http, timeout=2, api_key=KEY, api_secret=SECRET)


async def test_kraken_s_own_signing_vector(http: HttpSession) -> None:
    """docs.kraken.com `guides/rest/authentication`."""
    secret = "kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg=="
    api = KrakenApi(url="http://127.0.0.1", http=http, timeout=1, api_key=KEY, api_secret=secret)
    data = {
        "nonce": "1616492376594",
        "ordertype": "limit",
        "pair": "XBTUSD",
        "price": "37500",
        "type": "buy",
        "volume": "1.25",
    }
    expected = "4/dpxb3iT4tp/ZCVEwSnEsLxx0bqyhLpdfOpc6fn7OR8+UClSV5n9E6aSS8MPtnRfp32bAb0nmbRn6H8ndwLUQ=="
    assert api._sign(data, "/0/private/AddOrder") == expected


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(max_size=20), max_size=5), st.integers(1, 2**53))
def test_it_signs_what_krakenex_signs(params: dict[str, str], nonce: int) -> None:
    async def ours() -> str:
        async with new_http_session() as http:
            api = KrakenApi(url="http://127.0.0.1", http=http, timeout=1, api_key=KEY, api_secret=SECRET)
            return api._sign({**params, "nonce": nonce}, "/0/private/AddOrder")

    theirs = krakenex.API(KEY, SECRET)
    try:
        assert asyncio.run(ours()) == theirs._sign({**params, "nonce": nonce}, "/0/private/AddOrder")
    finally:
        theirs.close()


_AWKWARD = st.text("aZ07-_.~:=&+% /#\n\u00e9", max_size=6)


@given(st.dictionaries(_AWKWARD, _AWKWARD | st.integers(0, 2**53), max_size=4))
def test_a_form_is_written_as_everybody_writes_it(data: dict[str, Any]) -> None:
    assert form_of(data) == urlencode(data)


async def test_the_signature_covers_exactly_the_bytes_that_are_sent(api: KrakenApi, stub: KrakenStub) -> None:
    await api.private("AddOrder", ORDER, 1_800_000_000_000_001)
    [arrived] = stub.requests
    digest = hashlib.sha256(("1800000000000001" + arrived.body).encode()).digest()
    expected = hmac.digest(base64.b64decode(SECRET), b"/0/private/AddOrder" + digest, "sha512")
    assert arrived.headers["API-Sign"] == base64.b64encode(expected).decode()
    assert arrived.headers["API-Key"] == KEY
    assert arrived.headers["User-Agent"].startswith("krakenex/")
    assert arrived.headers["Content-Type"].startswith("application/x-www-form-urlencoded")
    assert arrived.form == ORDER | {"nonce": "1800000000000001"}
    assert "nonce" not in ORDER


async def test_public_calls_are_unsigned_gets(api: KrakenApi, stub: KrakenStub) -> None:
    await api.public("Ticker", {"pair": "XBTUSD,XDGUSD"})
    [arrived] = stub.requests
    assert (arrived.verb, arrived.body, arrived.form) == ("GET", "", {"pair": "XBTUSD,XDGUSD"})
    assert "API-Key" not in arrived.headers


async def test_the_environment_s_proxy_has_no_say(
    api: KrakenApi, stub: KrakenStub, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    await api.private("BalanceEx", {}, 1)
    assert len(stub.requests) == 1


async def test_one_connection_serves_many_calls(api: KrakenApi, stub: KrakenStub) -> None:
    for nonce in range(1, 4):
        await api.private("BalanceEx", {}, nonce)
    assert stub.connections == 1


IN_DOUBT = {
    "dropped": Raw(drop=True),
    "cut short": Raw(b'{"error":[],"result":{"txid":["O', length=500),
    "not JSON": Raw(b'{"error":[],"resu'),
    "a page": Raw(b"<html>Bad gateway</html>"),
    "502": Raw(b"<html>Bad gateway</html>", status=502),
    "520": Raw(b"error code: 520", status=520),
    "503 with an envelope": Raw(b'{"error":["EOrder:Insufficient funds"]}', status=503),
    "a redirect": Raw(b"", status=302, headers=("Location: http://127.0.0.1:1/",)),
    "403 page": Raw(b"<html>Forbidden</html>", status=403),
    "a list": Raw(b"[]"),
    "NaN": Raw(b'{"error":[],"result":{"x":NaN}}'),
    "neither error nor result": Raw(b'{"error":[]}'),
}


@pytest.mark.parametrize("answer", IN_DOUBT.values(), ids=IN_DOUBT.keys())
async def test_an_unreadable_answer_leaves_the_outcome_unknown(api: KrakenApi, stub: KrakenStub, answer: Raw) -> None:
    stub.answer("AddOrder", answer)
    with pytest.raises(OutcomeUnknown):
        await api.private("AddOrder", ORDER, 1)
    assert len(stub.requests) == 1  # nothing that was signed is sent again


async def test_silence_ends_at_the_time_out_with_the_outcome_unknown(api: KrakenApi, stub: KrakenStub) -> None:
    stub.answer("AddOrder", Raw(gate=asyncio.Event()))
    with pytest.raises(OutcomeUnknown, match=r"within 2 s"):
        await api.private("AddOrder", ORDER, 1)


async def test_a_closed_port_means_nothing_was_sent(http: HttpSession) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"  # bound, not listening
        api = KrakenApi(url=url, http=http, timeout=1, api_key=KEY, api_secret=SECRET)
        with pytest.raises(Unavailable, match="could not connect"):
            await api.private("AddOrder", ORDER, 1)


async def test_a_name_that_does_not_resolve_means_nothing_was_sent(http: HttpSession) -> None:
    api = KrakenApi(url="http://kraken.invalid", http=http, timeout=5, api_key=KEY, api_secret=SECRET)
    with pytest.raises(Unavailable, match="could not connect"):
        await api.private("AddOrder", ORDER, 1)


async def test_a_closed_pool_means_nothing_was_sent(stub: KrakenStub) -> None:
    session = new_http_session()
    await session.close()
    with pytest.raises(Unavailable):
        await KrakenApi(url=stub.url, http=session, timeout=1, api_key=KEY, api_secret=SECRET).private(
            "AddOrder", {}, 1
        )
    assert stub.requests == []


@pytest.mark.parametrize(("header", "wait"), [((), 5.0), (("Retry-After: 7",), 7.0), (("Retry-After: soon",), 5.0)])
async def test_too_many_requests_is_turned_away_at_the_door(
    api: KrakenApi, stub: KrakenStub, header: tuple[str, ...], wait: float
) -> None:
    stub.answer("AddOrder", Raw(b"slow down", status=429, headers=header))
    with pytest.raises(Unavailable) as told:
        await api.private("AddOrder", ORDER, 1)
    assert told.value.retry_after == wait


async def test_a_cancelled_call_is_cancelled(api: KrakenApi, stub: KrakenStub) -> None:
    stub.answer("AddOrder", Raw(gate=asyncio.Event()))
    call = asyncio.create_task(api.private("AddOrder", ORDER, 1))
    await stub.arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_errors_come_without_result_or_as_warnings_beside_one(api: KrakenApi, stub: KrakenStub) -> None:
    stub.answer("AddOrder", refusal("EAPI:Invalid key"), result({"txid": ["O1"]}, "WGeneral:Danger"))
    refused = await api.private("AddOrder", ORDER, 1)
    assert (refused.texts, refused.result) == (("EAPI:Invalid key",), None)
    warned = await api.private("AddOrder", ORDER, 2)
    assert (warned.texts, warned.result) == (("WGeneral:Danger",), {"txid": ["O1"]})


def test_numbers_are_decimals_and_an_error_may_be_a_bare_text() -> None:
    assert read_reply(200, b'{"error":[],"result":0.1}').result == Decimal("0.1")
    assert read_reply(200, b'{"error":"EAPI:Invalid key"}').texts == ("EAPI:Invalid key",)
    assert read_reply(400, b'{"error":["EAPI:Invalid key"]}').texts == ("EAPI:Invalid key",)


@pytest.mark.parametrize(
    "answer", [Raw(drop=True), Raw(b"<html>", status=502), Raw(b"x", length=9)], ids=["drop", "502", "cut"]
)
async def test_no_failure_carries_key_signature_or_body(api: KrakenApi, stub: KrakenStub, answer: Raw) -> None:
    stub.answer("AddOrder", answer)
    with pytest.raises(VenueError) as told:
        await api.private("AddOrder", ORDER, 1)
    assert told.value.__context__ is None
    assert told.value.__cause__ is None
    text = "".join(traceback.format_exception(told.value)) + repr(api)
    for secret in (KEY, SECRET, stub.requests[0].headers["API-Sign"], "1.25"):
        assert secret not in text
