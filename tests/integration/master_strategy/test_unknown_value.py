"""The master's equity is known only if all that it holds is valued; else its entries are not sized by it. Case D1.

And its own sale of a crumb more than the account was credited (case G2).
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from services.master_strategy.account.account_mirror import AccountMirror
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.fault import FaultKind, Faults
from shared.domain.order import Kind, OrderState, Side
from shared.domain.position import Position
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from tests.integration.master_strategy.rig import Rig, Run, buy, sell
from tests.integration.master_strategy.test_cycle import _turns
from tests.unit.master_strategy.values import BTC, btc, rising, usd

MINUTE = 60_000
ETH = Symbol("ETH", "USD")


async def _mirror(rig: Rig, run: Run, **more: object) -> AccountMirror:
    mirror = AccountMirror(
        run.venue,
        Records(rig.bus),
        rig.time.clock(),
        symbols=[BTC],
        currency="USD",
        **more,  # type: ignore[arg-type]
    )
    await mirror.connect()
    return mirror


async def _published(rig: Rig) -> tuple[str, str, str]:
    answer = await rig.bus.do("HMGET", keys.account(MASTER, rig.at), "state", "equity", "reason")
    return (answer[0], answer[1], answer[2])


async def test_what_the_master_has_staked_counts_as_its_coin(rig: Rig) -> None:
    rig.account.balances = {"USD": Decimal(1000)}
    rig.account.staked = {"BTC": Decimal("0.15")}
    run = await rig.start()
    assert run.mirror.equity == usd("10000")
    assert run.mirror.free("BTC") == btc("0")  # it can be neither sold nor spent
    await rig.someone_trades(run, Side.BUY, "0.005")
    await run.watcher.scan()
    [signal] = await rig.signals()
    assert signal.master_equity == usd("10000")


async def test_equity_that_is_not_fully_known_is_told_as_such(rig: Rig) -> None:
    rig.account.balances = {"USD": Decimal(1000), "XYZ": Decimal(9000)}
    run = await rig.start()
    assert await _published(rig) == ("ready", "", "no price for 9,000 XYZ")
    assert await _turns(rig, run, rising()) == [
        "no order: the master's equity is not fully known: no price for 9,000 XYZ"
    ]
    await rig.someone_trades(run, Side.BUY, "0.005")
    await run.watcher.scan()
    [signal] = await rig.signals()
    assert (signal.master_equity, signal.equity_reason) == (None, "no price for 9,000 XYZ")
    await rig.someone_trades(run, Side.SELL, "0.005")
    await run.watcher.scan()
    assert [signal.kind for signal in await rig.signals()] == [Kind.ENTRY, Kind.EXIT]


async def test_it_is_a_fault_that_blocks_until_it_is_known_again(rig: Rig) -> None:
    run = await rig.start()
    faults = Faults(lambda: rig.time.now)
    rig.account.balances["XYZ"] = Decimal(9000)
    mirror = await _mirror(rig, run, faults=faults)
    (fault,) = faults.standing
    assert (fault.kind, fault.subject, fault.blocks) == (FaultKind.EQUITY, "master", True)
    assert fault.reason == "the master's equity is not fully known: no price for 9,000 XYZ"
    del rig.account.balances["XYZ"]
    await mirror.refresh()
    assert faults.standing == ()
    assert mirror.equity == usd("100000")


async def test_an_asset_that_is_ignored_on_purpose_is_left_out(rig: Rig) -> None:
    rig.account.balances["XYZ"] = Decimal(9000)
    run = await rig.start()
    assert (await _mirror(rig, run, ignored=["XYZ"])).equity == usd("100000")


@pytest.mark.parametrize(("pair", "price", "worth"), [("EUR/USD", "1.25", "100125"), ("USD/EUR", "0.8", "100125")])
async def test_fiat_counts_by_its_pair_in_either_direction(rig: Rig, pair: str, price: str, worth: str) -> None:
    symbol = Symbol.parse(pair)
    rig.market.instruments[symbol] = Instrument(symbol, Decimal("1E-8"), Decimal("0.0001"), Decimal(1), Decimal(1))
    rig.market.prices[symbol] = Decimal(price)
    rig.account.balances["EUR"] = Decimal(100)
    run = await rig.start()
    assert run.mirror.equity == usd(worth)


async def test_the_last_price_serves_for_ten_minutes_and_no_longer(rig: Rig) -> None:
    rig.market.prices[ETH] = Decimal(3000)
    rig.account.balances["ETH"] = Decimal(1)
    run = await rig.start()
    assert run.mirror.equity == usd("103000")
    del rig.market.prices[ETH]  # the venue gives all prices but this one
    for minutes, known in ((1, True), (8, True), (2, False)):
        rig.time.now += minutes * MINUTE
        await run.mirror.refresh()
        assert (run.mirror.equity is not None) is known
    assert run.mirror.equity_reason == "no price for 1 ETH"


async def test_prices_that_fail_for_a_moment_move_no_equity(rig: Rig) -> None:
    run = await rig.start()
    run.venue.fail("prices", Unavailable("no answer"))
    rig.account.balances["USD"] += 500
    await run.mirror.refresh()
    assert run.mirror.equity == usd("100500")


async def test_an_entry_after_an_outage_is_sized_by_what_the_account_has_now(rig: Rig) -> None:
    run = await rig.start()
    rig.time.now += 5 * MINUTE
    assert run.mirror.equity is None
    await rig.someone_trades(run, Side.BUY, "0.1")
    rig.account.balances["USD"] += 1_000
    await run.watcher.scan()
    assert [signal.master_equity for signal in await rig.signals()] == [
        usd("101000") - usd("6000").scaled(rig.account.taker_fee)
    ]


async def test_fees_are_kept_by_pair(rig: Rig) -> None:
    """Case R9, the master's: BTC/USD costs nothing, and says nothing about ETH/USD."""
    rig.account = replace(rig.account, taker_fee=Decimal(0), pair_fees={ETH: Decimal("0.0035")})
    run = await rig.start()
    mirror = AccountMirror(run.venue, Records(rig.bus), rig.time.clock(), symbols=[BTC, ETH], currency="USD")
    await mirror.connect()  # asks for one fee, and its refresh for the other
    assert (mirror.fees.of(BTC), mirror.fees.of(ETH)) == (Decimal(0), Decimal("0.0035"))
    assert mirror.fees.dearest == Decimal("0.0035")


