"""Positions, profit and the leak statement equal the paper exchange's own books to the last digit, whatever a day was like.

The suite tries a share of the days; `make books` tries a thousand.
"""

from __future__ import annotations

import time
from collections import Counter
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import HealthCheck, given, note, settings, strategies as st

from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import read_entries
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.domain.account import MASTER
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.check import check_sums
from shared.ledger.performance.read_results import read_results
from shared.ledger.performance.results import AccountResult
from shared.ledger.statement.month import Month
from shared.ledger.statement.parts.exact import LAST_DIGIT, QUANTUM, exactly
from shared.ledger.statement.reader import read_statement
from shared.ledger.statement.statement import AccountStatement
from tests.integration.books.day import Day
from tests.integration.books.expected import CoinBooks, books_of, value_of
from tests.integration.executor.rig import USER
from tests.support.property_examples import scaled_books

ZERO: Final = Decimal(0)
DAYS: Final = scaled_books(60)
PARTS: Final = 10
"""Tests among which the days are divided, so that several processes can share them."""
_EVENTFUL: Final = (21, 11, 74, 20, 6)
"""Days that had everything when they were chosen: whatever they lack by now is looked for in the others."""
_APART: Final = QUANTUM * 10**9 + 100 * LAST_DIGIT
"""Shares and portions are rounded to QUANTUM, then multiplied by a price and a size; results are rounded once."""


