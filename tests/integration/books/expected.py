"""What a user of Shoal has made at the paper exchange, by the exchange's own trades alone: the sums of the product are compared
with these.

Nothing of Shoal's is read but the client ids of the orders that it sent: a trade is Shoal's if its order has one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Context, Decimal
from typing import Final

from services.paper_exchange.core.account import Account
from services.paper_exchange.core.order import Order, Trade

_EXACT: Final = Context(prec=200)
_STEP: Final = Decimal("1E-12")
"""The cost that is left after a sale is rounded to 12 decimals; see `shared/domain/position.py`."""
ZERO: Final = Decimal(0)


@dataclass
class CoinBooks:
    """The books of one coin: sums of trades, and what is held at its average cost."""

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    base_fees: Decimal = ZERO
    quote_fees: Decimal = ZERO
    cash: Decimal = ZERO
    held: Decimal = ZERO
    cost: Decimal = ZERO
    realized: Decimal = ZERO
    orders: set[str] = field(default_factory=set)

    def buy(self, trades: Iterable[Trade]) -> None:
        """Add a purchase: fees in quote are a part of its cost, fees in base lessen what is held."""
        for trade in trades:
            fee, base_fee = _fees(trade)
            self.bought += trade.size
            self.base_fees += base_fee
            self.quote_fees += fee
            self.cash -= trade.cost + fee
            self.held += trade.size - base_fee
            self.cost += trade.cost + fee

    def sell(self, trades: Iterable[Trade]) -> None:
        """Add a sale, all trades of one order at once: the cost that is left is in proportion, and rounded once."""
        before, proceeds = self.held, ZERO
        for trade in trades:
            fee, base_fee = _fees(trade)
            self.sold += trade.size
            self.base_fees += base_fee
            self.quote_fees += fee
            proceeds += trade.cost - fee
            self.held -= trade.size + base_fee
        left = ZERO
        if self.held > 0:
            left = _EXACT.quantize(_EXACT.divide(_EXACT.multiply(self.cost, self.held), before), _STEP)
        self.cash += proceeds
        self.realized = _EXACT.add(self.realized, _EXACT.subtract(_EXACT.add(proceeds, left), self.cost))
        self.cost = left


def books_of(account: Account, client_ids: Collection[str], renamed: Decimal = ZERO) -> dict[str, CoinBooks]:
    """Return the books of each coin from the trades of the orders with these client ids, in the order of the trades.

    `renamed` is how many NDOT one DOT has become at the end of the day, zero if it was not renamed.
    """
    found: dict[str, CoinBooks] = {}
    done: set[str] = set()
    for trade in account.trades:
        order = trade.order
        if order.ticket.client_id not in client_ids or order.id in done:
            continue
        done.add(order.id)
        if order.instrument.base == "NDOT":
            _move(found, renamed)
        coin = found.setdefault(order.instrument.base, CoinBooks())
        coin.orders.add(order.id)
        (coin.buy if order.side == "buy" else coin.sell)(order.trades)
    if renamed:
        _move(found, renamed)
    return found


def _move(found: dict[str, CoinBooks], ratio: Decimal) -> None:
    """Move what is held of DOT to NDOT, with its cost."""
    before = found.get("DOT")
    if before is None or not before.held:
        return
    after = found.setdefault("NDOT", CoinBooks())
    after.held, after.cost = before.held * ratio, before.cost
    before.held = before.cost = ZERO


def value_of(books: Iterable[tuple[CoinBooks, Decimal]]) -> Decimal:
    """Return what is held at these prices."""
    total = ZERO
    for coin, price in books:
        total = _EXACT.add(total, _EXACT.multiply(coin.held, price))
    return total


def worth(account: Account, prices: dict[str, Decimal]) -> Decimal:
    """Return what a whole account is worth, by its balances."""
    total = account.balances["USD"]
    for asset, price in prices.items():
        total = _EXACT.add(total, _EXACT.multiply(account.balances[asset], price))
    return total


def filled_orders(account: Account, client_ids: Collection[str]) -> list[Order]:
    """Return the orders of these client ids that have filled."""
    return [each for each in account.orders.values() if each.filled and each.ticket.client_id in client_ids]


def _fees(trade: Trade) -> tuple[Decimal, Decimal]:
    """Return the fee in quote and the fee in base."""
    in_base = trade.fee_asset == trade.order.instrument.base
    return (ZERO, trade.fee) if in_base else (trade.fee, ZERO)
