"""Samples one account's equity and profit of copying each minute, for the equity curve.

The sample is of the account's record as this process read it last, with positions and prices of now. An account that is parked,
or was not read lately, has no sample: a gap, never an old amount under a new time. It decides nothing.
"""

from __future__ import annotations

from typing import Final

from services.executor.account.context import AccountContext
from shared.bus.client.wire import hgetall
from shared.bus.connection import Bus
from shared.bus.equity_samples import EquitySamples
from shared.bus.records import Records, read_holdings
from shared.contracts import keys
from shared.contracts.equity_sample import EquitySample
from shared.domain.fault import FaultKind
from shared.ledger.performance.read_results import account_result

_READ_LATELY_MS: Final = 120_000
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
        if account is None or not context.account.ready or now - account.as_of > _READ_LATELY_MS:
            return
        if not self._samples.due(now):
            return
        why = await self._samples.add(await self._sample(), now)
        if why:
            context.faults.report(FaultKind.RECORD, f"they cannot be written: {why}", _SUBJECT)
        else:
            context.faults.clear(FaultKind.RECORD, _SUBJECT)

    async def _sample(self) -> EquitySample:
        context = self._context
        user, venue, account = context.user, context.venue.name, context.account.latest
        held, sums = await self._bus.do_all([hgetall(keys.positions(user, venue)), hgetall(keys.totals(user, venue))])
        prices = await Records(self._bus).prices_of(venue, list(read_holdings(held).positions))
        result = account_result(user, venue, None, held, sums, prices)
        total = result.sums.get(context.policy.currency)
        whole = not result.unreadable
        equity, cash = (account.equity, account.cash) if account is not None else (None, None)
        return EquitySample.of(
            at=account.as_of if account is not None else context.clock(),
            currency=context.policy.currency,
            equity=None if equity is None else equity.amount,
            cash=None if cash is None else cash.amount,
            realized=total.realized if total and whole else None,
            pnl=total.pnl if total and whole else None,
        )
