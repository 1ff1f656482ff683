"""The statement from Redis: the same as from the records that were written, whatever was trimmed and whatever cannot be read."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.flow.trimming import trim
from shared.bus.state.records import Records
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.messages import OrderMessage, SignalMessage
from shared.contracts.trade_totals import CONTENTS, write_totals
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.trade_totals import TradeTotals
from shared.domain.values.money import ZERO, Quantity
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.check import sum_trades
from shared.ledger.reading import stream_extents
from shared.ledger.statement.month import Month
from shared.ledger.statement.reader import read_statement
from shared.ledger.statement.records.material import Copied, Holding, Material
from shared.ledger.statement.records.scales import first_scale
from shared.ledger.statement.statement import AccountStatement, state_account
from tests.support.paper_month import MONTH, SYMBOLS, PaperMonth
from tests.support.recorded_month import record

FILLS = 24
DAY = 24 * 3600 * 1000


def recorded(month: PaperMonth) -> Material:
    """Return what the records say, with the prices that are recorded: at its beginning those of the master's last fills."""
    material = month.material()
    before = [each for each in month.copied if each.signal.filled_at < MONTH.begins]
    prices = {Holding.of(each.signal.symbol): each.signal.price.amount for each in before}
    openings = {key: replace(each, price=prices.get(key, ZERO)) for key, each in material.openings.items()}
    scale = next((found for each in reversed(before) if (found := first_scale([each])) is not None), None)
    return replace(material, openings=openings, scale_before=scale)


async def read(bus: Bus, month: PaperMonth) -> AccountStatement:
    """Read the statement of the running month, of one account."""
    found = await read_statement(bus, "alice", MONTH, month.ends_at)
    assert found.running
    (account,) = found.accounts
    return account


@pytest.mark.parametrize("seed", range(8))
async def test_what_is_read_is_what_was_written(bus: Bus, seed: int) -> None:
    month = PaperMonth(seed, FILLS)
    await record(bus, month)
    assert await read(bus, month) == state_account(recorded(month))


@pytest.mark.parametrize("contents", ["0", "1701388900000", ""])
async def test_a_trimmed_stream_of_reports_changes_nothing_about_the_month(bus: Bus, contents: str) -> None:
    month = PaperMonth(3, FILLS)
    await record(bus, month)
    before = await read(bus, month)
    assert any(ending.trade is not None and ending.at < MONTH.begins for ending in month.endings)
    complete = contents == "0"
    await bus.do("HSET", keys.totals("alice", "kraken"), CONTENTS, contents)
    for symbol in SYMBOLS:
        trades = [each.trade for each in month.endings if each.trade is not None and each.trade.symbol == symbol]
        totals = TradeTotals(
            symbol,
            bought=sum((each.size.amount for each in trades if each.side is Side.BUY), ZERO),
            sold=sum((each.size.amount for each in trades if each.side is Side.SELL), ZERO),
            base_fees=sum((each.base_fee.amount for each in trades), ZERO),
            trades=len(trades),
        )
        if not complete:  # sums that lack earlier trades are not used
            totals = TradeTotals(symbol, bought=Decimal(77))
        await bus.do("HSET", keys.totals("alice", "kraken"), str(symbol), write_totals(totals))
        if not complete and month.held(symbol).size.amount:
            await Records(bus).write_position("alice", "kraken", month.held(symbol))
    await bus.do("XTRIM", keys.reports("alice"), "MINID", MONTH.begins)
    assert await read(bus, month) == before


