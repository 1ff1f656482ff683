"""One strategy in the master's account: what it holds itself, its exit plans, and its orders for the next candle.

Orders are sized when they are decided, by the rules of the live master, and fill later. A seat sells only what it bought.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from shared.backtest.accounts.entry_gap import EntryGap
from shared.backtest.accounts.skip_counts import SkipCounts
from shared.backtest.accounts.strategy_setup import StrategySetup
from shared.domain.exits import ExitSize, size_exit
from shared.domain.order import Kind, Side
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import ExitPlan
from shared.strategies.frame import EntryHistory
from shared.strategies.order_plan import OrderPlan, plan_entry, plan_exit
from shared.strategies.own_position import OwnPosition
from shared.strategies.port import Context, Exit, Holding, Intent, candles_needed
from shared.strategies.shown_holding import shown_holding
from shared.venues.port import Candle

FUNDS: Final = "venue_funds"
NOT_REACHED: Final = "limit_not_reached"
CAP: Final = "cap"
GAP: Final = "no_candle"


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
        entry_gap_seconds: int,
    ) -> None:
        self._gap = EntryGap(entry_gap_seconds)
        self.setup = setup
        self._instruments = instruments
        self._trade = trade
        self._can_buy = can_buy
        self._fill_price = fill_price
        self._taker_fee = taker_fee
        self.skips = SkipCounts()
        self._own: dict[Symbol, OwnPosition] = {}
        self._orders: dict[Symbol, OrderPlan] = {}
        """Decided at the close of a candle, to be filled at the open of the next one."""
        self._history = EntryHistory()
        self._holdings: dict[Symbol, Holding] = {}

    def candles_needed(self, symbol: Symbol) -> int:
        """Return with how many candles the strategy can do its work: with fewer for what it holds, if it says so."""
        return candles_needed(self.setup.frame.strategy, held=symbol in self._own)

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
            sized = plan_exit(
                intent, instrument, close, position=self._own[symbol].position, free=None, slippage_bps=bps
            )
        elif refused := self._gap.refusal(now):
            self.skips.add(Kind.ENTRY, CAP, refused)
            return
        else:
            sized = plan_entry(
                intent,
                instrument,
                close,
                equity=equity,
                cash=cash,
                taker_fee=self._taker_fee,
                slippage_bps=bps,
                entered_at=now,
            )
        if isinstance(sized, Skip):
            self.skips.add(Kind.EXIT if isinstance(intent, Exit) else Kind.ENTRY, sized.code, sized.reason)
            return
        self._orders[symbol] = sized
        if not isinstance(intent, Exit):
            self._history = self._history.entered(now)
            self._gap.entered(now)

    def open(self, symbol: Symbol, candle: Candle, *, on_time: bool) -> None:
        """Fill what waits for a candle at its open. An entry does not wait for a candle that is late; an exit does."""
        order = self._orders.pop(symbol, None)
        if order is None:
            return
        price = self._fill_price(order.side, candle.open, self._instruments[symbol])
        if order.side is Side.SELL:
            self._sell(symbol, order, price, candle)
        elif not on_time:
            self.skips.add(Kind.ENTRY, GAP, "the next candle is missing: the price is not known")
        elif _beyond(order, price):
            self.skips.add(Kind.ENTRY, NOT_REACHED, f"{price} is above the limit of {order.limit_price}")
        elif not self._can_buy(order.size, price):
            self.skips.add(Kind.ENTRY, FUNDS, f"the cash does not pay for {order.size} at {price}")
        else:
            self._buy(symbol, order, price, candle)

    def _buy(self, symbol: Symbol, order: OrderPlan, price: Price, candle: Candle) -> None:
        at, cost = candle.opened_at, order.size * price
        held = self._own.get(symbol) or OwnPosition.flat(self.setup.name, symbol, at)
        self._trade(symbol, Side.BUY, order.size, price, candle.open, at, order.reason)
        fee = cost.scaled(self._taker_fee)
        self._put(held.bought(order.size, cost, fee, at, plan=order.exit_plan, entered_at=order.entered_at))

    def _sell(self, symbol: Symbol, order: OrderPlan, price: Price, candle: Candle) -> None:
        if _beyond(order, price):
            self.skips.add(Kind.EXIT, NOT_REACHED, f"{price} is below the limit of {order.limit_price}")
        elif (held := self._own.get(symbol)) is not None:
            size = min(order.size, held.size, key=lambda each: each.amount)
            self._trade(symbol, Side.SELL, size, price, candle.open, candle.opened_at, order.reason)
            self._put(held.sold(size, candle.opened_at, plan=held.plan))

    def low_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the price at or below which the plan sells."""
        plan = self._plan(symbol)
        return None if plan is None else plan.stop

    def high_trigger(self, symbol: Symbol) -> Decimal | None:
        """Return the price at or above which the plan sells."""
        plan = self._plan(symbol)
        return plan.targets[0].price if plan is not None and plan.targets else None

    def mark(self, symbol: Symbol) -> Decimal | None:
        """Return the price above which the stop follows."""
        plan = self._plan(symbol)
        return None if plan is None or plan.trail is None else plan.highest

    def see(self, symbol: Symbol, price: Decimal) -> None:
        """Have the plan see a price."""
        own = self._own.get(symbol)
        if own is not None and own.plan is not None and (seen := own.plan.after_price(price)) is not own.plan:
            self._put(OwnPosition(own.strategy, own.position, seen, own.entered_at))

    def hit(self, symbol: Symbol, reference: Decimal, at: int) -> bool:
        """Do what the plan does at a price; return whether it has done anything.

        As live, a target that is too small to be sold counts as done, so that it moves the stop; a stop stays due.
        """
        own, plan = self._own.get(symbol), self._plan(symbol)
        due = None if plan is None else plan.due(reference)
        if own is None or plan is None or due is None:
            return False
        price = self._fill_price(Side.SELL, reference, self._instruments[symbol])
        sized = size_exit(own.position, due.fraction, self._instruments[symbol], price)
        if isinstance(sized, ExitSize):
            self._trade(symbol, Side.SELL, sized.size, price, reference, at, due.reason)
            self._put(own.sold(sized.size, at, plan=plan.after_exit(due, price.amount)))
            return True
        self.skips.add(Kind.EXIT, sized.code, sized.reason)
        if not due.targets_done:
            return False
        self._put(replace(own, plan=plan.after_exit(due, reference)))
        return True

    def _plan(self, symbol: Symbol) -> ExitPlan | None:
        own = self._own.get(symbol)
        return None if own is None else own.plan

    def _put(self, own: OwnPosition) -> None:
        """Keep a position, and show the strategy what it holds: what is below the venue's minimum does not count."""
        symbol = own.symbol
        if own.size.amount:
            self._own[symbol] = own
        else:
            self._own.pop(symbol, None)
        if (holding := shown_holding(own, self._instruments[symbol].min_size)) is None:
            self._holdings.pop(symbol, None)
        else:
            self._holdings[symbol] = holding


def _beyond(order: OrderPlan, price: Price) -> bool:
    """Return whether a price is beyond the order's limit."""
    limit = order.limit_price
    if limit is None:
        return False
    return price.amount > limit.amount if order.side is Side.BUY else price.amount < limit.amount
