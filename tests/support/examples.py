"""Typical values for tests: a master with 10,000 USD who buys 0.1 BTC at 60,000, and alice, who has 5,000 USD."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from shared.domain.account import Account, AccountState
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Copy, Decision, Kind, Side, order_id
from shared.domain.signal import Signal, Source
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol

BTC_USD: Final = Symbol("BTC", "USD")
NOW: Final = 1_763_829_000_000
"""Epoch ms of the fill of every example signal."""


def an_id(name: str) -> str:
    """Return a UUID that is the same for the same name."""
    return str(uuid5(UUID(int=0), name))


def usd(amount: str | Decimal | int) -> Money:
    """Return an amount of dollars."""
    return Money(Decimal(amount), "USD")


def btc(amount: str | Decimal | int) -> Quantity:
    """Return an amount of bitcoin."""
    return Quantity(Decimal(amount), "BTC")


def btc_price(amount: str | Decimal | int) -> Price:
    """Return a price of bitcoin in dollars."""
    return Price(Decimal(amount), BTC_USD)


def an_instrument(**changes: Any) -> Instrument:
    """Give Kraken's BTC/USD."""
    usual = Instrument(BTC_USD, Decimal("0.00000001"), Decimal("0.1"), Decimal("0.00005"), Decimal("0.5"))
    return replace(usual, **changes)


def an_entry(name: str = "signal", **changes: Any) -> Signal:
    """Return the signal of a master's buy; a name gives an id."""
    usual = Signal(
        id=an_id(name),
        venue="kraken",
        symbol=BTC_USD,
        side=Side.BUY,
        kind=Kind.ENTRY,
        base_size=btc("0.1"),
        quote_size=usd(6000),
        price=btc_price(60000),
        fraction=None,
        position_before=btc(0),
        position_after=btc("0.1"),
        master_equity=usd(10000),
        master_order_id=an_id("master order"),
        source=Source.STRATEGY,
        strategy="sma",
        stop_loss=None,
        take_profit=None,
        filled_at=NOW,
        emitted_at=NOW + 20,
    )
    return replace(usual, **changes)


def an_exit(name: str = "signal", fraction: str = "1", **changes: Any) -> Signal:
    """Return the signal of a master's sale of a fraction of what it holds."""
    sold = Decimal("0.1") * Decimal(fraction)
    close = an_entry(
        name,
        side=Side.SELL,
        kind=Kind.EXIT,
        fraction=Decimal(fraction),
        base_size=btc(sold),
        position_before=btc("0.1"),
        position_after=btc(Decimal("0.1") - sold),
    )
    return replace(close, **changes)


def an_account(user: str = "alice", **changes: Any) -> Account:
    """Return an account that is ready, with 5,000 USD and a fee of 0.4 %."""
    usual = Account(user, "kraken", AccountState.READY, "", usd(5000), usd(5000), Decimal("0.004"), NOW)
    return usual._replace(**changes)


def a_policy(user: str = "alice", **changes: Any) -> UserPolicy:
    """Return the default settings of a user."""
    return replace(UserPolicy(user=user, enabled=True, venues=("kraken",)), **changes)


def a_copied_entry(user: str = "alice", **changes: Any) -> Decision:
    """Return the decision to copy the example entry."""
    signal = an_entry()
    usual = Decision(
        id=order_id(signal.id, user, signal.venue),
        signal_id=signal.id,
        user=user,
        venue=signal.venue,
        symbol=signal.symbol,
        side=signal.side,
        kind=signal.kind,
        copy=Copy(base_size=btc("0.05"), fraction=None, limit_price=btc_price(60300), not_after=NOW + 30_000),
        reason="0.1 x 5,000/10,000 x 1.0 = 0.05",
        master_equity=signal.master_equity,
        user_equity=usd(5000),
        signal_at=signal.filled_at,
        emitted_at=NOW + 25,
    )
    return replace(usual, **changes)
