"""The risk record, both ways, and that what cannot be read is not taken for a clean slate."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.risk import RiskRecord
from shared.domain.limits.policy import LimitPolicy, StopOutAction
from shared.domain.limits.risk_state import RiskState
from tests.support.examples import NOW, usd


def test_a_stopped_account_is_written_word_for_word_and_reads_back() -> None:
    limits = LimitPolicy(
        daily_loss_pct=Decimal(5), max_drawdown_pct=Decimal(5), on_stop_out=StopOutAction.CLOSE_ALL, stop_out_lasts_ms=1
    )
    state = RiskState.fresh("USD", NOW).at(NOW, usd(0), usd(10_000), limits).after_fill(NOW, entry=True)
    state = state.after_fill(NOW, realized=usd("-500")).at(NOW, usd("-100"), usd(9_400), limits)
    written = RiskRecord.from_domain(state).fields()
    assert written == {
        "v": "1",
        "day": "2025-11-22",
        "trades_today": "1",
        "currency": "USD",
        "realized": "-500",
        "pnl": "-600",
        "day_start_pnl": "0",
        "equity": "9400",
        "growth": "0.94",
        "day_start_growth": "1",
        "peak_growth": "1",
        "stopped_until": str(NOW + 1),
        "stopped_by": "daily_loss,max_drawdown",
        "stopped_action": "close_all",
        "stopped_reason": "6 % lost by copying on 2025-11-22 UTC (-600.00 USD, limits.daily_loss_pct 5)",
        "as_of": str(NOW),
    }
    assert RiskRecord.parse(written).to_domain() == state


def test_a_fresh_state_reads_back_with_nothing_made_up() -> None:
    state = RiskState.fresh("USDC", NOW)
    assert RiskRecord.parse(RiskRecord.from_domain(state).fields()).to_domain() == state
    looked = replace(state, equity=usd(0))
    assert RiskRecord.from_domain(looked).fields()["equity"] == "0"


@pytest.mark.parametrize(
    ("name", "value"),
    [("day", "today"), ("growth", "0"), ("growth", ""), ("trades_today", "-1"), ("stopped_by", "bad luck"), ("v", "2")],
)
def test_a_state_that_cannot_be_read_is_refused_by_its_field(name: str, value: str) -> None:
    written = RiskRecord.from_domain(RiskState.fresh("USD", NOW)).fields() | {name: value}
    with pytest.raises(MalformedMessageError, match=rf"RiskRecord\.{name}"):
        RiskRecord.parse(written)


def test_the_keys_are_spelt_as_promised() -> None:
    assert keys.risk("alice", "kraken") == "shoal:risk:{alice}:kraken"
    assert keys.control_of_symbol("BTC/USD") == "shoal:control:symbol:BTC/USD"
