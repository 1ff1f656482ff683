"""Writes a month at the paper exchange into Redis, as the system does."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.messages import OrderMessage, SignalMessage
from tests.support.paper_month import PaperMonth


async def record(bus: Bus, month: PaperMonth) -> None:
    """Write signals, decisions, reports, prices and instruments; a decision has the entry id of its signal."""
    for each in month.copied:
        entry = f"{each.signal.filled_at}-0"
        await bus.do("XADD", keys.SIGNALS, entry, *flatten(SignalMessage.from_domain(each.signal).fields()))
        await bus.do("XADD", keys.orders("alice"), entry, *flatten(OrderMessage.from_domain(each.decision).fields()))
    for report in month.reports:
        await bus.do("XADD", keys.reports("alice"), f"{report.settled_at}-0", *flatten(report.fields()))
    await Records(bus).write_prices("kraken", month.prices(), month.ends_at)
    await Records(bus).write_instruments("kraken", month.instruments())
