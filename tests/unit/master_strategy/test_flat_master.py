"""Properties of any sequence of what a person does on the master's account: users end flat when the account does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from hypothesis import given, settings, strategies as st
from structlog.testing import capture_logs

from shared.domain.master_account import Baseline
from shared.domain.order import Kind, Side
from shared.domain.values.money import ONE, ZERO
from shared.venues.port import TradeKind
from tests.unit.master_strategy.memory_master import EUR, MemoryMaster
from tests.unit.master_strategy.values import BTC

_LATE = 600_000

_Action = Callable[[MemoryMaster], Coroutine[Any, Any, None]]


_SHARES = st.sampled_from([Decimal(1) / 8, Decimal(1) / 4, Decimal(1) / 2, Decimal(1)])


_SIZES = st.sampled_from(["0.5", "1", "2", "8"])


def _held(master: MemoryMaster) -> Decimal:
    return master.account.balances.get("BTC", ZERO)


@st.composite
def _action(draw: st.DrawFn) -> _Action:  # noqa: C901  # one line per thing that a person can do
    what = draw(
        st.sampled_from(
            ["buy", "sell", "euro_buy", "euro_sell", "margin", "rest", "deposit", "withdraw", "outage", "scan", "lag"]
        )
    )
    size, share = draw(_SIZES), draw(_SHARES)

    async def act(master: MemoryMaster) -> None:
        part = (_held(master) * share).quantize(Decimal("0.00000001"))
        if what in {"buy", "euro_buy"}:
            await master.trade(Side.BUY, size, BTC if what == "buy" else EUR)
        elif what in {"sell", "euro_sell"} and part > Decimal("0.001"):
            await master.trade(Side.SELL, part, BTC if what == "sell" else EUR)
        elif what == "margin":
            await master.trade(Side.BUY, size, kind=TradeKind.MARGIN)
        elif what == "rest":
            resting = await master.rest(Side.BUY, "8")
            for filled in (Decimal(3), Decimal(1)):
                master.fill(resting, filled)
                sold = (_held(master) * share / 2).quantize(Decimal("0.00000001"))
                await master.trade(Side.SELL, sold)
                await master.scan()
            master.end(resting)
        elif what == "deposit":
            master.account.move("BTC", Decimal(size))
        elif what == "withdraw":
            master.account.move("BTC", -part)
        elif what == "outage":
            master.now += _LATE
        elif what == "lag":
            await master.trade(Side.BUY, size)
            master.account.lagging["BTC"] = Decimal(size)
            await master.scan()
            master.account.lagging.clear()
        else:
            await master.scan()

    return act


@given(
    st.lists(_action(), max_size=10),
    st.sampled_from(list(Baseline)),
    st.sampled_from(["sell", "euro_sell", "withdraw"]),
)
@settings(max_examples=150, deadline=None)
def test_master_flat_users_flat(actions: list[_Action], baseline: Baseline, way_out: str) -> None:
    """Cases S3, B2, B4, B5: whatever happened before, users hold nothing once the account holds nothing."""

    async def play() -> MemoryMaster:
        master = MemoryMaster(baseline)
        await master.start()
        for act in actions:
            await act(master)
            exits = [signal.fraction or ZERO for signal in master.signals if signal.kind is Kind.EXIT]
            assert all(ZERO < fraction <= ONE for fraction in exits)
        if way_out == "withdraw":
            master.account.move("BTC", -_held(master))
        elif _held(master) > Decimal("0.001"):
            await master.trade(Side.SELL, _held(master), EUR if way_out == "euro_sell" else BTC)
        await master.settle(18)
        return master

    with capture_logs():
        master = asyncio.run(play())
    if _held(master) <= Decimal("0.00001"):
        assert master.user() == ZERO
        assert not master.book.open_symbols("BTC")
        emitted = len(master.signals)
        with capture_logs():
            asyncio.run(master.settle(4))
        assert len(master.signals) == emitted


@given(st.lists(_action(), max_size=8), st.sampled_from(list(Baseline)))
@settings(max_examples=60, deadline=None)
def test_nobody_holds_more_than_the_master_was_seen_to_buy(actions: list[_Action], baseline: Baseline) -> None:
    async def play() -> MemoryMaster:
        master = MemoryMaster(baseline)
        await master.start()
        for act in actions:
            await act(master)
        await master.settle(3)
        return master

    with capture_logs():
        master = asyncio.run(play())
    bought = sum((order.filled.amount for order in master.account.orders if order.side is Side.BUY), ZERO)
    told = [signal.master_order_id for signal in master.signals]
    assert master.user() <= bought
    assert len(master.memory.ids) == len(told)
