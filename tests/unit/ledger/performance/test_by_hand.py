"""Three copies and three days, computed by hand: slippage, the parts of the way and tracking error are what the README says."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.bus.flow.streams import Entry
from shared.contracts.equity_sample import EquitySample
from shared.contracts.messages import ReportMessage
from shared.domain.order import Kind, OrderState, Side
from shared.ledger.performance.copies import CopyDelay, delay_of, slippage_bps
from shared.ledger.performance.equity import CurvePoint
from shared.ledger.performance.tracking import tracking_error
from shared.ledger.performance.trades import Trade, trade_of
from tests.support.examples import BTC_USD, NOW, an_id


def copy(side: Side, size: str, cost: str, fee: str, *ms: int) -> Trade:
    """Return a copy as its report states it; `ms` after the master's fill it was sent, accepted and settled."""
    sent, accepted, settled = ms
    report = ReportMessage.of(
        id=an_id("report"),
        order_id=an_id("order"),
        user="alice",
        venue="kraken",
        symbol=BTC_USD,
        side=side,
        kind=Kind.ENTRY if side is Side.BUY else Kind.EXIT,
        outcome=OrderState.FILLED,
        filled_size=Decimal(size),
        average_price=Decimal(cost) / Decimal(size),
        fee=Decimal(fee),
        cost=Decimal(cost),
        signal_at=NOW,
        sent_at=NOW + sent,
        accepted_at=NOW + accepted,
        settled_at=NOW + settled,
    )
    found = trade_of(Entry("", "1-0", report.fields()))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("trade", "masters", "bps", "way"),
    [
        pytest.param(
            # 0.05 BTC for 3,001.50 is 60,030 each: 30 of 60,000 above the master's, 5 of 10,000. The fee is no slippage.
            copy(Side.BUY, "0.05", "3001.50", "7.80", 180, 240, 900),
            "60000",
            "5",
            CopyDelay(180, 60, 660),
            id="a purchase at a higher price",
        ),
        pytest.param(
            # Two legs, 0.4 at 60,000 and 0.6 at 59,800: 59,880 on average, 120 of 60,000 below the master's, 20 of 10,000.
            copy(Side.SELL, "1.0", "59880", "155.69", 95, 130, 2_400),
            "60000",
            "20",
            CopyDelay(95, 35, 2_270),
            id="a sale in two legs at a lower price",
        ),
        pytest.param(
            # 0.2 BTC for 11,997 is 59,985 each: 15 of 60,000 below the master's, which is better: 2.5 of 10,000 below zero.
            copy(Side.BUY, "0.2", "11997", "31.19", 40, 41, 41),
            "60000",
            "-2.5",
            CopyDelay(40, 1, 0),
            id="a purchase at a lower price",
        ),
    ],
)
def test_slippage_and_latency_of_a_copy_are_as_computed_by_hand(
    trade: Trade, masters: str, bps: str, way: CopyDelay
) -> None:
    assert slippage_bps(trade, Decimal(masters)) == Decimal(bps)
    assert delay_of(trade) == way
    assert delay_of(trade).total == trade.at - NOW


def curve(*points: tuple[str, str]) -> list[CurvePoint]:
    """Return samples of (equity, profit), a day apart."""
    return [
        CurvePoint(NOW + number * 86_400_000, EquitySample(currency="USD", equity=Decimal(equity), pnl=Decimal(profit)))
        for number, (equity, profit) in enumerate(points)
    ]


@pytest.mark.parametrize(
    ("user", "master", "mean", "error"),
    [
        pytest.param(
            # +1 %, -2 %, +3 % of both, at a hundredth of the size: nothing between them.
            curve(("1000", "0"), ("1010", "10"), ("989.8", "-10.2"), ("1019.494", "19.494")),
            curve(("100000", "0"), ("101000", "1000"), ("98980", "-1020"), ("101949.4", "1949.4")),
            "0",
            "0",
            id="a perfect copy",
        ),
        pytest.param(
            # The user has half of each: +1 and +2 of 1,000 and 1,000 against +2 and +4 of 1,000 and 1,000, 0.1 % and 0.2 %
            # behind. The mean is -0.15; both are 0.05 off it: sqrt((0.0025 + 0.0025) / 1) = sqrt(0.005).
            curve(("1000", "0"), ("1000", "1"), ("1000", "3")),
            curve(("1000", "0"), ("1000", "2"), ("1000", "6")),
            "-0.15",
            "0.0707106781",
            id="always behind",
        ),
        pytest.param(
            # A deposit of 1,000 doubles the user's equity after the first day; +1 %, +1 %, 0 % against 0 %, +2 %, 0 %:
            # differences of +1, -1 and 0, a mean of 0, and sqrt((1 + 1 + 0) / 2) = 1.
            curve(("1000", "0"), ("2000", "10"), ("2020", "30"), ("2020", "30")),
            curve(("500", "0"), ("500", "0"), ("510", "10"), ("510", "10")),
            "0",
            "1",
            id="a deposit",
        ),
    ],
)
def test_tracking_error_is_as_computed_by_hand(
    user: list[CurvePoint], master: list[CurvePoint], mean: str, error: str
) -> None:
    found = tracking_error(user, master)
    assert found.intervals == len(user) - 1
    assert found.mean == Decimal(mean)
    assert found.error is not None
    assert round(found.error, 10) == Decimal(error)
