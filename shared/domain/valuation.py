"""What an account is worth in one currency, and whether that is fully known. The only place where holdings are valued.

Sizes follow the ratio of two equities. A holding that is missing in the user's equity makes entries smaller; one that is missing
in the master's makes them larger. So a holding without a price is reported, never dropped: the master's equity is then unknown,
a user's is the known part and says so.

A holding is valued by its pair with the currency in either direction (`EUR/USD`, `USD/CAD`), else through one other asset
(`HOPS`). A dollar stablecoin counts as a dollar if the market has no price for it. Pure: the caller leaves out prices that are
too old.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.values.currency import alike, like
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

PRICE_SERVES_MS: Final = 600_000
"""How long the last price of a holding is used while no newer one can be read: 10 minutes."""
HOPS: Final = ("USD", "EUR", "USDT", "USDC", "BTC", "ETH")
"""Assets through which a holding without a direct pair is valued, in the order in which they are tried."""
DUST: Final = Decimal("0.00001")
"""Without a price there is no value, so the amount decides: this much of the most expensive coin is about a dollar."""

Rate = Callable[[str, str], Decimal | None]


@dataclass(frozen=True, slots=True)
class Valuation:
    """Cash and holdings in the currency of `worth`, and what is missing in it.

    `unvalued` are holdings above dust without a known value; `unread` are assets whose amount is not known.
    """

    worth: Money
    unvalued: tuple[Quantity, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is left out."""
        return not (self.unvalued or self.unread)

    @property
    def equity(self) -> Money | None:
        """Return the equity; None if it is not fully known."""
        return self.worth if self.whole else None

    @property
    def at_least(self) -> Money | None:
        """Return the least that the account is worth; None if a holding without a value may be a debt."""
        return None if any(each.amount < 0 for each in self.unvalued) else self.worth

    @property
    def missing(self) -> str:
        """Describe what has no known value: `no price for 9,000 XYZ`; an empty text if nothing."""
        unvalued = ", ".join(f"{_grouped(each.amount)} {each.asset}" for each in self.unvalued)
        parts = [f"no price for {unvalued}"] if unvalued else []
        if self.unread:
            parts.append(f"the balance of {', '.join(self.unread)} could not be read")
        return "; ".join(parts)


def value(
    cash: Money,
    holdings: Mapping[str, Decimal],
    prices: Mapping[Symbol, Price],
    *,
    minimums: Mapping[str, Decimal] | None = None,
    ignored: Collection[str] = (),
    unread: Iterable[str] = (),
) -> Valuation:
    """Return the value of `cash` and the other holdings (amounts by plain asset name); the same for the master and all users.

    `minimums` are the smallest orders of assets (see `smallest_orders`), which tell what is dust; `ignored` assets are left out
    on purpose; the amounts of `unread` ones are not known.
    """
    rate = _rates(prices)
    total, unvalued = cash, []
    for asset, amount in holdings.items():
        if asset == cash.currency or amount == 0 or asset in ignored:
            continue
        each = _value_of(asset, cash.currency, rate)
        if each is not None:
            total = total + Money(amount * each, cash.currency)
        elif abs(amount) >= max(DUST, (minimums or {}).get(asset, ZERO)):
            unvalued.append(Quantity(amount, asset))
    return Valuation(total, tuple(unvalued), tuple(sorted(set(unread) - set(ignored))))


def route(asset: str, currency: str, listed: Container[Symbol]) -> tuple[Symbol, ...]:
    """Return the pairs whose prices value an asset: one, two over a hop, or none if the venue lists no such pairs."""
    for quote in (currency, *sorted(like(currency))):
        if (pair := _pair(asset, quote, listed)) is not None:
            return (pair,)
    for hop in HOPS:
        first, second = _pair(asset, hop, listed), _pair(hop, currency, listed)
        if hop not in {asset, currency} and first is not None and second is not None:
            return first, second
    return ()


def smallest_orders(minimums: Iterable[tuple[Symbol, Decimal]], assets: Container[str]) -> dict[str, Decimal]:
    """Return the smallest order of each asset over all its pairs; `minimums` are those of the pairs, in base units."""
    found: dict[str, Decimal] = {}
    for symbol, least in minimums:
        if symbol.base in assets:
            found[symbol.base] = min(found.get(symbol.base, least), least)
    return found


def _pair(asset: str, quote: str, listed: Container[Symbol]) -> Symbol | None:
    for pair in (Symbol(asset, quote), Symbol(quote, asset)):
        if pair in listed:
            return pair
    return None


def _rates(prices: Mapping[Symbol, Price]) -> Rate:
    """Return a lookup of prices in either direction: the rate converts an amount of the first asset into the second."""

    def rate(asset: str, quote: str) -> Decimal | None:
        if (price := prices.get(Symbol(asset, quote))) is not None:
            return price.amount
        inverse = prices.get(Symbol(quote, asset))
        return None if inverse is None or inverse.amount <= 0 else ONE / inverse.amount

    return rate


def _value_of(asset: str, currency: str, rate: Rate) -> Decimal | None:
    """Return the value of one unit of an asset in a currency; None if it is not known."""
    for quote in (currency, *sorted(like(currency))):
        if asset != quote and (found := rate(asset, quote)) is not None:
            return found
    if alike(asset, currency):
        return ONE
    for hop in HOPS:
        first, second = rate(asset, hop), rate(hop, currency)
        if hop not in {asset, currency} and first is not None and second is not None:
            return first * second
    return None


def _grouped(amount: Decimal) -> str:
    whole, point, rest = plain(abs(amount)).partition(".")
    return f"{'-' if amount < 0 else ''}{int(whole):,}{point}{rest}"
