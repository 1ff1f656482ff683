"""Nothing is signed for an exchange that has not named itself as the paper exchange."""

from __future__ import annotations

import json

import pytest

from shared.venues.errors import Refusal, Rejected, Unavailable
from shared.venues.factory import HttpSession
from shared.venues.kraken.paper import PaperKrakenApi
from tests.unit.venues.conftest import KEY, SECRET
from tests.unit.venues.kraken_stub import KrakenStub, Raw, result

PAPER = Raw(json.dumps({"exchange": "shoal-paper", "clock": {}}).encode())


@pytest.fixture
def api(stub: KrakenStub, http: HttpSession) -> PaperKrakenApi:
    return PaperKrakenApi(url=stub.url, http=http, timeout=2, api_key=KEY, api_secret=SECRET)


def paths(stub: KrakenStub) -> list[str]:
    """Return what was asked for, in order."""
    return [request.path for request in stub.requests]


async def test_the_other_side_is_asked_once_who_it_is_and_before_anything_private(
    api: PaperKrakenApi, stub: KrakenStub
) -> None:
    stub.answer("identity", PAPER)
    stub.answer("Balance", result({"ZUSD": "1"}), result({"ZUSD": "2"}))
    assert (await api.private("Balance", {}, 1)).result == {"ZUSD": "1"}
    assert (await api.private("Balance", {}, 2)).result == {"ZUSD": "2"}
    assert paths(stub) == ["/paper/identity", "/0/private/Balance", "/0/private/Balance"]
    assert not stub.requests[0].headers.keys() & {"API-Key", "API-Sign"}


@pytest.mark.parametrize(
    "answer",
    [
        Raw(b'{"error":["EGeneral:Unknown method"]}', 404),
        result({}),
        Raw(b"<html>Kraken</html>"),
        Raw(b'"shoal-paper"'),
        Raw(b'{"exchange":"shoal-paper"}', 302, ("Location: https://api.kraken.com/",)),
        Raw(b'{"exchange":"another"}'),
    ],
)
async def test_whoever_else_answers_never_sees_a_private_request(
    api: PaperKrakenApi, stub: KrakenStub, answer: Raw
) -> None:
    stub.answer("identity", answer)
    with pytest.raises(Rejected, match="is not a paper exchange") as refused:
        await api.private("AddOrder", {"pair": "XBTUSD"}, 1)
    assert refused.value.refusal is Refusal.AUTH
    assert paths(stub) == ["/paper/identity"]


@pytest.mark.parametrize("trouble", [Raw(drop=True), Raw(b"", 503)])
async def test_while_it_cannot_be_asked_nothing_is_sent_and_it_is_asked_again(
    api: PaperKrakenApi, stub: KrakenStub, trouble: Raw
) -> None:
    stub.answer("identity", trouble)
    with pytest.raises(Unavailable, match="does not answer"):
        await api.private("Balance", {}, 1)
    assert "/0/private/Balance" not in paths(stub)
    stub.answer("identity", PAPER)
    await api.private("Balance", {}, 2)
    assert paths(stub)[-2:] == ["/paper/identity", "/0/private/Balance"]
