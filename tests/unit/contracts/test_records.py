"""The records in hashes, written and read; an unknown amount is not zero."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.contracts.fields import MalformedMessageError
from shared.contracts.market_records import read_instrument, read_price, write_instrument, write_price
from shared.contracts.position_record import read_position, write_position
from shared.contracts.records import AccountRecord
from shared.domain.account import AccountState
from shared.domain.position import Position
from shared.domain.values.instrument import PairStatus
from shared.domain.values.money import Money
from tests.support.examples import BTC_USD, NOW, an_account, an_instrument, btc, btc_price, usd


def test_an_account_is_written_and_read_word_for_word() -> None:
    account = an_account(equity=usd("5000.50"), cash=usd(1200), served="stream")
    written = AccountRecord.from_domain(account).fields()
    assert list(written.items()) == [
        ("v", "1"),
        ("user", "alice"),
        ("venue", "kraken"),
        ("state", "ready"),
        ("reason", ""),
        ("currency", "USD"),
        ("equity", "5000.5"),
        ("cash", "1200"),
        ("taker_fee", "0.004"),
        ("as_of", str(NOW)),
        ("served", "stream"),
    ]
    assert AccountRecord.parse(written).to_domain("alice", "kraken") == account


def test_an_amount_that_is_not_known_is_blank_and_never_zero() -> None:
    parked = an_account(state=AccountState.PARKED, reason="EAPI:Invalid key", equity=None, cash=None)
    written = AccountRecord.from_domain(parked).fields()
    assert (written["equity"], written["cash"]) == ("", "")
    read = AccountRecord.parse(written).to_domain("alice", "kraken")
    assert (read.equity, read.cash) == (None, None)


def test_zero_is_known_and_never_blank() -> None:
    broke = an_account(equity=usd(0), cash=usd(0))
    written = AccountRecord.from_domain(broke).fields()
    assert (written["equity"], written["cash"]) == ("0", "0")
    assert AccountRecord.parse(written).to_domain("alice", "kraken").cash == usd(0)


def test_an_account_keeps_its_currency() -> None:
    euros = an_account(equity=Money(Decimal(10), "EUR"), cash=None)
    assert AccountRecord.parse(AccountRecord.from_domain(euros).fields()).to_domain("alice", "kraken") == euros


def test_a_state_without_amounts_is_read_with_the_dearest_fee_for_the_unknown_one() -> None:
    read = AccountRecord.parse({"state": "connecting"}).to_domain("alice", "kraken")
    assert read.taker_fee == Decimal("0.004")
    assert read.as_of == 0


@given(
    st.decimals(min_value=0, max_value=10**6, places=10),
    st.decimals(min_value=0, max_value=10**8, allow_nan=False).filter(
        lambda cost: cost == 0 or cost > Decimal("1e-50")
    ),
)
def test_a_position_reads_back_as_it_was_written(size: Decimal, cost: Decimal) -> None:
    position = Position(BTC_USD, btc(size), usd(cost), NOW, NOW + 1)
    assert read_position(write_position(position)) == position


def test_the_highest_price_of_a_position_is_kept_and_an_old_record_has_none() -> None:
    position = Position(BTC_USD, btc(1), usd(60000), NOW, NOW, btc_price("61000.5"))
    written = write_position(position)
    assert json.loads(written)["high"] == "61000.5"
    assert read_position(written) == position
    old = {name: value for name, value in json.loads(written).items() if name != "high"}
    assert read_position(json.dumps(old)).high is None


def test_an_instrument_reads_back_as_it_was_written() -> None:
    instrument = an_instrument(status=PairStatus.CANCEL_ONLY, as_of=NOW)
    written = write_instrument(instrument)
    assert json.loads(written)["lot_step"] == "0.00000001"
    assert read_instrument(written) == instrument
    assert read_instrument(write_instrument(an_instrument())) == an_instrument()


def test_a_price_is_written_with_its_instant_and_reads_back() -> None:
    assert write_price(btc_price("60000.10"), NOW) == "60000.1 1763829000000"
    assert read_price(BTC_USD, "60000.1 1763829000000") == (btc_price("60000.1"), NOW)


@pytest.mark.parametrize("written", ["", "60000", "60000 now", "much 1", "1 2 3", "NaN 1", "0 1", "-5 1", "Infinity 1"])
def test_a_price_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(MalformedMessageError, match="price of BTC/USD"):
        read_price(BTC_USD, written)


@pytest.mark.parametrize("written", ["", "{", "[]", "null", '"BTC/USD"', "{}", '{"symbol": "BTC/USD"}'])
def test_a_record_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(MalformedMessageError):
        read_position(written)
    with pytest.raises(MalformedMessageError):
        read_instrument(written)
