"""Whatever a venue answers, an order ends in one of the three leaves and a lookup in a value that can be written down.

Case S11. An exception of another kind would pass by everybody who knows what to do about an order that may have been taken.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final, cast

import pytest
from hypothesis import example, given, settings, strategies as st

from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable, VenueError
from shared.venues.factory import HttpSession, RateBudget, open_kraken
from shared.venues.fake import MemoryNonces
from shared.venues.http.connection import HttpAnswer
from shared.venues.kraken.adapter import KrakenVenue
from tests.support.property_examples import scaled
from tests.unit.venues.conftest import KEY, SECRET, now
from tests.unit.venues.kraken.test_kraken_lane import BTC, ORDER
from tests.unit.venues.kraken_stub import ASSETS, PAIRS

ABSURD: Final = (
    "1e9999999999999999999",
    "-1e9999999999999999999",
    "1e-9999999999999999999",
    "1e999999",
    "1" * 1_000_000,
    "0." + "1" * 1_000_000,
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "-1",
    "1_000",
    "１２",
    "",
    " 1",
)
NUMBERS: Final = tuple(text for text in ABSURD if text not in {"1_000", "１２", "", " 1", "sNaN"})
"""Those that may stand in JSON without quotes, as far as a reader goes."""


class Answers:
    """Stands where the HTTP session does: every origin gives the answer that a test has set."""

    def __init__(self) -> None:
        self.given: tuple[int, bytes] = (200, b"")

    def origin(self, _: str) -> Answers:
        return self

    def drop_idle(self) -> None:
        pass

    async def ask(self, verb: str, target: str, headers: Mapping[str, str], *body: bytes, timeout: float) -> HttpAnswer:
        del verb, headers, body, timeout
        for method, listed in (("/AssetPairs", PAIRS), ("/Assets", ASSETS)):
            if target.endswith(method):
                return HttpAnswer(200, [], json.dumps({"error": [], "result": listed}).encode())
        return HttpAnswer(self.given[0], [], self.given[1])


def _venue(status: int, raw: bytes) -> KrakenVenue:
    answers = Answers()
    answers.given = (status, raw)
    return open_kraken(
        url="http://venue.example",
        api_key=KEY,
        api_secret=SECRET,
        nonces=MemoryNonces(),
        http=cast("HttpSession", answers),
        timeout=1e-9,  # no time to ask twice
        clock=now,
        budget=RateBudget(None),
    )


async def _place(status: int, raw: bytes) -> VenueError | None:
    """Place an order that is answered so; answers the leaf it ends in, None if it was taken. Lets no other exception pass."""
    nonces = MemoryNonces()
    order = replace(ORDER, deadline_at=now() + 30_000)
    try:
        accepted = await _venue(status, raw).place(order, nonces.begin)
    except (Rejected, Unavailable, OutcomeUnknown) as leaf:
        _writable(str(leaf))
        return leaf
    assert accepted.venue_order_id.isascii()
    assert accepted.venue_order_id.isprintable()
    assert 0 < len(accepted.venue_order_id) <= 64
    return None


async def _look_up(status: int, raw: bytes) -> None:
    """Make every lookup; each gives a value that can be written down, Unavailable or Rejected."""
    venue = _venue(status, raw)
    lookups = (
        venue.balances(),
        venue.order("O1"),
        venue.find(ORDER.client_order_id, since=0),
        venue.open_orders(),
        venue.closed_orders(since=0),
        venue.taker_fee(BTC),
        venue.prices([BTC]),
        venue.candles(BTC, 1),
    )
    for lookup in lookups:
        try:
            found = await lookup
        except (Unavailable, Rejected) as leaf:
            _writable(str(leaf))
        else:
            _writable(_text(found))


def _text(found: Any) -> str:
    if isinstance(found, (list, tuple)):
        return " ".join(map(_text, found))
    if isinstance(found, Mapping):
        return " ".join(f"{_text(key)} {_text(value)}" for key, value in found.items())
    if isinstance(found, Decimal):
        return format(found, "f")
    return str(found)


def _writable(text: str) -> None:
    text.encode()
    assert len(text) < 5_000


def _answer(result: str, error: str = "[]") -> bytes:
    return f'{{"error": {error}, "result": {result}}}'.encode()


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_number_beyond_all_bounds_leaves_the_outcome_of_an_order_unknown(number: str) -> None:
    for raw in (
        _answer(f'{{"txid": {number}}}'),
        _answer(f'{{"txid": ["O1"], "x": {number}, "x": 1}}'),
        number.encode(),
    ):
        assert isinstance(await _place(200, raw), OutcomeUnknown)
    await _look_up(200, _answer(f'{{"open": {{"O1": {number}}}, "closed": {{}}, "count": {number}}}'))


@pytest.mark.parametrize(
    ("amount", "quoted"), [*((text, True) for text in ABSURD), *((text, False) for text in ABSURD if text != " 1")]
)
async def test_an_amount_that_is_none_is_never_read_as_one(amount: str, quoted: bool) -> None:
    written = json.dumps(amount) if quoted else amount or "null"
    row = (
        f'{{"status": "closed", "opentm": 1000.25, "closetm": 1000.5, "descr": {{"pair": "XBTUSD", "type": "buy"}}, '
        f'"vol_exec": {written}, "cost": "6000", "fee": "24", "oflags": "fciq", "cl_ord_id": "{ORDER.client_order_id}"}}'
    )
    with pytest.raises(VenueError):
        await _venue(200, _answer(f'{{"O1": {row}}}')).order("O1")
    with pytest.raises(Unavailable):
        await _venue(200, _answer(f'{{"open": {{"O1": {row}}}}}')).find(ORDER.client_order_id, since=None)
    if amount != "-1":  # a credit line can leave a balance below zero
        with pytest.raises(Unavailable):
            _ = (await _venue(200, _answer(f'{{"ZUSD": {{"balance": {written}}}}}')).balances())["USD"]


@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"error": ' + b"[" * 900 + b"]" * 900 + b', "result": {"txid": ["O1"]}}',
        b'{"error": [], "result": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"error": [], "error": ["EOrder:Insufficient funds"], "result": {"txid": ["O1"]}}',
        b'{"error": ["EOrder:Insufficient funds"], "error": [], "result": {"txid": ["O1"]}}',
        b'{"error": [], "result": {"txid": ["O1"], "txid": ["O2"]}}',
        b'{"error": [], "result": {"txid": ["\\ud800"]}}',
        b'{"error": ["\\ud800 EOrder:Insufficient funds"], "result": {}}',
        b'{"error": [], "result": {"txid": ["O 1\\n"]}}',
        b'{"error": [], "result": {"txid": ["' + b"O" * 100_000 + b'"]}}',
        b'{"error": [{"EOrder": "Insufficient funds"}], "result": {}}',
        b'{"error": [1e9999999999999999999], "result": {}}',
        b"\xff\xfe{}",
        b"",
    ],
)
async def test_nonsense_leaves_the_outcome_of_an_order_unknown(raw: bytes) -> None:
    assert isinstance(await _place(200, raw), OutcomeUnknown)
    await _look_up(200, raw)


_NAMES = [
    "error",
    "result",
    "txid",
    "open",
    "closed",
    "trades",
    "count",
    "balance",
    "descr",
    "pair",
    "status",
    "vol_exec",
]
_MORE = [
    "cost",
    "fee",
    "opentm",
    "closetm",
    "cl_ord_id",
    "ZUSD",
    "XXBT",
    "XXBTZUSD",
    "XBTUSD",
    "O1",
    "last",
    "fees",
    "c",
]
_TEXTS = ["oflags", "buy", "ordertxid", "EOrder:Insufficient funds", "EAPI:Invalid nonce", "EService:Busy", "\ud800"]
WORDS = st.sampled_from([*_NAMES, *_MORE, *_TEXTS])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([*ABSURD, 10**400, ORDER.client_order_id])
    | WORDS
    | st.text(max_size=8)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5), max_leaves=25
)
ENVELOPES = st.fixed_dictionaries({"error": st.just([]) | VALUES, "result": VALUES})
BODIES = (ENVELOPES | VALUES).map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40)


@settings(max_examples=scaled(300), deadline=None)
@given(st.sampled_from([200, 200, 200, 400, 429, 500, 502]), BODIES)
@example(200, b'{"error": [], "result": 1e9999999999999999999}')
async def test_place_never_raises_anything_but_the_three_leaves(status: int, raw: bytes) -> None:
    await _place(status, raw)


@settings(max_examples=scaled(300), deadline=None)
@given(st.sampled_from([200, 200, 200, 400, 429, 500, 502]), BODIES)
async def test_a_lookup_gives_a_value_that_can_be_written_down_or_one_of_the_leaves(status: int, raw: bytes) -> None:
    await _look_up(status, raw)
