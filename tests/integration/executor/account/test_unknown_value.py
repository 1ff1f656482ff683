"""What a user's account is worth where something has no known value: it counts low, it is said, and nothing is sold for it.

Kind "Unknown value" (case D1): sizes only shrink; a price that goes missing is no loss.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from services.executor.account import risk_keeper
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import ExitPolicy, LimitPolicy, StopOutAction
from shared.domain.order import OrderState
from shared.domain.position import Position
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import Unavailable
from tests.integration.executor.protection.test_guardian import guarding
from tests.integration.executor.rig import USER, Owner, Rig, until
from tests.support.examples import BTC_USD, btc, btc_price, usd

ETH_USD, EUR_USD = Symbol("ETH", "USD"), Symbol("EUR", "USD")
STRICT = LimitPolicy(daily_loss_pct=Decimal(5), max_drawdown_pct=Decimal(5), on_stop_out=StopOutAction.CLOSE_ALL)
NO_STOPS = ExitPolicy(stop_loss_pct=None, take_profit_pct=None)
MINUTE = 60_000


async def _account(rig: Rig) -> dict[str, str]:
    flat = await rig.bus.do("HGETALL", keys.account(USER, "kraken"))
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _pair(symbol: Symbol) -> Instrument:
    return Instrument(symbol, Decimal("1E-8"), Decimal("0.01"), Decimal(1), Decimal("0.5"))


async def test_what_no_pair_trades_counts_nothing_and_is_said(rig: Rig) -> None:
    rig.account.balances |= {"BTC": Decimal("0.1"), "XYZ": Decimal(9000)}
    owner = await rig.start()
    found = await _account(rig)
    assert (found["state"], found["equity"]) == ("ready", "16000")
    assert found["reason"] == "the equity is counted low: no price for 9,000 XYZ"
    assert (
        owner.context.account.for_losses() == owner.context.account.latest
    )  # it never had a value that could go missing
    report = await rig.carry(owner, rig.entry("0.05"))
    assert report.outcome is OrderState.FILLED  # an airdrop stops nobody


async def test_what_is_staked_counts_as_its_coin_and_cannot_be_spent(rig: Rig) -> None:
    rig.account.staked |= {"BTC": Decimal("0.5"), "USD": Decimal(1000)}
    await rig.start()
    found = await _account(rig)
    assert (found["equity"], found["cash"], found["reason"]) == ("41000", "10000", "")


async def test_fiat_counts_by_its_pair(rig: Rig) -> None:
    rig.market.instruments[EUR_USD] = _pair(EUR_USD)
    rig.market.prices[EUR_USD] = Decimal("1.1")
    rig.account.balances["EUR"] = Decimal(1000)
    await rig.start()
    assert (await _account(rig))["equity"] == "11100"


async def test_what_was_just_bought_counts_at_its_own_price_until_a_later_one_is_published(rig: Rig) -> None:
    """`make day`: the feed reads pairs that are not held every 15 s, so the first purchase after a fall was counted too high."""
    owner = await rig.start()
    await Records(rig.bus).write_prices("kraken", [btc_price(90_000)], rig.clock.now)
    rig.clock.now += 10_000
    report = await rig.carry(owner, rig.entry("0.05"))
    assert report.outcome is OrderState.FILLED
    await owner.context.account.read()
    cash = rig.account.balances["USD"]
    assert Decimal((await _account(rig))["equity"]) == cash + rig.account.balances["BTC"] * 60_000
    rig.clock.now += 1
    await Records(rig.bus).write_prices("kraken", [btc_price(70_000)], rig.clock.now)
    await owner.context.account.read()
    assert Decimal((await _account(rig))["equity"]) == cash + rig.account.balances["BTC"] * 70_000


@pytest.mark.parametrize("before", [30_000, 90_000])
async def test_a_price_of_before_the_first_purchase_is_neither_loss_nor_gain(
    rig: Rig, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a fall of the market the account was stopped out by a drawdown from an equity that it never had."""
    owner = await rig.start()
    owner.context.follow(replace(owner.context.policy, limits=STRICT, exits=NO_STOPS))
    await _watched(rig, owner)
    await Records(rig.bus).write_prices("kraken", [btc_price(before)], rig.clock.now)
    rig.clock.now += 10_000
    await rig.carry(owner, rig.entry("0.05"))
    monkeypatch.setattr(risk_keeper, "_WRITE_EVERY", 0.0)  # as if the order had ended a while ago
    await _watched(rig, owner)
    risk = await Records(rig.bus).risk(USER, "kraken")
    assert risk is not None
    assert -20 < risk.pnl.amount < 0  # the fee

    rig.clock.now += 1_000
    await Records(rig.bus).write_prices("kraken", [btc_price(60_000)], rig.clock.now)
    await _watched(rig, owner)
    assert owner.context.risk.stopped(rig.clock.now) == ""


