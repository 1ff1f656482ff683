"""Nobody receives more than the ratio of the two equities as they truly are, whatever of them is unknown. Cases D1, R9."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings, strategies as st

from shared.domain.copying.decision_plan import decide
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import SizingMode, SizingPolicy
from shared.domain.valuation import DUST, route, value
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.holdings import owned
from shared.venues.kraken import parse
from shared.venues.kraken.symbols import AssetNames
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_instrument, btc, btc_price, usd
from tests.support.property_examples import scaled

WORTH = {
    "BTC": Decimal(60_000), "ETH": Decimal(3_000), "EUR": Decimal("1.1"), "CAD": Decimal("0.8"), "SOL": Decimal(150),
    "XYZ": Decimal(1), "NEW": Decimal(40),
}  # fmt: skip
"""What one unit of each asset is truly worth in dollars, whether a price is known or not."""
LISTED = [Symbol.parse(name) for name in ("BTC/USD", "ETH/USD", "SOL/USD", "BTC/EUR", "ETH/BTC", "USD/CAD", "XYZ/EUR")]
"""No pair trades NEW, and XYZ has none with the dollar."""


def _true_price(symbol: Symbol) -> Price:
    worth = {**WORTH, "USD": Decimal(1)}
    return Price(worth[symbol.base] / worth[symbol.quote], symbol)


amounts = st.decimals(min_value=DUST, max_value=1_000, places=5)
holdings = st.dictionaries(st.sampled_from(sorted(WORTH)), amounts, max_size=5)
seen = st.sets(st.sampled_from(LISTED))
"""The pairs whose price could be read."""
cash = st.decimals(min_value=0, max_value=100_000, places=2)
lots = st.sampled_from([Decimal("1E-8"), Decimal("0.001"), Decimal(1)])


def _worth(money: Decimal, held: dict[str, Decimal]) -> Fraction:
    return Fraction(money) + sum(Fraction(amount) * Fraction(WORTH[asset]) for asset, amount in held.items())


@settings(max_examples=scaled(500))
@given(cash, holdings, seen, cash, holdings, seen, st.decimals(min_value="0.1", max_value=5, places=1), lots)
def test_nobody_receives_more_than_the_ratio(
    masters_cash: Decimal,
    masters: dict[str, Decimal],
    seen_of_masters: set[Symbol],
    users_cash: Decimal,
    users: dict[str, Decimal],
    seen_of_users: set[Symbol],
    times: Decimal,
    lot: Decimal,
) -> None:
    of_master = value(usd(masters_cash), masters, {symbol: _true_price(symbol) for symbol in seen_of_masters})
    of_user = value(usd(users_cash), users, {symbol: _true_price(symbol) for symbol in seen_of_users})
    signal = an_entry(master_equity=of_master.equity, equity_reason=of_master.missing)
    account = an_account(equity=of_user.at_least, cash=usd(10**9), as_of=NOW)
    policy = a_policy(sizing=SizingPolicy(multiplier=times))
    instrument = an_instrument(lot_step=lot, min_size=Decimal(0), min_cost=Decimal(0))
    decision = decide(signal, Follower(policy, account, ()), instrument, NOW)
    if decision.copy is None or decision.copy.base_size is None:
        return
    true = _worth(users_cash, users) / _worth(masters_cash, masters)
    # Rates over a hop are divisions, exact to 27 digits.
    most = Fraction(signal.base_size.amount) * true * Fraction(times) * (1 + Fraction(1, 10**24))
    assert Fraction(decision.copy.base_size.amount) <= most


def _balances(extended: dict[str, str]) -> dict[str, Decimal]:
    """Read balances as Kraken tells them; answers what is owned of each coin."""
    return owned(parse.balances(AssetNames(), {name: {"balance": amount} for name, amount in extended.items()}))


def _bought(master: dict[str, str], prices: dict[Symbol, Price], instrument: Instrument) -> tuple[Decimal, str]:
    """Let the master buy for 300 dollars and alice with 5,000 copy it; return the dollars of the copy and the reason."""
    held = _balances(master)
    valued = value(usd(held["USD"]), held, prices)
    signal = an_entry(base_size=btc("0.005"), quote_size=usd(300), master_equity=valued.equity)
    signal = replace(signal, equity_reason=valued.missing)
    decision = decide(signal, Follower(a_policy(), an_account(), ()), instrument, NOW)
    size = decision.copy.base_size.amount if decision.copy and decision.copy.base_size else Decimal(0)
    return size * 60_000, decision.reason


def test_what_the_master_has_staked_counts_in_its_equity() -> None:
    """Case D1: 1,000 USD and 9,000 USD worth in `XBT.F`: alice's 5,000 are half of it, not five times as much."""
    dollars, reason = _bought({"ZUSD": "1000", "XBT.F": "0.15"}, {BTC_USD: btc_price(60_000)}, an_instrument())
    assert (dollars, reason.split(",")[0]) == (Decimal(150), "0.005 x 5")


def test_equity_that_is_not_fully_known_skips() -> None:
    """Case D1: what has no price is not left out of the denominator."""
    dollars, reason = _bought({"ZUSD": "1000", "XYZ": "9000"}, {BTC_USD: btc_price(60_000)}, an_instrument())
    assert (dollars, reason) == (Decimal(0), "the master's equity is not fully known: no price for 9,000 XYZ")


def test_ways_of_sizing_that_need_no_equity_of_the_master_go_on() -> None:
    signal = an_entry(master_equity=None, equity_reason="no price for 9,000 XYZ")
    copied = {}
    for mode in SizingMode:
        policy = a_policy(sizing=SizingPolicy(mode=mode, quote_amount=Decimal(100)))
        follower = Follower(policy, an_account(equity=usd(50_000), cash=usd(50_000)), (), master_cash=usd(10_000))
        copied[mode] = decide(signal, follower, an_instrument(), NOW).copy is not None
    assert copied == {
        SizingMode.EQUITY: False,
        SizingMode.CASH: True,
        SizingMode.FIXED_QUOTE: True,
        SizingMode.MULTIPLIER: True,
    }


def test_a_holding_with_a_way_to_the_currency_is_asked_for() -> None:
    assert route("XYZ", "USD", LISTED) == ()  # XYZ/EUR is there, EUR/USD is not
    assert route("EUR", "USD", LISTED) == (Symbol("BTC", "EUR"), BTC_USD)
