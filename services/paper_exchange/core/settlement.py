"""The effect of a fill on an account: balances, fees, holds, the order's sums. The only place that moves money for a trade."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Final

from services.paper_exchange.core.account import Account, MarginPosition
from services.paper_exchange.core.events import Change
from services.paper_exchange.core.faults import VenueFaults
from services.paper_exchange.core.fees import FeeSchedule
from services.paper_exchange.core.ids import Ids
from services.paper_exchange.core.instrument import ZERO, Side
from services.paper_exchange.core.order import Order, Ticket, Trade

PERCENT: Final = Decimal("0.01")


class Settlement:
    """Books fills and computes holds with the account's fee tier."""

    def __init__(self, fees: FeeSchedule, ids: Ids, faults: VenueFaults) -> None:
        self.fees = fees
        self._ids = ids
        self._faults = faults
        self._number = 0

    def rate(self, account: Account, now: float, *, maker: bool) -> Decimal:
        """Return the account's fee rate, as a share of the cost."""
        tier = self.fees.tier(account.volume.total(now))
        return (tier.maker if maker else tier.taker) * PERCENT

    def need(self, account: Account, ticket: Ticket, size: Decimal, price: Decimal, now: float) -> tuple[str, Decimal]:
        """Return the asset and amount that an order of this size and price holds, its fee included."""
        instrument = ticket.instrument
        rate = self.rate(account, now, maker=False)
        if ticket.leverage:
            cost = price * size
            return instrument.quote, (cost / ticket.leverage + cost * rate).quantize(instrument.cent, ROUND_UP)
        if ticket.side is Side.BUY:
            cost = price * size
            if not ticket.fee_in_base:
                cost += cost * rate
            return instrument.quote, cost.quantize(instrument.cent, ROUND_UP)
        if ticket.fee_in_base:
            size = (size + size * rate).quantize(instrument.lot, ROUND_UP)
        return instrument.base, size

    def fill(self, order: Order, price: Decimal, size: Decimal, now: float, *, maker: bool) -> Trade:
        """Book one fill."""
        account, ticket, instrument = order.account, order.ticket, order.instrument
        cost = (price * size).quantize(instrument.cent, ROUND_HALF_UP)
        rate = self.rate(account, now, maker=maker)
        balances = account.balances
        if ticket.leverage:
            balances[instrument.quote] += self._on_margin(order, price, size, now)
        elif ticket.side is Side.BUY:
            balances[instrument.base] += size
            balances[instrument.quote] -= cost
        else:
            balances[instrument.base] -= size
            balances[instrument.quote] += cost
        if ticket.fee_in_base:
            fee, fee_asset = (size * rate).quantize(instrument.lot, ROUND_HALF_UP), instrument.base
        else:
            fee, fee_asset = (cost * rate).quantize(instrument.cent, ROUND_HALF_UP), instrument.quote
        balances[fee_asset] -= fee
        self._number += 1
        trade = Trade(
            self._ids.make("T"),
            self._number,
            order,
            now,
            price,
            size,
            cost,
            fee,
            fee_asset,
            maker,
            balances[instrument.base],
            balances[instrument.quote],
        )
        order.trades.append(trade)
        order.filled += size
        order.cost += cost
        order.fee += fee
        account.trades.append(trade)
        account.trades_by_id[trade.id] = trade
        account.entries.append(trade)
        account.volume.add(now, cost)
        if self._faults.armed:
            self._lag(trade, now)
        account.tell(order, Change.TRADED, trade)
        return trade

    def _on_margin(self, order: Order, price: Decimal, size: Decimal, now: float) -> Decimal:
        """Book a fill into the margin position. Return its profit or loss in quote."""
        positions, symbol = order.account.positions, order.instrument.symbol
        position = positions.setdefault(symbol, MarginPosition(self._ids.make("T"), order.id, now))
        made = position.trade(size if order.side is Side.BUY else -size, price)
        if position.size == 0:
            del positions[symbol]
        return made.quantize(order.instrument.cent, ROUND_HALF_UP)

    def rehold(self, order: Order, now: float) -> None:
        """Set an open order's hold to what its unfilled size needs."""
        asset, amount = self.rest_needs(order, now)
        order.account.hold(order, asset, amount)

    def rest_needs(self, order: Order, now: float) -> tuple[str, Decimal]:
        """Return the asset and amount that the unfilled size of an open order holds while it waits."""
        price = order.hold_price
        if order.side is Side.BUY and price is None:
            return order.instrument.quote, ZERO
        return self.need(order.account, order.ticket, order.remaining, price or ZERO, now)

    def _lag(self, trade: Trade, now: float) -> None:
        order = trade.order
        switch = self._faults.effect("balance_lags_fill", order.account.user, symbol=order.instrument.symbol)
        if switch is not None and not order.ticket.leverage:
            buying = order.side is Side.BUY
            asset = order.instrument.base if buying else order.instrument.quote
            credit = trade.size if buying else trade.cost
            if trade.fee_asset == asset:
                credit -= trade.fee
            order.account.lagging.append((now + switch.seconds, asset, credit))
