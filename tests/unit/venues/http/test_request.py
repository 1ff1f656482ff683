"""The bytes of a request: exactly what was given, and nothing that could be read as more than one."""

from __future__ import annotations

from itertools import product

import pytest

from shared.venues.errors import Refusal, Rejected
from shared.venues.factory import HttpSession, RateBudget, open_kraken
from shared.venues.fake import MemoryNonces
from shared.venues.http.request import request_bytes
from tests.unit.venues.conftest import SECRET, now
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import always_ok


async def test_exactly_what_was_given_goes_out(http: HttpSession, serve: Serve) -> None:
    server = await serve(always_ok)
    body = b"nonce=1&text=%C3%A9+\x00\r\n\r\n\xff"
    await http.origin(server.url).ask("POST", "/0/private/X?a=b", {"API-Sign": "a+/=", "Empty": ""}, body, timeout=30)
    await http.origin(server.url).ask("GET", "/0/public/Y", {}, timeout=30)
    assert server.requests == [
        b"POST /0/private/X?a=b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAPI-Sign: a+/=\r\nEmpty: \r\n"
        b"Content-Length: %d\r\n\r\n%s" % (server.port, len(body), body),
        b"GET /0/public/Y HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.port,
    ]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("http://venue.example", "venue.example"),
        ("http://venue.example:80", "venue.example"),
        ("https://venue.example:443/base", "venue.example"),
        ("https://venue.example:80", "venue.example:80"),
        ("http://VENUE.example:8100", "venue.example:8100"),
        ("http://[::1]:8100", "[::1]:8100"),
        ("http://xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("http://venue.example.:8100", "venue.example:8100"),
    ],
)
async def test_the_host_is_named_as_the_url_names_it(http: HttpSession, url: str, named: str) -> None:
    assert http.origin(url)._named == named


@pytest.mark.parametrize(
    "url", ["ftp://venue.example", "venue.example", "http://", "http://u:p@venue.example", "http://a:0x"]
)
async def test_a_url_that_leads_nowhere_has_no_origin(http: HttpSession, url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever the words
        http.origin(url)


@pytest.mark.parametrize(
    "bad",
    [
        *(
            f"{before}{end}{after}"
            for end, before, after in product(
                ("\r", "\n", "\r\n", "\r\nX-Admin: 1", "\0", "é"), ("", "kEy"), ("", "tail")
            )
        )
    ],
)
def test_what_would_end_a_header_is_refused_and_not_repeated(bad: str) -> None:
    with pytest.raises(ValueError, match="API-Key") as told:
        request_bytes("POST", "/", "venue", {"API-Key": bad}, b"")
    assert told.value.__context__ is None
    assert bad not in str(told.value)
    with pytest.raises(ValueError):  # noqa: PT011
        request_bytes("POST", "/", "venue", {f"X{bad}": "1"}, b"")
    with pytest.raises(ValueError):  # noqa: PT011
        request_bytes("GET", f"/{bad}", "venue", {}, None)


@pytest.mark.parametrize("target", ["/a b", "/a\tb", "/a#b"])
def test_a_target_of_several_words_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="target"):
        request_bytes("GET", target, "venue", {}, None)


async def test_a_refused_request_makes_no_connection(http: HttpSession, serve: Serve) -> None:
    server = await serve(always_ok)
    with pytest.raises(ValueError, match="API-Key"):
        await http.origin(server.url).ask("POST", "/", {"API-Key": "a\r\nb"}, b"", timeout=30)
    assert server.lines == []


@pytest.mark.parametrize("key", ["a\r\nX: y", "kéy", "a\0b", "key\n"])
async def test_an_account_is_not_opened_with_a_key_that_could_be_no_header(http: HttpSession, key: str) -> None:
    with pytest.raises(Rejected) as refused:
        open_kraken(
            url="http://127.0.0.1",
            api_key=key,
            api_secret=SECRET,
            nonces=MemoryNonces(),
            http=http,
            timeout=1,
            clock=now,
            budget=RateBudget(None),
        )
    assert refused.value.refusal is Refusal.AUTH
    assert key not in refused.value.words
