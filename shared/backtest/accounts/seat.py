"""One strategy in the master's account: what it holds itself, its exit plans, and its orders for the next candle.

Orders are sized when they are decided, by the rules of the live master, and fill later. A seat sells only what it bought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.backtest.accounts.entry_gap import EntryGap
from shared.backtest.accounts.skip_counts import SkipCounts
from shared.backtest.accounts.strategy_setup import StrategySetup
from shared.domain.exits import ExitSize, size_exit
from shared.domain.order import Kind, Side
from shared.domain.position import Position
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.frame import EntryHistory
from shared.strategies.order_plan import OrderPlan, plan_entry, plan_exit
from shared.strategies.port import Context, Exit, Holding, Intent
from shared.venues.port import Candle

FUNDS: Final = "venue_funds"
NOT_REACHED: Final = "limit_not_reached"
CAP: Final = "cap"
GAP: Final = "no_candle"


@dataclass(frozen=True, slots=True)
class WaitingOrder:
    """An order that was decided at the close of a candle and fills at the open of the next one."""

    order: OrderPlan
    exits: ExitPlan | None
    """Recorded with the position once it has filled."""


Trade = Callable[[Symbol, Side, Quantity, Price, Decimal, int, str], None]
"""Books a fill in the master's account: symbol, side, size, price, reference, instant (epoch ms), reason."""