async def test_a_price_that_cannot_be_read_for_some_minutes_moves_no_equity(rig: Rig) -> None:
    rig.account.balances["BTC"] = Decimal("0.1")
    owner = await rig.start()
    owner.venue.fail("prices", Unavailable("the venue gives no answer"), times=10)
    for minutes, equity in ((1, "16000"), (8, "16000"), (2, "10000")):
        rig.clock.now += minutes * MINUTE
        await owner.context.account.read()
        assert (await _account(rig))["equity"] == equity
    assert (await _account(rig))["reason"] == "the equity is counted low: no price for 0.1 BTC"


async def test_a_missing_price_is_a_fault_until_it_is_back(rig: Rig) -> None:
    owner = await rig.start()
    rig.account.balances["BTC"] = Decimal("0.1")
    owner.venue.fail("prices", Unavailable("the venue gives no answer"))
    await owner.context.account.read()
    (fault,) = rig.faults.standing
    assert (fault.kind, fault.subject, fault.blocks) == (FaultKind.EQUITY, "alice (kraken)", False)
    assert fault.reason == "the equity is counted low: no price for 0.1 BTC"
    await owner.context.account.read()
    assert rig.faults.standing == ()


async def _holds_eth(rig: Rig, cost: str) -> None:
    now = rig.clock.now
    await Records(rig.bus).write_position(
        USER, "kraken", Position(ETH_USD, Quantity(Decimal(1), "ETH"), usd(cost), now, now)
    )
    rig.account.move("ETH", Decimal(1))


async def _published(rig: Rig, *prices: Price) -> None:
    rig.market.prices |= {price.symbol: price.amount for price in prices}
    await Records(rig.bus).write_prices("kraken", prices, rig.clock.now)


def _eth(price: str) -> Price:
    return Price(Decimal(price), ETH_USD)


async def _watched(rig: Rig, owner: Owner) -> None:
    """Read the account and have the guardian look, as both do all the time; what it closes is carried out."""
    await owner.context.account.read()
    async with guarding(rig, owner) as guardian:
        await guardian.look()


async def test_a_holding_that_loses_its_price_makes_no_loss_larger(rig: Rig) -> None:
    """9/10 of the account is bitcoin of the user's own. Without its price a loss of 1 % of all would look like 6 %."""
    rig.account.balances |= {"USD": Decimal(1000), "BTC": Decimal("0.15")}
    owner = await rig.start()
    owner.context.follow(replace(owner.context.policy, limits=STRICT, exits=NO_STOPS))
    await _holds_eth(rig, "600")
    await _published(rig, btc_price(60_000), _eth("600"))
    await _watched(rig, owner)

    del rig.market.prices[BTC_USD]
    await rig.bus.do("DEL", keys.prices("kraken"))
    rig.clock.now += 11 * MINUTE
    await _published(rig, _eth("600"))
    await _watched(rig, owner)
    assert (await _account(rig))["equity"] == "1600"
    await _published(rig, _eth("500"))
    await _watched(rig, owner)
    assert await rig.reports() == []
    assert owner.context.risk.stopped(rig.clock.now) == ""

    await _published(rig, btc_price(60_000), _eth("60"))  # a true loss of 5.1 %
    await _watched(rig, owner)
    assert "stopped out" in owner.context.risk.stopped(rig.clock.now)
    (report,) = await rig.reports()
    assert (report.symbol, report.outcome) == (ETH_USD, OrderState.FILLED)


@pytest.mark.parametrize("age", [0, 5 * MINUTE])
async def test_candles_missing_liquidates_nobody(rig: Rig, age: int) -> None:
    """A position with a gain loses its price, at once or for minutes: the gain does not become a drawdown of all the rest."""
    owner = await rig.start()
    owner.context.follow(replace(owner.context.policy, limits=STRICT, exits=NO_STOPS))
    await _holds_eth(rig, "1000")
    await _published(rig, _eth("3000"))
    await _watched(rig, owner)
    gained = await rig.bus.do("HMGET", keys.risk(USER, "kraken"), "pnl", "growth")

    del rig.market.prices[ETH_USD]
    if age == 0:
        await rig.bus.do("DEL", keys.prices("kraken"))
    rig.clock.now += age
    await _watched(rig, owner)
    await _watched(rig, owner)
    assert await rig.reports() == []
    assert await rig.bus.do("HMGET", keys.risk(USER, "kraken"), "pnl", "growth") == gained


