"""Samples one account's equity and profit of copying each minute, for the equity curve.

The sample is of the account as this process read it last, with positions and prices of now. It decides nothing.
"""

from __future__ import annotations

from typing import Final

from services.executor.account.context import AccountContext
from shared.bus.connection import Bus
from shared.bus.state.equity_samples import EquitySamples
from shared.domain.fault import FaultKind
from shared.ledger.performance.sampling import is_current, read_sample

_SUBJECT: Final = "equity samples"


class EquitySampler:
    """Samples one account."""

    def __init__(self, bus: Bus, context: AccountContext) -> None:
        self._bus = bus
        self._context = context
        self._samples = EquitySamples(bus, context.user, context.venue.name)

    async def round(self) -> None:
        """Write a sample if one is due. Raises BusUnavailable."""
        context = self._context
        now, account = context.clock(), context.account.latest
        if account is None or not context.account.ready or not is_current(account, now) or not self._samples.due(now):
            return
        why = await self._samples.add(await read_sample(self._bus, account, context.policy.currency), now)
        if why:
            context.faults.report(FaultKind.RECORD, f"they cannot be written: {why}", _SUBJECT)
        else:
            context.faults.clear(FaultKind.RECORD, _SUBJECT)
