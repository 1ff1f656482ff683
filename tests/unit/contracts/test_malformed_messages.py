"""Entries that do not fit their schema are refused, and the error names the field."""

from __future__ import annotations

import pytest

from shared.contracts.fields import MalformedMessageError, Message
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from tests.unit.contracts.test_messages import CLOSE, COPY, ENTRY, EXIT, REPORT


@pytest.mark.parametrize(
    ("message", "fields", "field", "wrong"),
    [
        (SignalMessage, ENTRY, field, wrong)
        for field, values in {
            "v": ["", "2", "1.0"],
            "id": ["", "42"],
            "symbol": ["", "btc/usd", "BTCUSD", "BTC/USD\n"],
            "side": ["", "hold", "BUY"],
            "kind": ["", "open"],
            "base_size": ["", "0", "-1", "NaN", "Infinity", "much", "1E+999999", "1E-999999"],
            "quote_size": ["-1", "sNaN", "0E+999999"],
            "price": ["", "0", "60,000", "1E+21"],
            "fraction": ["0", "1.0000001", "37%", "-0.5"],
            "position_after": ["-0.1"],
            "master_equity": ["-1", "unknown"],
            "source": ["", "bot"],
            "stop_loss": ["0", "below"],
            "filled_at": ["", "now", "-1", "1763829000.5", "1763829000000000"],
            "emitted_at": ["soon"],
        }.items()
        for wrong in values
    ]
    + [
        (OrderMessage, COPY, field, wrong)
        for field, wrong in {
            "decision": "perhaps",
            "signal_id": "",
            "base_size": "0",
            "limit_price": "-60300",
            "not_after": "1763829030000000",
            "user_equity": "NaN",
            "signal_at": "",
        }.items()
    ]
    + [
        (ReportMessage, REPORT, field, wrong)
        for field, wrong in {"order_id": "", "outcome": "done", "fee": "-1", "settled_at": ""}.items()
    ],
)
def test_malformed_input_names_the_field(
    message: type[Message], fields: dict[str, str], field: str, wrong: str
) -> None:
    with pytest.raises(MalformedMessageError) as refused:
        message.parse({**fields, field: wrong})
    assert str(refused.value).startswith(f"{message.__name__}.{field}: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("field", ["id", "venue", "symbol", "side", "kind", "base_size", "price", "filled_at"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(MalformedMessageError, match=rf"^SignalMessage\.{field}: Field required$"):
        SignalMessage.parse({name: value for name, value in ENTRY.items() if name != field})


def test_an_entry_of_a_stream_without_any_fields_is_malformed() -> None:
    with pytest.raises(MalformedMessageError):
        SignalMessage.parse({})


def test_a_blank_equity_of_the_master_is_not_known_and_a_missing_one_is_malformed() -> None:
    """Case D1: blank says that something in it has no known value; left out it is a mistake of the writer."""
    why = "no price for 9,000 XYZ"
    signal = SignalMessage.parse({**ENTRY, "master_equity": "", "equity_reason": why}).to_domain()
    assert (signal.master_equity, signal.equity_reason) == (None, why)
    assert SignalMessage.from_domain(signal).fields()["master_equity"] == ""
    with pytest.raises(MalformedMessageError, match="SignalMessage: an entry needs master_equity"):
        SignalMessage.parse({name: value for name, value in ENTRY.items() if name != "master_equity"})


@pytest.mark.parametrize(
    ("message", "fields", "words"),
    [
        (SignalMessage, {**EXIT, "fraction": ""}, "SignalMessage: an exit needs its fraction"),
        (SignalMessage, {**ENTRY, "side": "sell"}, "SignalMessage: on spot an entry is a buy and an exit a sell"),
        (SignalMessage, {**EXIT, "side": "buy"}, "SignalMessage: on spot an entry is a buy and an exit a sell"),
        (OrderMessage, {**COPY, "base_size": ""}, "OrderMessage: a copied entry needs base_size"),
        (OrderMessage, {**CLOSE, "fraction": ""}, "OrderMessage: a copied exit needs its fraction"),
        (OrderMessage, {**CLOSE, "side": "buy"}, "OrderMessage: on spot an entry is a buy and an exit a sell"),
    ],
)
def test_fields_that_contradict_one_another_are_named(
    message: type[Message], fields: dict[str, str], words: str
) -> None:
    with pytest.raises(MalformedMessageError) as refused:
        message.parse(fields)
    assert str(refused.value) == words