class Seat:
    """`fill_price` is the price of the master's fill for a side, a reference and an instrument."""

    def __init__(
        self,
        setup: StrategySetup,
        instruments: Mapping[Symbol, Instrument],
        *,
        trade: Trade,
        can_buy: Callable[[Quantity, Price], bool],
        fill_price: Callable[[Side, Decimal, Instrument], Price],
        taker_fee: Decimal,
        gap: EntryGap,
    ) -> None:
        self._gap = gap
        self.setup = setup
        self._instruments = instruments
        self._trade = trade
        self._can_buy = can_buy
        self._fill_price = fill_price
        self._taker_fee = taker_fee
        self.positions: dict[Symbol, Position] = {}
        self.plans: dict[Symbol, ExitPlan] = {}
        self.skips = SkipCounts()
        self._orders: dict[Symbol, WaitingOrder] = {}
        self._history = EntryHistory()
        self._holdings: dict[Symbol, Holding] = {}

    def decide(self, candles: Mapping[Symbol, Sequence[Candle]], now: int, equity: Money, cash: Money) -> None:
        """Let the strategy decide at the close of candles; `equity` is its share, `cash` the account's.

        Raises InvalidIntent, and whatever the strategy raises.
        """
        context = Context(now=now, candles=candles, holdings=self._holdings, equity=equity)
        decided = self.setup.frame.decide(context, self._history)
        for refused in decided.refused:
            self.skips.add(Kind.ENTRY, CAP, refused.reason)
        for intent in decided.intents:
            if intent.symbol not in self._orders:  # else an exit waits for a candle
                self._order(intent, Price(candles[intent.symbol][-1].close, intent.symbol), now, equity, cash)

    def _order(self, intent: Intent, close: Price, now: int, equity: Money, cash: Money) -> None:
        symbol, instrument, bps = intent.symbol, self._instruments[intent.symbol], self.setup.limit_slippage_bps
        sized: OrderPlan | Skip
        if isinstance(intent, Exit):
            sized = plan_exit(intent, instrument, close, position=self.positions[symbol], free=None, slippage_bps=bps)
        elif refused := self._gap.refusal(now):
            self.skips.add(Kind.ENTRY, CAP, refused)
            return
        else:
            sized = plan_entry(
                intent, instrument, close, equity=equity, cash=cash, taker_fee=self._taker_fee, slippage_bps=bps
            )
        if isinstance(sized, Skip):
            self.skips.add(Kind.EXIT if isinstance(intent, Exit) else Kind.ENTRY, sized.code, sized.reason)
        elif isinstance(intent, Exit):
            self._orders[symbol] = WaitingOrder(sized, None)
        else:
            self._orders[symbol] = WaitingOrder(sized, intent.plan)
            self._history = self._history.entered(now)
            self._gap.entered(now)

    def open(self, symbol: Symbol, candle: Candle, *, on_time: bool) -> None:
        """Fill what waits for a candle at its open. An entry does not wait for a candle that is late; an exit does."""
        waiting = self._orders.pop(symbol, None)
        if waiting is None:
            return
        order, instrument = waiting.order, self._instruments[symbol]
        price = self._fill_price(order.side, candle.open, instrument)
        if order.side is Side.SELL:
            self._sell(symbol, order, price, candle)
        elif not on_time:
            self.skips.add(Kind.ENTRY, GAP, "the next candle is missing: the price is not known")
        elif _beyond(order, price):
            self.skips.add(Kind.ENTRY, NOT_REACHED, f"{price} is above the limit of {order.limit_price}")
        elif not self._can_buy(order.size, price):
            self.skips.add(Kind.ENTRY, FUNDS, f"the cash does not pay for {order.size} at {price}")
        else:
            self._buy(symbol, waiting, price, candle)

    def _buy(self, symbol: Symbol, waiting: WaitingOrder, price: Price, candle: Candle) -> None:
        order, at = waiting.order, candle.opened_at
        held = self.positions.get(symbol) or Position.flat(symbol, at)
        cost = order.size * price
        self._trade(symbol, Side.BUY, order.size, price, candle.open, at, order.reason)
        self.positions[symbol] = held.bought(order.size, cost + cost.scaled(self._taker_fee), at)
        if waiting.exits is not None:
            self.plans[symbol] = waiting.exits
        self._changed(symbol)

    def _sell(self, symbol: Symbol, order: OrderPlan, price: Price, candle: Candle) -> None:
        if _beyond(order, price):
            self.skips.add(Kind.EXIT, NOT_REACHED, f"{price} is below the limit of {order.limit_price}")
        elif (held := self.positions.get(symbol)) is not None:  # a stop may have sold it while the order waited
            size = min(order.size, held.size, key=lambda each: each.amount)
            self._book_sale(symbol, size, price, candle.open, candle.opened_at, order.reason)

    def _book_sale(
        self, symbol: Symbol, size: Quantity, price: Price, reference: Decimal, at: int, reason: str
    ) -> None:
        self._trade(symbol, Side.SELL, size, price, reference, at, reason)
        left = self.positions[symbol].sold(size, at)
        if left.size.amount:
            self.positions[symbol] = left
        else:
            del self.positions[symbol]
            self.plans.pop(symbol, None)
        self._changed(symbol)

    def low_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the price at or below which the plan sells."""
        plan = self.plans.get(symbol)
        return None if plan is None else plan.stop

    def high_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the price at or above which the plan sells."""
        plan = self.plans.get(symbol)
        return plan.targets[0].price if plan is not None and plan.targets else None

    def mark(self, symbol: Symbol) -> Decimal | None:
        """Return the price above which the stop follows."""
        plan = self.plans.get(symbol)
        return None if plan is None or plan.trail is None else plan.highest

    def see(self, symbol: Symbol, price: Decimal) -> None:
        """Have the plan see a price."""
        plan = self.plans.get(symbol)
        if plan is not None and (seen := plan.after_price(price)) is not plan:
            self.plans[symbol] = seen
            self._changed(symbol)

    def hit(self, symbol: Symbol, reference: Decimal, at: int) -> bool:
        """Sell what the plan sells at a price; return whether anything was sold."""
        plan = self.plans.get(symbol)
        due = None if plan is None else plan.due(reference)
        if plan is None or due is None:
            return False
        instrument = self._instruments[symbol]
        price = self._fill_price(Side.SELL, reference, instrument)
        sized = size_exit(self.positions[symbol], due.fraction, instrument, price)
        if not isinstance(sized, ExitSize):
            self.skips.add(Kind.EXIT, sized.code, sized.reason)
            return False
        self._book_sale(symbol, sized.size, price, reference, at, due.reason)
        if symbol in self.positions:
            self.plans[symbol] = plan.after_exit(due, reference)
            self._changed(symbol)
        return True

    def _changed(self, symbol: Symbol) -> None:
        """Show the strategy what it holds now: what is below the venue's minimum does not count."""
        position, instrument = self.positions.get(symbol), self._instruments[symbol]
        if position is None or position.size.amount < instrument.min_size:
            self._holdings.pop(symbol, None)
            return
        paid = Price(position.cost.amount / position.size.amount, symbol)
        self._holdings[symbol] = Holding(position.size, paid, position.opened_at, self.plans.get(symbol))


def _beyond(order: OrderPlan, price: Price) -> bool:
    """Return whether a price is beyond the order's limit."""
    limit = order.limit_price
    if limit is None:
        return False
    return price.amount > limit.amount if order.side is Side.BUY else price.amount < limit.amount
