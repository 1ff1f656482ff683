"""Whatever answers in Coinbase's place: an order ends in one of three leaves, a lookup in a value that can be written down.

Case S11, and S9: an answer to another request is never taken for the one that was asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final, cast

import pytest
from hypothesis import given, settings, strategies as st

from shared.venues.coinbase.adapter import CoinbaseVenue
from shared.venues.coinbase.rate_budget import CoinbaseBudget
from shared.venues.errors import OutcomeUnknown, Rejected, Unavailable, VenueError
from shared.venues.factory import HttpSession, open_coinbase
from shared.venues.http.connection import HttpAnswer
from shared.venues.port import Outgoing
from tests.support.property_examples import scaled
from tests.unit.venues.coinbase.conftest import BTC, NAME, SECRET, TEXT, Recorder, request
from tests.unit.venues.coinbase_stub import FILL, ORDER, ORDER_ID, PRODUCT, CoinbaseStub, fills, orders, reply, taken
from tests.unit.venues.conftest import now
from tests.unit.venues.kraken_stub import Raw
from tests.unit.venues.test_absurd_answers import ABSURD, NUMBERS


class Answers:
    """Stands where the HTTP session does: each origin gives the answer that a test has set, to everything but the products."""

    def __init__(self, status: int, raw: bytes) -> None:
        self._given = HttpAnswer(status, [], raw)

    def origin(self, _: str) -> Answers:
        return self

    def drop_idle(self) -> None:
        pass

    async def ask(self, verb: str, target: str, headers: Mapping[str, str], *body: bytes, timeout: float) -> HttpAnswer:
        del verb, headers, body, timeout
        if "/market/products?product_type" in target:
            return HttpAnswer(200, [], json.dumps({"products": [PRODUCT]}).encode())
        return self._given


async def _free(_outgoing: Outgoing) -> int:
    return 0


def _opened(status: int, raw: bytes) -> CoinbaseVenue:
    return open_coinbase(
        url="http://venue.example",
        api_key=NAME,
        api_secret=SECRET,
        http=cast("HttpSession", Answers(status, raw)),
        timeout=1,
        clock=now,
        budget=CoinbaseBudget(),
    )


async def _submit(status: int, raw: bytes, *, again: bool = False) -> VenueError | None:
    """Place an order that is answered so; return the leaf it ends in, None if it was taken. Lets no other exception pass."""
    venue = _opened(status, raw)
    try:
        accepted = await (venue.replay(TEXT, _free) if again else venue.place(request(), _free))
    except (Rejected, Unavailable, OutcomeUnknown) as leaf:
        _writable(str(leaf))
        return leaf
    assert accepted.venue_order_id.isascii()
    assert 0 < len(accepted.venue_order_id) <= 64
    return None


LOOKUPS: Final[dict[str, Callable[[CoinbaseVenue], Any]]] = {
    "balances": lambda venue: venue.balances(),
    "order": lambda venue: venue.order(ORDER_ID),
    "find": lambda venue: venue.find("mine", since=0),
    "open_orders": lambda venue: venue.open_orders(),
    "closed_orders": lambda venue: venue.closed_orders(since=0),
    "taker_fee": lambda venue: venue.taker_fee(BTC),
    "prices": lambda venue: venue.prices([BTC]),
    "candles": lambda venue: venue.candles(BTC, 1),
    "ask_time": lambda venue: venue.ask_time(),
}


async def _look_up(status: int, raw: bytes) -> None:
    """Make every lookup; each gives a value that can be written down, Unavailable or Rejected."""
    for lookup in LOOKUPS.values():
        try:
            found = await lookup(_opened(status, raw))
        except (Unavailable, Rejected) as leaf:
            _writable(str(leaf))
        else:
            _writable(_text(found))


def _text(found: Any) -> str:
    if isinstance(found, (list, tuple)):
        return " ".join(map(_text, found))
    if isinstance(found, Mapping):
        return " ".join(f"{_text(key)} {_text(value)}" for key, value in found.items())
    return format(found, "f") if isinstance(found, Decimal) else str(found)


def _writable(text: str) -> None:
    text.encode()
    assert len(text) < 5_000


@pytest.fixture(autouse=True)
def _ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.venues.patience.ATTEMPTS", 1)


@pytest.mark.parametrize("number", NUMBERS)
async def test_a_number_beyond_all_bounds_leaves_an_order_unknown(number: str) -> None:
    for raw in (f'{{"success":{number}}}', f'{{"success":true,"success_response":{{"order_id":{number}}}}}', number):
        assert isinstance(await _submit(200, raw.encode()), OutcomeUnknown)
    row = f'[{{"order_id":{number},"filled_size":{number}}}]'
    await _look_up(
        200, f'{{"orders":{row},"fills":{row},"accounts":{row},"epochMillis":{number},"candles":{row}}}'.encode()
    )


@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("amount", ABSURD)
async def test_an_amount_that_is_none_is_never_read_as_one(amount: str, quoted: bool) -> None:
    written = json.dumps(amount) if quoted else amount or "null"
    row = json.dumps(ORDER).replace('"filled_size": "0.01"', f'"filled_size": {written}')
    if not quoted and amount == " 1":
        return  # a number with a space before it
    with pytest.raises(VenueError):
        await _opened(200, f'{{"order":{row}}}'.encode()).order(ORDER_ID)
    with pytest.raises(Unavailable):
        await _opened(200, f'{{"orders":[{row}],"has_next":false}}'.encode()).find("mine", since=None)
    wallet = f'{{"currency":"USD","available_balance":{{"value":{written}}},"hold":{{"value":"0"}}}}'
    if amount != "-1":  # a wallet may be overdrawn
        with pytest.raises(Unavailable):
            _ = (await _opened(200, f'{{"accounts":[{wallet}],"has_next":false}}'.encode()).balances())["USD"]


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"success":true,"success_response":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
        b'{"success":false,"success":true,"success_response":{"order_id":"o"}}',
        b'{"success":false,"error_response":{"error":"A","error":"B"}}',
        b'{"success":true,"success_response":{"order_id":"\\ud800"}}',
        b'{"success":false,"error_response":{"error":"\\ud800"}}',
        b'{"success":true,"success_response":{"order_id":"o 1\\n","client_order_id":"mine","product_id":"BTC-USD","side":"BUY"}}',
        b'{"success":true,"success_response":{"order_id":"../x","client_order_id":"mine","product_id":"BTC-USD","side":"BUY"}}',
        b'{"success":true,"success_response":{"order_id":"' + b"o" * 100_000 + b'"}}',
        b"\xff\xfe{}",
        b"",
    ],
)
async def test_nonsense_leaves_an_order_unknown(raw: bytes, again: bool) -> None:
    assert isinstance(await _submit(200, raw, again=again), OutcomeUnknown)
    await _look_up(200, raw)


_NAMES = st.sampled_from(
    [*ORDER, *FILL, "orders", "order", "fills", "accounts", "has_next", "cursor", "success", "error"]
)
_MORE = st.sampled_from(
    ["success_response", "error_response", "errors", "currency", "available_balance", "hold", "value"]
)
_LEAVES = st.sampled_from([*ORDER.values(), *ABSURD[:5], None, True, False, 0, -1, 1.5, "mine", ORDER_ID]) | st.text(
    max_size=9
)
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES | _MORE, inner, max_size=8),
    max_leaves=25,
)


@settings(max_examples=scaled(60), deadline=None)
@given(st.dictionaries(_NAMES | _MORE, _JSON, max_size=8), st.sampled_from([200, 200, 200, 400, 403, 404, 500]))
async def test_any_object_ends_in_a_leaf_or_a_value(body: dict[str, Any], status: int) -> None:
    raw = json.dumps(body, default=str).encode()
    await _submit(status, raw)
    await _submit(status, raw, again=True)
    await _look_up(status, raw)


# Answers to other questions

ANSWERS: Final = {
    "order": reply({"order": ORDER | {"order_id": "another"}}),
    "orders": orders(ORDER),
    "fills": fills(FILL),
    "accounts": reply({"accounts": [], "has_next": False, "cursor": ""}),
    "summary": reply({"fee_tier": {"taker_fee_rate": "0.001"}}),
    "taken": taken(client_order_id="another"),
    "time": reply({"epochMillis": "1795363245000"}),
}


@pytest.mark.parametrize("repeated", ANSWERS)
async def test_another_answer_is_no_answer_to_an_order(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, repeated: str
) -> None:
    stub.answer("orders", ANSWERS[repeated], taken())
    with pytest.raises(OutcomeUnknown):
        await venue.place(request(), begin)
    before = stub.connections
    await venue.place(request(), begin)
    assert stub.connections == before + 1, "went on over the connection whose answers were in doubt"


@pytest.mark.parametrize(
    ("asked", "method", "right"),
    [
        ("order", ORDER_ID, ""),
        ("find", "batch", "orders"),
        ("open_orders", "batch", "orders"),
        ("balances", "accounts", "accounts"),
    ],
)
@pytest.mark.parametrize("repeated", ANSWERS)
async def test_another_answer_proves_nothing(
    venue: CoinbaseVenue, stub: CoinbaseStub, asked: str, method: str, right: str, repeated: str
) -> None:
    if repeated == right:
        return  # two lists of one kind look alike
    stub.answer(method, ANSWERS[repeated])
    with pytest.raises(Unavailable):
        await LOOKUPS[asked](venue)
    before = stub.connections
    stub.answer("accounts", ANSWERS["accounts"])
    await venue.balances()
    assert stub.connections == before + 1, "went on over the connection whose answers were in doubt"


@pytest.mark.parametrize("page", [Raw(b"<html>", 504), Raw(b"{", 200), Raw(b"<html>", 200)])
async def test_a_gateway_s_page_ends_its_connection(
    venue: CoinbaseVenue, stub: CoinbaseStub, begin: Recorder, page: Raw
) -> None:
    """The venue's own answer may follow it."""
    stub.answer("orders", page, taken())
    with pytest.raises(OutcomeUnknown):
        await venue.place(request(), begin)
    before = stub.connections
    await venue.place(request(), begin)
    assert stub.connections == before + 1


@pytest.mark.parametrize("page", [Raw(b"<html>", 504), Raw(b"{", 200), Raw(b"<html>", 403)])
async def test_a_gateway_s_page_to_a_lookup_ends_its_connection_too(
    venue: CoinbaseVenue, stub: CoinbaseStub, page: Raw
) -> None:
    stub.answer("accounts", page, ANSWERS["accounts"])
    with pytest.raises(Unavailable):
        await venue.balances()
    before = stub.connections
    await venue.balances()
    assert stub.connections == before + 1
