"""Records that are plain are read and written past the schema, which each order would pay for: in the same words as by it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, strategies as st

from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage
from shared.contracts.plain_orders import read_decision
from shared.contracts.position_record import PositionRecord, read_position, write_position
from shared.contracts.risk import RiskRecord, read_risk, write_risk
from shared.contracts.trade_totals import TradeTotalsRecord, read_totals, write_totals
from shared.domain.limits.risk_state import RiskState
from shared.domain.order import Decision
from shared.domain.position import Position
from shared.domain.trade_totals import TradeTotals
from shared.domain.values.money import Money, Price, Quantity
from tests.support.examples import BTC_USD, NOW, an_id, usd


def an_order(**changed: str) -> dict[str, str]:
    """Return the fields of a copied entry, with some changed."""
    return {
        "v": "1",
        "id": an_id("order"),
        "signal_id": an_id("signal"),
        "decision": "copy",
        "user": "alice",
        "venue": "kraken",
        "symbol": "BTC/USD",
        "side": "buy",
        "kind": "entry",
        "base_size": "0.05",
        "fraction": "",
        "limit_price": "60300",
        "not_after": str(NOW + 5_000),
        "reason": "6 % of the master's equity, like the master",
        "master_equity": "100000",
        "user_equity": "50000.5",
        "signal_at": str(NOW),
        "emitted_at": str(NOW + 3),
    } | changed


amounts = st.decimals(0, 10**17, allow_nan=False, places=8) | st.decimals(
    0, 10**24, allow_nan=False, allow_infinity=False
)
signed = st.decimals(-(10**17), 10**17, allow_nan=False, places=4)


@given(size=amounts, cost=amounts, opened=st.integers(0, 10**15), high=st.none() | amounts)
def test_a_position_is_written_and_read_as_by_its_schema(
    size: Decimal, cost: Decimal, opened: int, high: Decimal | None
) -> None:
    position = Position(
        BTC_USD,
        Quantity(size, "BTC"),
        Money(cost, "USD"),
        opened,
        opened,
        None if high is None else Price(high, BTC_USD),
    )
    try:
        record = PositionRecord(
            symbol=BTC_USD, base_size=size, cost=cost, opened_at=opened, updated_at=opened, high=high
        )
    except ValueError:
        with pytest.raises(ValueError, match="PositionRecord"):
            write_position(position)
        return
    assert write_position(position) == json.dumps(record.fields())
    assert read_position(write_position(position)) == position


@given(
    bought=amounts,
    spent=amounts,
    fees=signed,
    sold_cost=amounts,
    trades=st.integers(-1, 10**10),
    at=st.integers(0, 10**15),
)
def test_the_sums_of_trades_are_written_and_read_as_by_their_schema(
    bought: Decimal, spent: Decimal, fees: Decimal, sold_cost: Decimal, trades: int, at: int
) -> None:
    totals = TradeTotals(
        BTC_USD, bought, spent, fees, spent, bought, fees, abs(fees), sold_cost, trades, first_at=at, last_at=at
    )
    names = [name for name in TradeTotalsRecord.model_fields if name != "v"]
    written = json.dumps(TradeTotalsRecord.of(**{name: getattr(totals, name) for name in names}).fields())
    assert write_totals(totals) == written
    try:
        TradeTotalsRecord.parse(json.loads(written))
    except MalformedMessageError:
        with pytest.raises(MalformedMessageError):
            read_totals(written)
    else:
        assert read_totals(written) == totals


@given(realized=signed, pnl=signed, equity=st.none() | amounts, growth=amounts, trades=st.integers(-1, 10**6))
def test_a_risk_state_is_written_and_read_as_by_its_schema(
    realized: Decimal, pnl: Decimal, equity: Decimal | None, growth: Decimal, trades: int
) -> None:
    state = replace(
        RiskState.fresh("USD", NOW),
        realized=usd(realized),
        pnl=usd(pnl),
        equity=None if equity is None else usd(equity),
        growth=growth,
        trades_today=trades,
    )
    try:
        written = RiskRecord.from_domain(state).fields()
    except ValueError:
        with pytest.raises(ValueError, match="RiskRecord"):
            write_risk(state)
        return
    assert write_risk(state) == written
    assert read_risk(written) == RiskRecord.parse(written).to_domain() == state


@pytest.mark.parametrize("name", RiskRecord.model_fields)
@pytest.mark.parametrize("value", [None, "", "x", "-1", "0", "1 0", "1e3", "1_000", "1.", "00", "daily_loss"])
def test_a_damaged_risk_state_is_read_as_by_its_schema(name: str, value: str | None) -> None:
    fields = write_risk(RiskState.fresh("USD", NOW))
    if value is None:
        del fields[name]
    else:
        fields[name] = value
    try:
        expected = RiskRecord.parse(fields).to_domain()
    except MalformedMessageError as error:
        with pytest.raises(MalformedMessageError, match=str(error).split(":", maxsplit=1)[0]):
            read_risk(fields)
    else:
        assert read_risk(fields) == expected


@pytest.mark.parametrize("field", ["base_size", "cost", "opened_at", "high", "symbol"])
@pytest.mark.parametrize("value", ["", "x", "-1", "0", "1e3", "1.", "1" * 22])
def test_a_damaged_position_is_read_as_by_its_schema(field: str, value: str) -> None:
    position = Position(
        BTC_USD, Quantity(Decimal("0.5"), "BTC"), usd(30_000), NOW, NOW, Price(Decimal(60_000), BTC_USD)
    )
    fields = json.loads(write_position(position)) | {field: value}
    try:
        record = PositionRecord.parse(fields)
    except MalformedMessageError:
        with pytest.raises(MalformedMessageError):
            read_position(json.dumps(fields))
    else:
        found = read_position(json.dumps(fields))
        assert (found.size.amount, found.cost.amount, found.opened_at) == (
            record.base_size,
            record.cost,
            record.opened_at,
        )
        assert (found.high and found.high.amount) == record.high


_DECISIONS: Final = {
    "entry": an_order(),
    "exit": an_order(kind="exit", side="sell", base_size="", limit_price="", not_after="", fraction="0.25"),
    "exit across venues": an_order(
        kind="exit", side="sell", base_size="", limit_price="58800", not_after="", fraction="0.25"
    ),
    "skip": an_order(decision="skip", base_size="", limit_price="", not_after="", reason="below the venue's minimum"),
}


@pytest.mark.parametrize("written", _DECISIONS.values(), ids=_DECISIONS)
def test_a_decision_is_read_as_by_its_schema(written: dict[str, str]) -> None:
    assert read_decision(written) == OrderMessage.parse(written).to_domain()


@pytest.mark.parametrize("kind", _DECISIONS)
@pytest.mark.parametrize("name", OrderMessage.model_fields)
@pytest.mark.parametrize(
    "value", [None, "", "x", "-1", "0", "1", "1.5", "1 0", "00", "1e3", "1.", "1" * 15, "BTC/USD", "BUY"]
)
def test_a_damaged_decision_is_read_as_by_its_schema(kind: str, name: str, value: str | None) -> None:
    fields = dict(_DECISIONS[kind])
    if value is None:
        fields.pop(name, None)  # `code` is written only where it is set
    else:
        fields[name] = value
    assert _outcome(read_decision, fields) == _outcome(lambda each: OrderMessage.parse(each).to_domain(), fields)


def _outcome(read: Callable[[Mapping[str, str]], Decision], fields: Mapping[str, str]) -> Decision | str:
    """Return what was read, or the words of the refusal."""
    try:
        return read(fields)
    except MalformedMessageError as error:
        return str(error)
