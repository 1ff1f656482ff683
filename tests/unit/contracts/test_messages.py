"""The wire, word for word: field names, their order and their texts are a public contract."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final
from uuid import UUID, uuid5

import pytest
from hypothesis import given, strategies as st

from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.contracts.plain_orders import read_decision
from shared.domain.order import TERMINAL, Copy, Decision, Kind, OrderState, Side
from shared.domain.signal import Signal, Source, signal_id
from tests.support.examples import BTC_USD, a_copied_entry, an_entry, an_exit, btc, btc_price, usd

ENTRY: Final = {
    "v": "1",
    "id": "f0b1cbf5-ae0f-5e35-8f50-3d5d7d5f9bb7",
    "venue": "kraken",
    "symbol": "BTC/USD",
    "side": "buy",
    "kind": "entry",
    "base_size": "0.1",
    "quote_size": "6000",
    "price": "60000",
    "fraction": "",
    "position_before": "0",
    "position_after": "0.1",
    "master_equity": "10000",
    "master_order_id": "OQCLML-BW3P3-BUCMWZ",
    "source": "strategy",
    "strategy": "sma",
    "stop_loss": "58800",
    "take_profit": "",
    "filled_at": "1763829000000",
    "emitted_at": "1763829000020",
    "equity_reason": "",
    "master": "",
}
EXIT: Final = {
    **ENTRY,
    "side": "sell",
    "kind": "exit",
    "base_size": "0.037",
    "quote_size": "2220",
    "fraction": "0.37",
    "position_before": "0.1",
    "position_after": "0.063",
    "source": "account",
    "strategy": "",
    "stop_loss": "",
}
COPY: Final = {
    "v": "1",
    "id": "0a8f9b52-9c1f-5a0d-8a43-d4a1f5a3ac11",
    "signal_id": "f0b1cbf5-ae0f-5e35-8f50-3d5d7d5f9bb7",
    "decision": "copy",
    "user": "alice",
    "venue": "kraken",
    "symbol": "BTC/USD",
    "side": "buy",
    "kind": "entry",
    "base_size": "0.05",
    "fraction": "",
    "limit_price": "60300",
    "not_after": "1763829030000",
    "reason": "0.1 x 5,000/10,000 x 1.0 = 0.05",
    "master_equity": "10000",
    "user_equity": "5000",
    "signal_at": "1763829000000",
    "emitted_at": "1763829000025",
}
SKIP: Final = {**COPY, "decision": "skip", "base_size": "", "limit_price": "", "not_after": "", "user_equity": ""}
CLOSE: Final = {**SKIP, "decision": "copy", "side": "sell", "kind": "exit", "fraction": "0.37"}
REPORT: Final = {
    "v": "1",
    "id": "52f2a8f0-8a1d-5b58-9d5e-5f4f6b1c7a10",
    "order_id": "0a8f9b52-9c1f-5a0d-8a43-d4a1f5a3ac11",
    "signal_id": "f0b1cbf5-ae0f-5e35-8f50-3d5d7d5f9bb7",
    "user": "alice",
    "venue": "kraken",
    "symbol": "BTC/USD",
    "side": "buy",
    "kind": "entry",
    "outcome": "filled",
    "reason": "filled 0.05 BTC at 60010",
    "code": "",
    "venue_order_id": "OABC",
    "filled_size": "0.05",
    "average_price": "60010",
    "fee": "12.002",
    "signal_at": "1763829000000",
    "sent_at": "1763829000100",
    "accepted_at": "1763829000180",
    "settled_at": "1763829000400",
}

SIGNAL_ENTRY: Final = an_entry(id=ENTRY["id"], master_order_id=ENTRY["master_order_id"], stop_loss=btc_price(58800))
SIGNAL_EXIT: Final = an_exit(
    fraction="0.37",
    id=EXIT["id"],
    quote_size=usd(2220),
    master_order_id=EXIT["master_order_id"],
    source=Source.ACCOUNT,
    strategy="",
)
DECISION_COPY: Final = a_copied_entry(id=COPY["id"], signal_id=COPY["signal_id"])
DECISION_SKIP: Final = a_copied_entry(id=COPY["id"], signal_id=COPY["signal_id"], copy=None, user_equity=None)
DECISION_CLOSE: Final = a_copied_entry(
    id=COPY["id"],
    signal_id=COPY["signal_id"],
    copy=Copy(None, Decimal("0.37"), None, None),
    user_equity=None,
    side=Side.SELL,
    kind=Kind.EXIT,
)


@pytest.mark.parametrize(("signal", "fields"), [(SIGNAL_ENTRY, ENTRY), (SIGNAL_EXIT, EXIT)])
def test_a_signal_is_written_and_read_word_for_word(signal: Signal, fields: dict[str, str]) -> None:
    written = SignalMessage.from_domain(signal).fields()
    assert list(written.items()) == list(fields.items())
    assert SignalMessage.parse(fields).to_domain() == signal


@pytest.mark.parametrize(
    ("decision", "fields"), [(DECISION_COPY, COPY), (DECISION_SKIP, SKIP), (DECISION_CLOSE, CLOSE)]
)
def test_an_order_is_written_and_read_word_for_word(decision: Decision, fields: dict[str, str]) -> None:
    written = OrderMessage.from_domain(decision).fields()
    assert list(written.items()) == list(fields.items())
    assert OrderMessage.parse(fields).to_domain() == decision


def test_a_report_is_written_and_read_word_for_word() -> None:
    report = ReportMessage.parse(REPORT)
    assert list(report.fields().items()) == list(REPORT.items())
    assert report.outcome is OrderState.FILLED
    assert report.symbol == BTC_USD
    assert report.filled_size == Decimal("0.05")
    assert report.settled_at == 1763829000400


def test_the_fields_of_a_report_that_do_not_apply_are_blank_both_ways() -> None:
    blank = (
        "signal_id",
        "reason",
        "code",
        "venue_order_id",
        "filled_size",
        "average_price",
        "fee",
        "sent_at",
        "accepted_at",
    )
    fields = {**REPORT, **dict.fromkeys(blank, "")}
    report = ReportMessage.parse(fields)
    assert report.fields() == fields
    assert report.average_price is None
    assert report.sent_at is None


def test_every_terminal_state_is_an_outcome_and_no_other_is() -> None:
    for state in OrderState:
        fields = {**REPORT, "outcome": state.value}
        if state in TERMINAL:
            assert ReportMessage.parse(fields).outcome is state
        else:
            with pytest.raises(MalformedMessageError, match=r"ReportMessage\.outcome: must be a terminal state"):
                ReportMessage.parse(fields)


def test_decimals_are_written_plainly_whatever_they_look_like_inside() -> None:
    signal = an_entry(base_size=btc("5E-8"), price=btc_price("6E+4"), master_equity=usd("10000.000"))
    fields = SignalMessage.from_domain(signal).fields()
    assert (fields["base_size"], fields["price"], fields["master_equity"]) == ("0.00000005", "60000", "10000")


@given(
    st.decimals(min_value="0.00000001", max_value=10**6, places=8),
    st.decimals(min_value="0.00000001", max_value=10**6, places=8),
    st.decimals(min_value="0.000001", max_value=1),
)
def test_what_is_written_reads_back_to_the_same_value(size: Decimal, price: Decimal, fraction: Decimal) -> None:
    entry = an_entry(base_size=btc(size), price=btc_price(price), take_profit=btc_price(price))
    close = an_exit(base_size=btc(size), price=btc_price(price))
    close = SignalMessage.parse({**SignalMessage.from_domain(close).fields(), "fraction": str(fraction)}).to_domain()
    assert close.fraction == fraction
    for signal in (entry, close):
        assert SignalMessage.parse(SignalMessage.from_domain(signal).fields()).to_domain() == signal


def test_a_signal_written_by_hand_needs_only_what_cannot_be_derived() -> None:
    needed = ("v", "id", "venue", "symbol", "side", "kind", "base_size", "price", "master_equity", "filled_at")
    signal = SignalMessage.parse({name: ENTRY[name] for name in needed}).to_domain()
    assert signal.quote_size == usd(6000)
    assert signal.emitted_at == signal.filled_at
    assert signal.stop_loss is None
    assert signal.source is Source.STRATEGY


def test_a_fraction_on_an_entry_means_nothing() -> None:
    assert SignalMessage.parse({**ENTRY, "fraction": "0.5"}).to_domain().fraction is None


def test_fields_that_a_later_writer_adds_are_passed_over() -> None:
    assert SignalMessage.parse({**ENTRY, "mood": "good"}).to_domain() == SIGNAL_ENTRY


def test_a_signal_states_the_masters_fee_where_it_is_known() -> None:
    signal = an_entry(fee=usd("4.8"))
    fields = SignalMessage.from_domain(signal).fields()
    assert fields["fee"] == "4.8"
    assert SignalMessage.parse(fields).to_domain() == signal
    assert "fee" not in SignalMessage.from_domain(an_entry()).fields()
    assert SignalMessage.from_domain(an_entry(fee=usd(0))).fields()["fee"] == "0"


def test_a_copy_states_the_multiplier_of_its_ratio() -> None:
    decision = a_copied_entry(multiplier=Decimal("0.5"))
    fields = OrderMessage.from_domain(decision).fields()
    assert fields["multiplier"] == "0.5"
    assert OrderMessage.parse(fields).to_domain() == read_decision(fields) == decision
    assert "multiplier" not in OrderMessage.from_domain(a_copied_entry()).fields()


@pytest.mark.parametrize("written", ["", "much", "1e5", "NaN", "1" * 30, "\N{ARABIC-INDIC DIGIT ONE}"])
def test_what_is_noted_for_reports_alone_loses_no_signal_and_no_order(written: str) -> None:
    signal = {**SignalMessage.from_domain(an_entry()).fields(), "fee": written}
    assert SignalMessage.parse(signal).to_domain() == an_entry()
    order = {**OrderMessage.from_domain(a_copied_entry()).fields(), "multiplier": written}
    assert OrderMessage.parse(order).to_domain() == read_decision(order) == a_copied_entry()


def test_the_owner_of_a_signal_is_written_for_a_further_account_alone() -> None:
    usual = an_entry()
    assert "owner" not in SignalMessage.from_domain(usual).fields()
    further = replace(usual, owner="master.swing", master="swing")
    fields = SignalMessage.from_domain(further).fields()
    assert fields["owner"] == "master.swing"
    assert SignalMessage.parse(fields).to_domain() == further
    assert SignalMessage.parse(SignalMessage.from_domain(usual).fields()).to_domain() == usual


def test_the_ids_of_signals_are_as_ever_and_a_further_account_has_others() -> None:
    known = signal_id("kraken", "O1", btc("0.5"))
    assert known == str(uuid5(UUID("8a1d2f0e-7d5c-5b58-9d5e-5f4f6b1c7a10"), "kraken:O1:0.5"))
    assert len({known, *(signal_id("kraken", "O1", btc("0.5"), owner) for owner in ("master.a", "master.b"))}) == 3
