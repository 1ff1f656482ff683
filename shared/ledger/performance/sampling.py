"""Makes one sample of an account's equity from what is recorded of it, for the process that owns the account and writes it."""

from __future__ import annotations

from typing import Final

from shared.bus.client.wire import hgetall
from shared.bus.connection import Bus
from shared.bus.state.records import Records, read_holdings
from shared.contracts import keys
from shared.contracts.equity_sample import EquitySample, sampled
from shared.domain.account import Account, AccountState
from shared.domain.values.money import ZERO
from shared.ledger.performance.read_results import account_result

_READ_LATELY_MS: Final = 120_000


def is_current(account: Account | None, now: int) -> bool:
    """Return whether an account may be sampled at `now` (epoch ms): it is ready and was read lately.

    Otherwise there is a gap in the curve, never an old amount under a new time.
    """
    if account is None or account.state is not AccountState.READY:
        return False
    return now - account.as_of <= _READ_LATELY_MS


async def read_sample(bus: Bus, account: Account, currency: str) -> EquitySample:
    """Return a sample of an account's record with the profit of copying in `currency` now. Raises BusUnavailable.

    The profit is left out while a record cannot be read or something that is held has no price.
    """
    user, venue = account.user, account.venue
    held, sums = await bus.do_all([hgetall(keys.positions(user, venue)), hgetall(keys.totals(user, venue))])
    prices = await Records(bus).prices_of(venue, list(read_holdings(held).positions))
    result = account_result(user, venue, None, held, sums, prices)
    total = None if result.unreadable else result.sums.get(currency)
    none = (
        ZERO if not result.unreadable and not result.symbols else None
    )  # an account that has not traded has made nothing
    return EquitySample(
        currency=currency,
        equity=sampled(account.equity.amount if account.equity else None),
        pnl=sampled(total.pnl if total else none),
    )