@pytest.mark.parametrize("part", range(PARTS))
@settings(
    max_examples=max(1, DAYS // PARTS),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(seed=st.integers(0, 2**32))
async def test_a_day_ends_as_the_exchange_says(bus: Bus, part: int, seed: int) -> None:
    del part  # hypothesis draws other days for each
    note(f"the day of the seed {seed}")
    await bus.do_everywhere("FLUSHALL")
    day = Day(bus, seed)
    await day.run()
    expected = books_of(day.books[USER], day.sent, day.renamed)
    await _check_user(bus, day, expected)
    await _check_master(bus, day)
    await _check_statement(bus, day, expected)


async def _check_user(bus: Bus, day: Day, expected: dict[str, CoinBooks]) -> None:
    books = day.books[USER]
    for asset in {*books.balances, *expected}:
        own = day.apart.get(asset, ZERO)
        copied = expected[asset].held if asset in expected else ZERO
        if asset == "USD":
            own += day.began_with
            copied = sum((each.cash for each in expected.values()), ZERO)
        assert books.balances[asset] == own + copied, f"the exchange's own books do not add up in {asset}"
    results = await read_results(bus, [USER])
    result = results[0] if results else AccountResult(USER, day.at, None)
    assert result.unreadable == {}
    found = {each.symbol.base: each for each in result.symbols}
    assert found.keys() == expected.keys()
    for asset, coin in expected.items():
        each = found[asset]
        assert each.held.size.amount == coin.held
        assert each.held.cost.amount == coin.cost
        assert each.realized.amount == coin.realized
        assert each.totals.cash_flow.amount == coin.cash
        assert [each.totals.bought, each.totals.sold] == [coin.bought, coin.sold]
        assert [each.totals.fees.amount, each.totals.base_fees] == [coin.quote_fees, coin.base_fees]
        if not day.renamed or asset not in {"DOT", "NDOT"}:
            assert [amount.amount for amount in each.adjusted] == [0, 0]
            assert each.pnl is not None
            with exactly():
                assert each.pnl.amount == coin.cash + value_of([(coin, day.price(each.symbol))])
    if expected:
        sums = result.sums["USD"]
        held = [(coin, day.price(Symbol(asset, "USD"))) for asset, coin in expected.items() if coin.held]
        with exactly():
            assert sums.pnl == sum((coin.cash for coin in expected.values()), ZERO) + value_of(held)
            assert sums.adjusted_cost == 0
    check = await check_sums(bus, USER, day.at)
    assert (check.unchecked, check.differences) == ("", ())


async def _check_master(bus: Bus, day: Day) -> None:
    (result,) = await read_results(bus, [MASTER]) or [AccountResult(MASTER, day.at, None)]
    books = day.books[MASTER]
    for each in result.symbols:
        if day.renamed and each.symbol.base == "DOT":
            continue  # its process has not met the new name yet
        dust = await _dust(bus, each.symbol)
        beside = books.balances[each.symbol.base] - each.held.size.amount
        assert ZERO <= beside <= dust, "what is held is what the exchange says, but for dust"
        assert -dust <= each.adjusted[0].amount <= ZERO
    cash = sum((each.totals.cash_flow.amount for each in result.symbols), ZERO)
    assert cash == books.balances["USD"] - day.began[MASTER]


async def _dust(bus: Bus, symbol: Symbol) -> Decimal:
    """Return what the master's sales of everything have left, too little to be sold: from then on it is no part of a position."""
    entries = [entry.fields for entry in await SignalLog(bus).latest(10_000)]
    sales = [each for each in entries if each["symbol"] == str(symbol) and each["fraction"] == "1"]
    return sum((Decimal(each["position_before"]) - Decimal(each["base_size"]) for each in sales), ZERO)


async def _check_statement(bus: Bus, day: Day, expected: dict[str, CoinBooks]) -> None:
    accounts = await _statements(bus, day)
    with exactly():
        for each in accounts:
            assert each.at_scale + sum((part.amount for part in each.parts), ZERO) == each.result
            assert each.gap == sum((part.amount for part in each.parts), ZERO)
            assert all(not part.lines or part.amount == sum(line.amount for line in part.lines) for part in each.parts)
        made = sum((each.cash for each in expected.values()), ZERO)
        if "NDOT" in expected:
            assert not (expected["NDOT"].orders and accounts), "the records do not say that one coin was the other"
            return  # while nothing of it was sold, it counts under its former name at the last price of that
        made += value_of((each, day.price(Symbol(asset, "USD"))) for asset, each in expected.items() if each.held)
        assert sum((each.result for each in accounts), ZERO) == made
        apart = day.joined_late or day.renamed or day.happened()["disabled"]
        if len(accounts) == 1 and not apart:  # every fill was decided
            (account,) = accounts
            masters = day.masters_profit()
            assert abs(account.at_scale - account.ratio * masters) <= _APART


async def _statements(bus: Bus, day: Day) -> list[AccountStatement]:
    """Read the statements of the day's month, and of the next one if it reached into that."""
    now = max(day.time.now, time.time_ns() // 1_000_000) + 1  # streams go by the clock of Redis
    months = sorted({Month.of(day.began_at), Month.of(now)})
    found = [await read_statement(bus, USER, month, now) for month in months]
    assert not any("could not be read" in note for each in found for note in each.notes)
    return [account for each in found for account in each.accounts]


async def _words(bus: Bus) -> list[str]:
    """Return what the reports say of dust and of mirrored orders."""
    rows = await bus.do("XRANGE", keys.reports(USER), "-", "+")
    reports = [ReportMessage.parse(entry.fields) for entry in read_entries(keys.reports(USER), rows)]
    found = ["dust" for each in reports if "dust" in each.reason]
    return found + ["mirrored" for each in reports if each.filled_size and "the master filled" in each.reason]


async def test_a_sale_that_leaves_dust_leaves_it_beside_the_position(bus: Bus) -> None:
    """The master sells 95 % of about 61 DOT: 3 are left, where the smallest order is 3.9."""
    day = Day(bus, 9235)
    await day.run()
    assert 3 < await _dust(bus, Symbol("DOT", "USD")) < Decimal("3.9")
    await _check_master(bus, day)


async def test_such_days_have_everything_that_can_happen(bus: Bus) -> None:
    seen: Counter[str] = Counter()
    seeds = iter((*_EVENTFUL, *range(200)))  # the rarest is in one day of fifty
    while missing := [what for what in EVERYTHING if not seen[what]]:
        seed = next(seeds, None)
        assert seed is not None, missing
        await bus.do_everywhere("FLUSHALL")
        day = Day(bus, seed)
        await day.run()
        seen += day.happened()
        seen.update(await _words(bus))
        for account in await _statements(bus, day):
            seen.update(str(part.cause) for part in account.parts if part.amount)


EVERYTHING: Final = (
    "at kraken",
    "at coinbase",
    "fee in base of a purchase",
    "fee in base of a sale",
    "filled in part",
    "own exit",
    "owner traded apart",
    "deposit",
    "withdrawal",
    "joined",
    "another process",
    "disabled",
    "dust",
    "rested",
    "mirrored",
    "renamed",
    "delay",
    "price",
    "fees",
    "rounding",
    "skipped",
    "limits",
    "own_exits",
    "ratio",
    "carried",
)