async def test_losses_wait_for_a_position_without_a_price_and_say_so(rig: Rig) -> None:
    owner = await rig.start()
    faults = rig.faults
    owner.context.follow(replace(owner.context.policy, limits=STRICT, exits=NO_STOPS))
    await _holds_eth(rig, "1000")
    await _watched(rig, owner)
    assert {(fault.kind, fault.reason) for fault in faults.standing} == {
        (FaultKind.EQUITY, "losses cannot be measured: no price of ETH/USD"),
        (FaultKind.EQUITY, "the equity is counted low: no price for 1 ETH"),
    }
    await _published(rig, _eth("1000"))
    await _watched(rig, owner)
    assert faults.standing == ()


async def test_the_fee_of_the_pair_that_is_traded_is_reserved(rig: Rig) -> None:
    """Case R9: BTC/USD costs this account nothing, ETH/USD 0.35 %: an entry of all the cash leaves room for that."""
    rig.account = replace(rig.account, taker_fee=Decimal(0), pair_fees={ETH_USD: Decimal("0.0035")})
    owner = await rig.start()
    assert (await _account(rig))["taker_fee"] == "0"
    await _published(rig, _eth("1000"))
    entry = rig.entry("0.05")
    assert entry.copy is not None
    all_of_it = replace(entry.copy, base_size=Quantity(Decimal(10), "ETH"), limit_price=_eth("1000"))
    report = await rig.carry(owner, replace(entry, symbol=ETH_USD, copy=all_of_it))
    assert report.outcome is OrderState.FILLED, report.reason
    assert report.filled_size is not None
    assert Decimal(9900) < report.filled_size * 1000 * Decimal("1.0035") <= Decimal(10_000)
    assert rig.account.balances["USD"] >= 0

    await owner.context.account.read()  # from now on its own fee is known, and the engine sizes by the dearest of both
    assert owner.context.account.fees.of(ETH_USD) == Decimal("0.0035")
    assert (await _account(rig))["taker_fee"] == "0.0035"


async def test_what_is_on_its_way_is_reserved_with_the_fee_of_its_own_pair(rig: Rig) -> None:
    """Case R9, two at once: an order on a dear pair that is not settled yet leaves the other less."""
    rig.account = replace(rig.account, taker_fee=Decimal(0), pair_fees={ETH_USD: Decimal("0.0035")})
    owner = await rig.start()
    owner.context.account.fees.learn(ETH_USD, Decimal("0.0035"))
    await _published(rig, _eth("1000"), btc_price(60_000))
    gate = owner.venue.hold("place")
    entry = rig.entry("0.05")
    assert entry.copy is not None
    half = replace(entry.copy, base_size=Quantity(Decimal(5), "ETH"), limit_price=_eth("1000"))
    first = await rig.begin(owner, replace(entry, symbol=ETH_USD, copy=half))

    async def sending() -> bool:
        return bool(owner.venue.calls["place"])

    await until(sending, "the first is being sent")
    second = await rig.begin(owner, rig.entry("0.0833333", limit="60000"))
    await asyncio.sleep(0.05)  # it waits in the lane; if it is late, it is judged by the cash that the first has left
    gate.set()
    await first
    await second
    assert {report.outcome for report in await rig.reports()} == {OrderState.FILLED}
    assert Decimal(0) <= rig.account.balances["USD"] < Decimal(1)
    position = await rig.position()
    assert position is not None
    assert position.size < btc("0.0833333")  # cut by the fee of the other


async def test_a_balance_that_cannot_be_read_counts_nothing_and_makes_no_loss_larger(rig: Rig, owner: Owner) -> None:
    rig.account.balances["BTC"] = Decimal("0.1")
    rig.account.unreadable_balances.add("BTC")
    await owner.context.account.read()
    found = await _account(rig)
    assert (found["equity"], found["reason"]) == (
        "10000",
        "the equity is counted low: the balance of BTC could not be read",
    )
    measured = owner.context.account.for_losses()
    assert measured is not None
    assert measured.equity is None
