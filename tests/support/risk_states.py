"""What copying has made or lost, written as an executor writes it, without a lease."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.contracts.risk import RiskRecord
from shared.domain.limits.risk_state import RiskState


async def write_risk(bus: Bus, user: str, venue: str, state: RiskState) -> None:
    """Record the risk state of an account."""
    await bus.do("HSET", keys.risk(user, venue), *flatten(RiskRecord.from_domain(state).fields()))
