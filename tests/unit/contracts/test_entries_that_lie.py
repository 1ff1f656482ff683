"""What Python would read and Shoal does not write: it is refused with the reason, on every stream and for every field.

Case S10. The right value for an entry that lies is a dead letter: `MalformedMessageError` is what makes it one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, strategies as st

from shared.contracts.fields import MalformedMessageError, Message
from shared.contracts.heartbeat import HeartbeatRecord
from shared.contracts.market_records import InstrumentRecord, read_price
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.contracts.position_record import PositionRecord, read_position
from shared.contracts.reconciliation import ReconcileAnswer
from shared.contracts.records import AccountRecord
from shared.contracts.risk import RiskRecord
from shared.contracts.verdict import VerdictRecord
from shared.domain.control import Control, ControlMode
from shared.domain.values.numerals import whole
from tests.support.examples import BTC_USD
from tests.unit.contracts.test_messages import CLOSE, COPY, ENTRY, EXIT, REPORT, SKIP

NO_NUMBERS: Final = (
    "1_000",
    "１２",  # full-width digits are the point
    "٣",
    "²",
    "+1",
    " 1",
    "1 ",
    "1\n",
    "1e3",
    "1E-8",
    "0x10",
    ".5",
    "5.",
    "1,000",
    "NaN",
    "sNaN",
    "Infinity",
    "-Infinity",
    "1" * 5_000,
    "0." + "1" * 5_000,
    "1e9999999999999999999",
    "true",
    "None",
)
NO_INSTANTS: Final = (*NO_NUMBERS, "1.0", "-1", "0" * 16)
MESSAGES: Final[tuple[tuple[type[Message], Mapping[str, str]], ...]] = (
    (SignalMessage, ENTRY),
    (SignalMessage, EXIT),
    (OrderMessage, COPY),
    (OrderMessage, CLOSE),
    (ReportMessage, REPORT),
)
RECORDS: Final[tuple[tuple[type[Message], Mapping[str, str]], ...]] = (
    (AccountRecord, {"state": "ready", "equity": "5000", "cash": "5", "taker_fee": "0.004", "as_of": "17"}),
    (
        PositionRecord,
        {"symbol": "BTC/USD", "base_size": "1", "cost": "2", "opened_at": "3", "updated_at": "4", "high": "5"},
    ),
    (
        InstrumentRecord,
        {"symbol": "BTC/USD", "lot_step": "1", "tick": "1", "min_size": "1", "min_cost": "1", "as_of": "1"},
    ),
    (
        RiskRecord,
        {"day": "2026-11-26", "trades_today": "1", "realized": "1", "pnl": "1", "day_start_pnl": "1", "equity": "1"}
        | {"growth": "1", "day_start_growth": "1", "peak_growth": "1", "stopped_until": "1", "as_of": "1"},
    ),
    (
        VerdictRecord,
        {"verdict": "filled", "verdict_size": "1", "verdict_price": "1", "verdict_fee": "1", "verdict_at": "1"},
    ),
    (ReconcileAnswer, {"asked_at": "1", "at": "1", "found": "1", "repaired": "1"}),
    (HeartbeatRecord, {"since": "1", "capacity": "1", "serving": "1"}),
)
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def _numbers() -> Iterator[tuple[type[Message], Mapping[str, str], str, str]]:
    for schema, fields in (*MESSAGES, *RECORDS):
        for name, value in fields.items():
            if name != "v" and _NUMBER.fullmatch(value):
                wrong = NO_INSTANTS if name.endswith(("_at", "as_of", "since", "not_after")) else NO_NUMBERS
                for text in wrong:
                    yield schema, fields, name, text


def test_every_number_of_every_message_and_record_is_plain_ascii() -> None:
    tried = 0
    for schema, fields, name, text in _numbers():
        schema.parse(fields)
        with pytest.raises(MalformedMessageError, match=rf"{schema.__name__}\.?({name})?"):
            schema.parse({**fields, name: text})
        tried += 1
    assert tried > 1_000


@pytest.mark.parametrize(("schema", "fields"), MESSAGES)
def test_a_message_without_its_version_is_refused(schema: type[Message], fields: Mapping[str, str]) -> None:
    without = {name: value for name, value in fields.items() if name != "v"}
    with pytest.raises(MalformedMessageError, match=r"\.v: a message must have its version"):
        schema.parse(without)
    for version in ("", "2", "1.0", " 1", "１"):  # a full-width digit is the point
        with pytest.raises(MalformedMessageError, match=r"\.v: "):
            schema.parse({**fields, "v": version})


@pytest.mark.parametrize("name", ["base_size", "limit_price", "not_after"])
def test_an_entry_without_its_bounds_is_refused(name: str) -> None:
    """Case R6: without a limit it would buy at any price, without a last moment at any time."""
    for fields in ({**COPY, name: ""}, {key: value for key, value in COPY.items() if key != name}):
        with pytest.raises(MalformedMessageError, match=rf"OrderMessage: a copied entry needs {name}"):
            OrderMessage.parse(fields)
    OrderMessage.parse({**SKIP, name: ""})
    OrderMessage.parse({**CLOSE, name: ""})


@pytest.mark.parametrize(
    ("fields", "change"),
    [
        (COPY, {"base_size": "0"}),
        (COPY, {"base_size": "-0.1"}),
        (COPY, {"limit_price": "0"}),
        (CLOSE, {"fraction": "0"}),
        (CLOSE, {"fraction": "1.01"}),
        (CLOSE, {"fraction": "-0.5"}),
        (CLOSE, {"fraction": ""}),
        (COPY, {"side": "sell"}),
        (COPY, {"kind": "exit"}),
        (COPY, {"decision": "COPY"}),
        (COPY, {"symbol": "btc/usd"}),
        (COPY, {"symbol": "ＢＴＣ/USD"}),  # full-width letters are the point
        (COPY, {"symbol": "BTC/USD\n"}),
        (COPY, {"id": "0a8f9b52_9c1f_5a0d_8a43_d4a1f5a3ac11"}),
        (COPY, {"id": "０a8f9b52-9c1f-5a0d-8a43-d4a1f5a3ac11"}),  # a full-width digit is the point
        (COPY, {"signal_id": ""}),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(fields: Mapping[str, str], change: Mapping[str, str]) -> None:
    with pytest.raises(MalformedMessageError, match="OrderMessage"):
        OrderMessage.parse({**fields, **change})


def test_a_position_or_price_of_another_spelling_is_not_read() -> None:
    sound = {
        "v": "1",
        "symbol": "BTC/USD",
        "base_size": "0.5",
        "cost": "2",
        "opened_at": "3",
        "updated_at": "4",
        "high": "",
    }
    assert read_position(json.dumps(sound)).size.amount == Decimal("0.5")
    wrong: tuple[object, ...] = ("1_0", "1e3", 0.5, True, None, [], {})
    for base_size in wrong:
        with pytest.raises(MalformedMessageError):
            read_position(json.dumps({**sound, "base_size": base_size}))
    assert read_price(BTC_USD, "60000.1 1763829000000")[1] == 1763829000000
    for written in (
        "6_0 1",
        "60000 1_0",
        "6e4 1",
        "60000  1",
        "60000 +1",
        "0 1",
        "NaN 1",
        "60000",
        "1 2 3",
        "60000\u20031",
    ):
        with pytest.raises(MalformedMessageError):
            read_price(BTC_USD, written)


@pytest.mark.parametrize("at", ["9" * 5_000, "²", "１", "1_0", "-1", "soon"])  # as above
def test_a_switch_with_a_strange_instant_is_a_switch_all_the_same(at: str) -> None:
    """A switch is read before every send: were its instant to raise, no exit would leave any more."""
    found = Control.read({"mode": "halt", "reason": "a test", "at": at})
    assert (found.mode, found.at) == (ControlMode.HALT, 0)


@given(st.text(max_size=30))
def test_a_whole_number_is_ascii_digits_or_none_at_all(text: str) -> None:
    found = whole(text)
    assert found is None or (text.isascii() and int(text) == found)


@given(st.integers(min_value=0, max_value=10**15 - 1))
def test_every_instant_is_a_whole_number(value: int) -> None:
    assert whole(str(value)) == value


@given(st.dictionaries(st.sampled_from(sorted(COPY)), st.text(max_size=12)))
def test_whatever_stands_in_an_order_it_is_read_or_refused_and_nothing_else(change: Mapping[str, str]) -> None:
    """And what is read is within its bounds."""
    try:
        decision = OrderMessage.parse({**COPY, **change}).to_domain()
    except MalformedMessageError:
        return
    if decision.copy is not None and decision.copy.fraction is None:
        terms = decision.copy.entry
        assert terms is not None
        assert terms.size.amount > 0
        assert terms.limit_price.amount > 0