async def test_a_month_whose_beginning_was_trimmed_says_so_and_still_adds_up(bus: Bus) -> None:
    month = PaperMonth(5, FILLS)
    await record(bus, month)
    within = [each for each in month.copied if each.signal.filled_at >= MONTH.begins]
    first = within[len(within) // 2].signal.filled_at
    for stream in (keys.SIGNALS, keys.orders("alice")):
        await bus.do("XTRIM", stream, "MINID", first)
    found = await read_statement(bus, "alice", MONTH, month.ends_at)
    (account,) = found.accounts
    assert account.since == first
    assert "from before 2023-12-01 is recorded any more (RETENTION_DAYS)" in found.notes[0]
    assert account.gap == sum(part.amount for part in account.parts)


async def hold(bus: Bus, month: PaperMonth) -> None:
    """Record the positions: what was held at the beginning follows from them, once the first reports are gone."""
    for symbol in SYMBOLS:
        if month.held(symbol).size.amount:
            await Records(bus).write_position("alice", "kraken", month.held(symbol))


async def trim_all(bus: Bus, now: int, days: int) -> None:
    """Trim as engine and executor do, once everything was acknowledged."""
    for stream in (keys.SIGNALS, keys.orders("alice"), keys.reports("alice")):
        await trim(bus, stream, now - days * DAY)


@pytest.mark.parametrize("seed", range(4))
async def test_last_month_is_whole_on_every_day_of_this_one(bus: Bus, seed: int) -> None:
    """Records are kept for a week longer than two months have days."""
    month = PaperMonth(seed, FILLS)
    await record(bus, month)
    await hold(bus, month)
    before = await read_statement(bus, "alice", MONTH, MONTH.ends)
    assert before.accounts
    await trim_all(bus, MONTH.next.ends, Settings().retention_days)
    after = await read_statement(bus, "alice", MONTH, MONTH.next.ends)
    assert after == before
    assert before.notes == ()


async def test_a_month_of_which_nothing_is_left_says_so_and_shows_no_sums(bus: Bus) -> None:
    month = PaperMonth(5, FILLS)
    await record(bus, month)
    await trim_all(bus, MONTH.next.ends, 20)
    assert await bus.do("XLEN", keys.orders("alice")) == 0
    found = await read_statement(bus, "alice", MONTH, MONTH.next.ends)
    assert found.accounts == ()
    assert "is recorded any more (RETENTION_DAYS)" in found.notes[0]
    following = await read_statement(bus, "alice", MONTH.next, MONTH.next.ends)
    assert following.notes == (), "nothing of this month was removed: nothing happened in it"


@pytest.mark.parametrize("seed", range(4))
async def test_a_decision_whose_report_was_removed_is_not_counted_as_one_that_filled_nothing(
    bus: Bus, seed: int
) -> None:
    month = PaperMonth(seed, FILLS)
    await record(bus, month)
    await hold(bus, month)
    copies = [each for each in month.endings if each.trade and each.signal_id and each.at >= MONTH.begins]
    gone = copies[len(copies) // 2]
    await trim(bus, keys.reports("alice"), gone.at + 1)
    (left,) = await stream_extents(bus, [keys.reports("alice")])
    found = await read_statement(bus, "alice", MONTH, month.ends_at)
    (account,) = found.accounts
    assert account.since == left.complete_since > gone.at
    assert "is recorded any more (RETENTION_DAYS)" in found.notes[0]
    assert not any(line.code == "pending" for part in account.parts for line in part.lines)
    assert account.gap == sum(part.amount for part in account.parts)


async def test_a_coin_without_an_earlier_price_is_named(bus: Bus) -> None:
    month = PaperMonth(5, FILLS)
    await record(bus, month)
    within = [each for each in month.copied if each.signal.filled_at >= MONTH.begins]
    for stream in (keys.SIGNALS, keys.orders("alice")):
        await bus.do("XTRIM", stream, "MINID", within[0].signal.filled_at)
    (account,) = (await read_statement(bus, "alice", MONTH, month.ends_at)).accounts
    assert any("no earlier price is recorded" in note for note in account.notes)


async def test_a_user_who_began_within_the_month_has_a_statement_from_then_on(bus: Bus) -> None:
    month = PaperMonth(4, FILLS)
    within = [each for each in month.copied if each.signal.filled_at >= MONTH.begins]
    month.copied = month.copied[:-3] + within[-3:]
    for each in month.copied:
        entry = f"{each.signal.filled_at}-0"
        await bus.do("XADD", keys.SIGNALS, entry, *flatten(SignalMessage.from_domain(each.signal).fields()))
        if each in within[-3:]:
            await bus.do(
                "XADD", keys.orders("alice"), entry, *flatten(OrderMessage.from_domain(each.decision).fields())
            )
    found = await read_statement(bus, "alice", MONTH, month.ends_at)
    assert [account.since for account in found.accounts] == [within[-3].signal.filled_at]
    assert found.accounts[0].copying.fills == 3
    assert "within the month" in found.notes[0]


async def test_what_cannot_be_read_is_left_out_and_counted(bus: Bus) -> None:
    month = PaperMonth(6, FILLS)
    await record(bus, month)
    after = month.ends_at - 1
    await bus.do("XADD", keys.orders("alice"), f"{after}-0", "v", "1", "id", "x")
    await bus.do("XADD", keys.reports("alice"), f"{after}-0", "v", "1", "filled_size", "much")
    found = await read_statement(bus, "alice", MONTH, month.ends_at)
    assert found.notes == ("2 entries could not be read and are left out.",)
    assert found.accounts[0].result == Decimal(found.accounts[0].at_scale) + found.accounts[0].gap


async def test_a_month_without_anything_has_no_accounts_and_one_to_come_says_so(bus: Bus) -> None:
    found = await read_statement(bus, "alice", MONTH, MONTH.begins + 1)
    assert (found.accounts, found.notes) == ((), ())
    assert "has not begun" in (await read_statement(bus, "alice", MONTH, MONTH.begins)).notes[0]


async def test_a_month_that_has_ended_is_valued_at_the_last_recorded_fill_and_the_next_one_begins_there(
    bus: Bus,
) -> None:
    month = PaperMonth(7, FILLS)
    await record(bus, month)
    ended = await read_statement(bus, "alice", MONTH, MONTH.ends + 1)
    following = await read_statement(bus, "alice", MONTH.next, MONTH.next.ends + 1)
    assert not ended.running
    (first,), (then,) = ended.accounts, following.accounts
    assert first.gap == sum(part.amount for part in first.parts)
    assert (then.result, then.at_scale) == (ZERO, ZERO)  # nothing was traded, and no price is recorded since


@pytest.mark.parametrize("seed", range(6))
async def test_the_results_of_consecutive_months_add_up_to_the_profit_of_copying(bus: Bus, seed: int) -> None:
    month = PaperMonth(seed, FILLS)
    await record(bus, month)
    november = Month.of(MONTH.begins - 1)
    earned = ZERO
    for each in (november, MONTH):
        earned += sum((one.result for one in (await read_statement(bus, "alice", each, month.ends_at)).accounts), ZERO)
    trades = [ending.trade for ending in month.endings if ending.trade is not None]
    prices = {price.symbol: price.amount for price in month.prices()}
    sums = sum_trades(trades)
    value = sum((each.expected_size.amount * prices[symbol] for symbol, each in sums.items()), ZERO)
    assert earned == sum((each.cash_flow.amount for each in sums.values()), ZERO) + value
    assert trades[0].at < MONTH.begins < trades[-1].at


def give_to_swing(month: PaperMonth, symbol: Symbol) -> None:
    """Have all trades of a symbol be of the named master's, in its book."""
    month.copied = [
        Copied(replace(each.signal, master="swing"), replace(each.decision, master="swing"))
        if each.signal.symbol == symbol
        else each
        for each in month.copied
    ]
    month.reports = [
        each.model_copy(update={"master": "swing"}) if each.symbol == symbol else each for each in month.reports
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("trimmed", [False, True])
async def test_each_master_has_a_statement_of_its_own_and_they_add_up_to_the_account(
    bus: Bus, seed: int, trimmed: bool
) -> None:
    month = PaperMonth(seed, FILLS)
    whole = state_account(recorded(month))
    assert whole is not None
    give_to_swing(month, SYMBOLS[1])
    await record(bus, month)
    if trimmed:
        await hold(bus, month)
        if (size := month.held(SYMBOLS[1]).size.amount) > 0:
            flat = Position.flat(SYMBOLS[1], 0)
            divided = flat.with_book("swing", replace(month.held(SYMBOLS[1]), size=Quantity(size, "ETH")))
            await Records(bus).write_position("alice", "kraken", divided)
        await bus.do("XTRIM", keys.reports("alice"), "MINID", MONTH.begins)
    found = await read_statement(bus, "alice", MONTH, month.ends_at)
    by_master = {each.master: each for each in found.accounts}
    assert set(by_master) <= {"", "swing"}
    assert sum(each.result for each in found.accounts) == pytest.approx(whole.result, abs=Decimal("1E-12"))
    fills = {master: each.copying.fills for master, each in by_master.items()}
    assert fills.get("swing", 0) == sum(
        each.signal.master == "swing" and each.signal.filled_at >= MONTH.begins for each in month.copied
    )
    assert sum(fills.values()) == whole.copying.fills
    assert all(each.gap == sum(part.amount for part in each.parts) for each in found.accounts)
    assert [each.title for each in found.accounts] == [
        "kraken, in USD" + (", copied from swing" if master else "") for master in by_master
    ]
