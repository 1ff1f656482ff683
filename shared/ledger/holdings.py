"""Reads the input of `drift.py`: the master's holdings, and each user's account and positions, at one venue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.bus.connection import Bus
from shared.bus.master_account import read_holdings
from shared.bus.records import Records
from shared.bus.streams import read_entries
from shared.contracts import keys
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk import MAX_BALANCE_AGE_MS
from shared.domain.master_account import MasterHolding
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.rename import NO_RENAMES, Renames
from shared.domain.values.money import ZERO, Quantity
from shared.domain.values.symbol import Symbol
from shared.ledger.drift import Drift, FollowerHoldings, MasterHoldings, drifts
from shared.ledger.signal_views import instant

_LATELY: Final = 200
_LAG_MS: Final = 20_000
"""How long the master's balance may lag behind its fills."""


async def read_drifts(
    bus: Bus, policies: Sequence[UserPolicy], venue: str, renames: Renames = NO_RENAMES
) -> list[Drift]:
    """Compare these users with the master at a venue, under the coins' present names; an unreadable record has a row of its own.

    Raises BusUnavailable.
    """
    records = Records(bus)
    followers = [policy for policy in policies if venue in policy.venues]
    accounts = await records.accounts([(MASTER, venue), *((policy.user, venue) for policy in followers)])
    master = accounts[0]
    held = await records.holdings(MASTER, venue)
    sizes = cap_by_account(renames.positions(held.positions), await read_holdings(bus, venue))
    leader = MasterHoldings(master.equity if master else None, sizes, held)
    prices = {symbol: price for symbol, (price, _) in (await records.prices(venue)).items()}
    found = []
    for policy, account in zip(followers, accounts[1:], strict=True):
        holdings = await records.holdings(policy.user, venue)
        follows = FollowerHoldings(policy, account, Portfolio(renames.positions(holdings.positions), prices))
        hidden = {symbol for name in holdings.unreadable if (symbol := _symbol(name)) is not None}
        found += [each for each in drifts(venue, leader, follows, prices) if each.symbol not in hidden]
        found += [_hidden(policy.user, venue, symbol) for symbol in sorted(hidden, key=str)]
    return found


def _symbol(name: str) -> Symbol | None:
    try:
        return Symbol.parse(name)
    except ValueError:
        return None


def _hidden(user: str, venue: str, symbol: Symbol) -> Drift:
    nothing = Quantity(ZERO, symbol.base)
    return Drift(
        user, venue, symbol, None, nothing, None, stray=False, note="the record of what is held cannot be read"
    )


def cap_by_account(
    positions: Mapping[Symbol, Position], holdings: Mapping[str, MasterHolding]
) -> dict[Symbol, Quantity]:
    """Return the master's positions, each limited to what its account was last seen to hold.

    A balance read before the last change of a position, or too soon after it, does not count: balances lag behind fills.
    """
    found, left = {}, {coin: each.total for coin, each in holdings.items()}
    for symbol in sorted(positions, key=str):
        position, coin = positions[symbol], symbol.base
        seen = holdings.get(coin)
        found[symbol] = position.size
        if seen is not None and seen.as_of >= position.updated_at + _LAG_MS:
            found[symbol] = min(position.size, left[coin])
            left[coin] = left[coin] - found[symbol]
    return found


async def master_problem(bus: Bus, venue: str, now: int) -> str:
    """Return why the master's holdings are not reliable at `now` (epoch ms); empty if they are."""
    (master,) = await Records(bus).accounts([(MASTER, venue)])
    return _problem_of(master, now)


async def traded_since(bus: Bus, since: int) -> Mapping[str, int]:
    """Return the assets that the master has traded since an instant (epoch ms), each with its latest trade."""
    found: dict[str, int] = {}
    for entry in read_entries(keys.SIGNALS, await bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", _LATELY)):
        at = instant(entry.fields, "filled_at") or 0
        base = entry.fields.get("symbol", "").partition("/")[0]
        if at >= since:
            found[base] = max(at, found.get(base, 0))
    return found


def _problem_of(master: Account | None, now: int) -> str:
    if master is None or master.state is not AccountState.READY:
        return "the master's account is not ready"
    age = now - master.as_of
    if age > MAX_BALANCE_AGE_MS:
        return f"the master's account was read {age / 1000:.0f} s ago"
    return ""
