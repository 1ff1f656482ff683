"""An exit that does not end is heard of: logged, shown, and taken back when it is over."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from structlog.testing import capture_logs

from services.executor.account.faults import AccountFaults
from services.executor.orders import exit_delay
from services.executor.orders.exit_delay import ExitDelay
from shared.domain.fault import FaultKind, Faults
from shared.domain.order import Copy, Decision, Kind, Side
from tests.support.examples import BTC_USD, usd

EXIT = Decision(
    id="7b6c8f0e-4f3f-4a39-9d5c-7a2f1f0d9b11",
    signal_id="a-signal",
    user="alice",
    venue="kraken",
    symbol=BTC_USD,
    side=Side.SELL,
    kind=Kind.EXIT,
    copy=Copy(None, Decimal(1), None, None),
    reason="the master closed its position",
    master_equity=usd(10_000),
    user_equity=usd(5_000),
    signal_at=0,
    emitted_at=0,
)


async def test_an_exit_that_does_not_leave_is_logged_and_shown_until_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case S2: whatever the reason is."""
    monkeypatch.setattr(exit_delay, "FIRST_AFTER", 0.01)
    monkeypatch.setattr(exit_delay, "_AGAIN_AFTER", 0.01)
    faults = Faults()
    with (
        capture_logs() as log,
        ExitDelay(AccountFaults(faults, "alice", "kraken"), EXIT, lambda: "EOrder:Deadline elapsed"),
    ):
        async with asyncio.timeout(10):
            while faults.events.get(FaultKind.ORDER, 0) < 3:  # noqa: ASYNC110  # a register tells nobody
                await asyncio.sleep(0.01)
        (fault,) = faults.standing
        assert (fault.subject, fault.blocks) == ("alice (kraken) exit of BTC/USD", False)
        assert "EOrder:Deadline elapsed" in fault.reason
    assert faults.standing == ()
    assert {entry["reason"] for entry in log} == {"EOrder:Deadline elapsed"}


async def test_an_exit_that_ends_soon_is_not_heard_of() -> None:
    faults = Faults()
    with ExitDelay(AccountFaults(faults, "alice", "kraken"), EXIT, lambda: ""):
        await asyncio.sleep(0)
    assert faults.events == {}
