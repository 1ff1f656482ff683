"""An account as it is written with a trade's end: the same as if all its balances were valued again, by the trade's own price."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from services.executor.account.balances.account_after_trade import AccountAfterTrade, account_after
from services.executor.account.balances.carried_balances import carried
from shared.domain.account import Account
from shared.domain.order import Side
from shared.domain.valuation import value
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.holdings import owned
from shared.venues.port import Balance, Balances, VenueOrder, VenueOrderStatus
from tests.support.examples import an_account, usd

BTC, ETH = Symbol("BTC", "USD"), Symbol("ETH", "USD")
_AMOUNTS = st.decimals(min_value="0.001", max_value=1000, places=3)


def order(side: Side, size: Decimal, price: Decimal, fee: Decimal, fee_asset: str) -> VenueOrder:
    return VenueOrder(
        venue_order_id="O1",
        client_order_id="c1",
        symbol=BTC,
        side=side,
        status=VenueOrderStatus.DONE,
        filled=Quantity(size, "BTC"),
        cost=Money(size * price, "USD"),
        fee=fee,
        fee_asset=fee_asset,
        opened_at=0,
        closed_at=1,
    )


def valued(balances: Balances, prices: dict[Symbol, Price]) -> Account:
    """Return the account as a reading of all balances and prices would state it."""
    holdings = owned(balances)
    equity = value(Money(holdings.get("USD", ZERO), "USD"), holdings, prices).at_least
    return an_account(equity=equity, cash=Money(balances["USD"].free, "USD"))


@given(
    st.one_of(st.just(ZERO), _AMOUNTS),
    st.lists(
        st.tuples(st.sampled_from(list(Side)), _AMOUNTS, _AMOUNTS, _AMOUNTS, st.sampled_from(["USD", "BTC"])),
        min_size=1,
        max_size=6,
    ),
)
def test_trades_one_by_one_come_to_what_a_valuation_of_everything_comes_to(
    held: Decimal, trades: list[tuple[Side, Decimal, Decimal, Decimal, str]]
) -> None:
    balances = Balances(
        {
            "USD": Balance("USD", Decimal(1_000), Decimal(900)),
            "ETH": Balance("ETH", Decimal(2), Decimal(2)),
            "BTC": Balance("BTC", held, held),
        }
    )
    prices = {ETH: Price(Decimal(3_000), ETH), BTC: Price(Decimal(70), BTC)}
    account = valued(balances, prices)
    for each in trades:
        ended = order(*each)
        found = account_after(account, balances, ended, prices[BTC])
        assert found is not None
        account, balances = found, carried(balances, [ended])
        average = ended.average_price
        assert average is not None
        prices[BTC] = average
    expected = valued(balances, prices)
    assert account.cash is not None
    assert expected.cash is not None
    assert account.equity is not None
    assert expected.equity is not None
    assert abs(account.cash.amount - expected.cash.amount) < Decimal("1e-15")
    assert abs(account.equity.amount - expected.equity.amount) < Decimal("1e-15")


_BUY = order(Side.BUY, Decimal(1), Decimal(70), Decimal("0.1"), "USD")
_BALANCES = Balances({"USD": Balance("USD", Decimal(900), Decimal(900)), "BTC": Balance("BTC", Decimal(1), Decimal(1))})
_PRICE = Price(Decimal(70), BTC)


@pytest.mark.parametrize(
    ("account", "balances", "ended", "valued_at"),
    [
        pytest.param(an_account(equity=None), _BALANCES, _BUY, _PRICE, id="an equity that is not known"),
        pytest.param(an_account(cash=None), _BALANCES, _BUY, _PRICE, id="cash that is not known"),
        pytest.param(
            an_account(reason="the equity is counted low"), _BALANCES, _BUY, _PRICE, id="an equity counted low"
        ),
        pytest.param(an_account(cash=Money(Decimal(900), "EUR")), _BALANCES, _BUY, _PRICE, id="another currency"),
        pytest.param(an_account(), _BALANCES, replace(_BUY, fee_asset="KFEE"), _PRICE, id="a fee in a third asset"),
        pytest.param(an_account(), Balances({}, ["BTC"]), _BUY, _PRICE, id="coins that could not be read"),
        pytest.param(an_account(), Balances({}, ["USD"]), _BUY, _PRICE, id="cash that could not be read"),
        pytest.param(an_account(), _BALANCES, _BUY, None, id="coins that were not valued"),
        pytest.param(an_account(), _BALANCES, replace(_BUY, filled=Quantity(ZERO, "BTC")), _PRICE, id="nothing filled"),
    ],
)
def test_what_does_not_follow_is_left_to_a_valuation_of_everything(
    account: Account, balances: Balances, ended: VenueOrder, valued_at: Price | None
) -> None:
    assert account_after(account, balances, ended, valued_at) is None


def test_only_what_a_trade_changes_is_written() -> None:
    account = an_account(equity=usd("5000.10"), cash=usd("10"))
    assert AccountAfterTrade(account, 1).fields == {"equity": "5000.1", "cash": "10"}
