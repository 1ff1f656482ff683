"""Reads the results of accounts: two round trips for any number of them, whatever the length of their streams.

It reads what the owners of the accounts keep: positions, sums of trades, account records, published prices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shared.bus.client.wire import hgetall
from shared.bus.connection import Bus
from shared.bus.state.records import Records, pairs, read_account, read_holdings
from shared.contracts import keys
from shared.contracts.trade_totals import CONTENTS, CURSOR, read_totals
from shared.domain.position import Holdings, Position
from shared.domain.trade_totals import TradeTotals
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.ledger.performance.results import AccountResult, SymbolResult

Prices = Mapping[Symbol, tuple[Price, int]]


async def read_results(bus: Bus, users: Sequence[str], venues: Sequence[str] = VENUES) -> list[AccountResult]:
    """Read the accounts of these users (`master` is one) at these venues, in this order; without those of which nothing is known.

    Raises BusUnavailable.
    """
    places = [(user, venue) for user in users for venue in venues]
    prices = {venue: await Records(bus).prices(venue) for venue in venues}
    commands = [
        hgetall(key(user, venue)) for user, venue in places for key in (keys.account, keys.positions, keys.totals)
    ]
    answers = await bus.do_all(commands)
    found = []
    for number, (user, venue) in enumerate(places):
        account, held, sums = answers[3 * number : 3 * number + 3]
        if account or held or sums:
            found.append(account_result(user, venue, account, held, sums, prices[venue]))
    return found


def account_result(user: str, venue: str, account: Any, held: Any, sums: Any, prices: Prices) -> AccountResult:
    """Return an account's result from its record, positions and sums of trades as the wire answers them."""
    holdings = read_holdings(held)
    totals, unreadable = parse_totals(sums)
    symbols = sorted({*holdings.positions, *totals}, key=str)
    return AccountResult(
        user,
        venue,
        read_account(user, venue, pairs(account)),
        [_symbol(user, venue, each, holdings, totals, prices) for each in symbols],
        {**holdings.unreadable, **unreadable},
    )


def parse_totals(answer: Any) -> tuple[dict[Symbol, TradeTotals], dict[str, str]]:
    """Return the sums of trades by symbol from the wire's answer, and the errors of those that cannot be read by field."""
    found, unreadable = {}, {}
    if isinstance(answer, Exception):
        return {}, {"sums of trades": str(answer)}
    for name, written in pairs(answer).items():
        if name in {CONTENTS, CURSOR}:
            continue
        try:
            found[Symbol.parse(name)] = read_totals(written)
        except ValueError as error:
            unreadable[f"sums of {name}"] = str(error)
    return found, unreadable


def _symbol(
    user: str, venue: str, symbol: Symbol, held: Holdings, totals: Mapping[Symbol, TradeTotals], prices: Prices
) -> SymbolResult:
    price, at = prices.get(symbol, (None, None))
    return SymbolResult(
        user,
        venue,
        symbol,
        held.positions.get(symbol) or Position.flat(symbol, 0),
        totals.get(symbol) or TradeTotals(symbol),
        price,
        at,
    )
