"""What an account is worth in one currency, and whether that is fully known. The only place where holdings are valued.

Equity stands in a ratio, so a holding that is left out of it changes sizes: left out of a user's, they shrink; left out of the
master's, they grow. Hence what cannot be valued is named, never dropped: a master's equity with something unvalued is not known
at all, a user's counts without it and says so.

A holding is valued by its pair with the currency in either direction (`EUR/USD`, `USD/CAD`), else over one other asset (`HOPS`).
The dollar's coin counts as a dollar where the market has no price for it. Pure: the caller leaves out prices that are too old.
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
"""How long the last price of a holding serves while no newer one can be read: 10 minutes. An older one is not known."""
HOPS: Final = ("USD", "EUR", "USDT", "USDC", "BTC", "ETH")
"""Assets over which a holding without a pair of its own with the currency is valued, in the order in which they are tried."""
DUST: Final = Decimal("0.00001")
"""Without a price no worth can be told, so the amount decides: this much of the dearest coin is about a dollar."""

Rate = Callable[[str, str], Decimal | None]


@dataclass(frozen=True, slots=True)
class Valuation:
    """Cash and holdings in the currency of `worth`, and what is not in it.

    `unvalued` are holdings above dust that have no known value; `unread` are assets whose very amount is not known.
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
        """Return what the account is worth at least; None if what has no value may be a debt."""
        return None if any(each.amount < 0 for each in self.unvalued) else self.worth

    @property
    def missing(self) -> str:
        """Say what has no known value: `no price for 9,000 XYZ`; an empty text if nothing."""
        unvalued = ", ".join(f"{_grouped(each.amount)} {each.asset}" for each in self.unvalued)
        said = [f"no price for {unvalued}"] if unvalued else []
        if self.unread:
            said.append(f"the balance of {', '.join(self.unread)} could not be read")
        return "; ".join(said)


def value(
    cash: Money,
    holdings: Mapping[str, Decimal],
    prices: Mapping[Symbol, Price],
    *,
    minimums: Mapping[str, Decimal] | None = None,
    ignored: Collection[str] = (),
    unread: Iterable[str] = (),
) -> Valuation:
    """Value `cash` and the other holdings (amounts by plain name of the coin), taken the same way for the master and all users.

    `minimums` are the smallest orders of assets (see `smallest_orders`), for telling dust; `ignored` assets are left out on
    purpose; of `unread` ones the amount itself is not known.
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
    """Name the pairs whose prices value an asset: one, or two over a hop; none if the venue lists no way."""
    for quote in (currency, *sorted(like(currency))):
        if (pair := _pair(asset, quote, listed)) is not None:
            return (pair,)
    for hop in HOPS:
        first, second = _pair(asset, hop, listed), _pair(hop, currency, listed)
        if hop not in {asset, currency} and first is not None and second is not None:
            return first, second
    return ()


def smallest_orders(minimums: Iterable[tuple[Symbol, Decimal]], assets: Container[str]) -> dict[str, Decimal]:
    """Find the smallest order of each of these assets among all pairs of it; `minimums` are those of the pairs, in base units."""
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
    """Read prices in either direction: the rate turns an amount of the first asset into one of the second."""

    def rate(asset: str, quote: str) -> Decimal | None:
        if (price := prices.get(Symbol(asset, quote))) is not None:
            return price.amount
        inverse = prices.get(Symbol(quote, asset))
        return None if inverse is None or inverse.amount <= 0 else ONE / inverse.amount

    return rate


def _value_of(asset: str, currency: str, rate: Rate) -> Decimal | None:
    """Find what one unit of an asset is worth in a currency; None if that is not known."""
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
