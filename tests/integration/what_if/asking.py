"""Has an engine decide, lets decisions fill, and asks what other settings would have done."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.decisions.input_recorder import InputRecorder
from services.copy_engine.decisions.owed_decisions import OwedDecisions
from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records
from shared.bus.users.settings_versions import SettingsVersions
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Kind, OrderState, Side, report_id
from shared.domain.signal import Signal
from shared.what_if.changed_settings import parse_changes
from shared.what_if.what_if import WhatIf, run_what_if
from tests.support.engines import carried, running
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_id, an_instrument
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided


async def decide(bus: Bus, users: Sequence[UserPolicy], signals: Sequence[Signal]) -> None:
    """Have an engine decide about signals, for users who are ready."""
    await Records(bus).write_instruments("kraken", [an_instrument()])
    for policy in users:
        await Records(bus).write_account(an_account(policy.user))
    async with running(bus, users):
        for signal in signals:
            await SignalLog(bus).emit(signal)
        await carried(bus, len(signals))


async def fill(bus: Bus, user: str, place: int, size: str, price: str, at: int = NOW + 500) -> None:
    """Report that a user's decision has filled."""
    _, decision = (await decided(bus, user))[place]
    report = ReportMessage(
        id=report_id(decision.id),
        order_id=decision.id,
        signal_id=decision.signal_id,
        user=user,
        venue=decision.venue,
        symbol=decision.symbol,
        side=decision.side,
        kind=decision.kind,
        outcome=OrderState.FILLED,
        filled_size=Decimal(size),
        average_price=Decimal(price),
        fee=Decimal(2),
        settled_at=at,
    )
    await bus.do("XADD", keys.reports(user), "*", *flatten(report.fields()))


async def ask(bus: Bus, *changes: str, user: str = "alice") -> WhatIf:
    """Run a what-if over everything."""
    return await run_what_if(bus, user, parse_changes(changes), 0)


async def distribute(bus: Bus, refusal: str = "", owed: OwedDecisions | None = None) -> None:
    """Distribute an entry to alice by a fan-out that records."""
    await Records(bus).write_account(an_account())
    versions, users = SettingsVersions(bus), [a_policy("alice")]
    await versions.record(users)
    fanout = FanOut(bus, lambda: NOW + 40, refusal=lambda: refusal, owed=owed, inputs=InputRecorder(versions.of))
    await SignalLog(bus).emit(an_entry("one"))
    (entry,) = await SignalLog(bus).latest(1)
    await fanout.distribute(entry, an_entry("one"), users, KnownMarkets({BTC_USD: an_instrument()}))


async def own_sale(bus: Bus, size: str, price: str, at: int) -> None:
    """Report that alice's own stop loss has sold."""
    report = ReportMessage(
        id=an_id(f"report {at}"),
        order_id=an_id(f"own {at}"),
        user="alice",
        venue="kraken",
        symbol=BTC_USD,
        side=Side.SELL,
        kind=Kind.EXIT,
        outcome=OrderState.FILLED,
        filled_size=Decimal(size),
        average_price=Decimal(price),
        settled_at=at,
    )
    await bus.do("XADD", keys.reports("alice"), "*", *flatten(report.fields()))
