"""From a copied buy to the last sale: nothing that copying bought is left behind, and nothing else is sold."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import assume, given, strategies as st

from shared.domain.exits import size_exit
from shared.domain.limits.policy import GuardPolicy
from shared.domain.position import Position
from shared.domain.sizing import Skip, size_entry
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price, Quantity
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_instrument, btc, btc_price, usd

prices = st.decimals(min_value="0.01", max_value=200_000, places=4)
sizes = st.decimals(min_value="0.001", max_value=100, places=8)
fees = st.decimals(min_value=0, max_value="0.02", places=5)
lots = st.sampled_from([Decimal(text) for text in ("0.00000001", "0.00001", "0.001", "0.003")])
ticks = st.sampled_from([Decimal(text) for text in ("0.1", "0.01", "0.00001")])
fractions = st.decimals(min_value="0.01", max_value="0.99", places=4)


@dataclass
class Venue:
    """An account that fills whatever it is sent, as long as it can pay or deliver."""

    instrument: Instrument
    fee: Decimal
    cash: Decimal
    coins: Decimal = Decimal(0)
    fee_in_base: bool = False
    position: Position = field(default_factory=lambda: Position.flat(BTC_USD, NOW))

    def buy(self, size: Quantity, price: Price) -> None:
        cost, arrived = size * price, size
        if self.fee_in_base:
            arrived = size.scaled(1 - self.fee)
        else:
            cost = cost.scaled(1 + self.fee)
        assert cost.amount <= self.cash, "the venue refuses: insufficient funds"
        self.cash -= cost.amount
        self.coins += arrived.amount
        self.position = self.position.bought(arrived, cost, NOW)

    def sell(self, fraction: Decimal, price: Price) -> Quantity:
        """Close as the executor would; answers what was sold."""
        outcome = size_exit(self.position, fraction, self.instrument, price)
        if isinstance(outcome, Skip):
            return Quantity(Decimal(0), "BTC")
        assert outcome.size.amount <= self.coins, "the venue refuses: insufficient funds"
        self.coins -= outcome.size.amount
        self.cash += (outcome.size * price).scaled(1 - self.fee).amount
        self.position = self.position.sold(outcome.size, NOW)
        return outcome.size


def a_venue(lot: Decimal, tick: Decimal, fee: Decimal, *, fee_in_base: bool = False, own_coins: str = "0") -> Venue:
    instrument = an_instrument(lot_step=lot, tick=tick, min_size=lot, min_cost=Decimal(0))
    return Venue(instrument, fee, Decimal(10_000), Decimal(own_coins), fee_in_base)


def copy_entry(venue: Venue, size: Decimal, price: Decimal) -> None:
    """Buy what a user with 10,000 copies of a master's entry, at the price the entry is bound to."""
    account = an_account(equity=usd(10_000), cash=usd(venue.cash), taker_fee=venue.fee)
    signal = an_entry(base_size=btc(size), price=btc_price(price))
    policy = a_policy(guards=GuardPolicy(max_slippage_bps=Decimal(50)))
    assume(btc_price(price).shifted(Decimal(50)).floored(venue.instrument.tick).amount > 0)
    sized = size_entry(signal, account, policy, venue.instrument)
    assume(not isinstance(sized, Skip))
    assert not isinstance(sized, Skip)
    venue.buy(sized.size, sized.limit_price)


@given(sizes, prices, prices, fees, lots, ticks)
def test_buy_x_then_sell_all_leaves_zero(
    size: Decimal, bought_at: Decimal, sold_at: Decimal, fee: Decimal, lot: Decimal, tick: Decimal
) -> None:
    venue = a_venue(lot, tick, fee)
    copy_entry(venue, size, bought_at)
    bought = venue.coins
    assert venue.sell(Decimal(1), btc_price(sold_at)) == btc(bought)
    assert venue.coins == 0
    assert venue.position.size == btc(0)
    assert venue.position.cost == usd(0)


@given(sizes, prices, prices, fees, lots, ticks, fractions)
def test_second_partial_close(
    size: Decimal, bought_at: Decimal, sold_at: Decimal, fee: Decimal, lot: Decimal, tick: Decimal, fraction: Decimal
) -> None:
    """A second close takes its fraction of what the first has left; then a close of all leaves zero."""
    venue = a_venue(lot, tick, fee)
    copy_entry(venue, size, bought_at)
    for part in (fraction, fraction):
        held = venue.position.size
        sold = venue.sell(part, btc_price(sold_at))
        exact = held.scaled(part)
        if exact.amount >= lot and (held - exact.floored(lot)).amount >= lot:
            assert sold == exact.floored(lot)
    venue.sell(Decimal(1), btc_price(sold_at))
    assert venue.coins == 0
    assert venue.position.size == btc(0)


@given(sizes, prices, prices, fees, lots, ticks)
def test_fee_taken_in_base_leaves_less_than_bought(
    size: Decimal, bought_at: Decimal, sold_at: Decimal, fee: Decimal, lot: Decimal, tick: Decimal
) -> None:
    """What arrived is what can be sold: never more, and all but what is less than one lot."""
    venue = a_venue(lot, tick, fee, fee_in_base=True)
    copy_entry(venue, size, bought_at)
    arrived = venue.coins
    sold = venue.sell(Decimal(1), btc_price(sold_at))
    assert sold.amount <= arrived
    assert arrived - sold.amount < lot
    assert venue.position.size == btc(venue.coins)


@given(sizes, prices, fees, lots, ticks, fractions)
def test_coins_that_the_user_brought_himself_are_never_sold(
    size: Decimal, price: Decimal, fee: Decimal, lot: Decimal, tick: Decimal, fraction: Decimal
) -> None:
    venue = a_venue(lot, tick, fee, own_coins="7.5")
    copy_entry(venue, size, price)
    venue.coins += 3  # a deposit between the entry and the exit
    venue.sell(fraction, btc_price(price))
    venue.sell(Decimal(1), btc_price(price))
    assert venue.coins == Decimal("10.5")