async def test_the_masters_own_sale_of_a_crumb_too_much_is_made_at_once(rig: Rig) -> None:
    """Case G2, its sibling."""
    run = await rig.start()
    await run.trade(buy("0.1"))
    rig.account.move("BTC", -Decimal("1E-8"))
    await run.trade(sell("0.1"))
    outcomes = [(report.outcome, report.filled_size) for report in await rig.reports()]
    assert outcomes == [
        (OrderState.FILLED, Decimal("0.1")),
        (OrderState.REJECTED, None),
        (OrderState.FILLED, Decimal("0.09999999")),
    ]
    assert rig.account.balances["BTC"] == 0


async def test_a_sale_that_the_account_cannot_cover_is_not_cut_by_itself(rig: Rig) -> None:
    run = await rig.start()
    await run.trade(buy("0.1"))
    rig.account.move("BTC", -Decimal("0.05"))
    await run.trade(sell("0.1"))
    assert [report.outcome for report in await rig.reports()] == [OrderState.FILLED, OrderState.REJECTED]


async def test_a_damaged_position_record_does_not_keep_the_master_from_starting(rig: Rig) -> None:
    """Case E4, the master's: the book takes that position from the signals, and the others from their records."""
    run = await rig.start()
    await run.trade(buy("0.1"))
    await Records(rig.bus).write_position(MASTER, rig.at, Position(ETH, Quantity(Decimal(1), "ETH"), usd("3000"), 1, 1))
    await rig.bus.do("HSET", keys.positions(MASTER, rig.at), "BTC/USD", "much")
    again = await rig.start()
    assert again.book.position(BTC).size == btc("0.1")
    assert again.book.position(ETH).size.amount == 1
