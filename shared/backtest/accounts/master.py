"""The master's account: its strategies trade in it, and each of its fills becomes the signal that users get."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Final

from shared.backtest.accounts.ledger import Ledger
from shared.backtest.accounts.master_fill import MasterFill
from shared.backtest.accounts.price_board import PriceBoard
from shared.backtest.accounts.seat import Seat
from shared.backtest.accounts.strategy_setup import StrategySetup
from shared.backtest.fill_model import FillModel
from shared.domain.order import Kind, Side
from shared.domain.signal import Signal, Source
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol

_LEGIBLE: Final = Context(prec=28)


@dataclass(frozen=True, slots=True)
class MasterSetup:
    """Where the master trades, with how much, and by which strategies."""

    venue: str
    cash: Money
    taker_fee: Decimal
    instruments: Mapping[Symbol, Instrument]
    strategies: Sequence[StrategySetup]
    entry_gap_seconds: int = 0


class MasterAccount:
    """`on_fill` is called with every fill, at once."""

    def __init__(
        self, setup: MasterSetup, fills: FillModel, board: PriceBoard, on_fill: Callable[[MasterFill], None]
    ) -> None:
        self._setup = setup
        self.venue = setup.venue
        self._board = board
        self._on_fill = on_fill
        self._orders = 0
        self.ledger = Ledger(setup.cash, setup.taker_fee, board.prices)
        self.seats = tuple(self._seat(each, fills) for each in setup.strategies)

    def _seat(self, setup: StrategySetup, fills: FillModel) -> Seat:
        def trade(
            symbol: Symbol, side: Side, size: Quantity, price: Price, reference: Decimal, at: int, reason: str
        ) -> None:
            self._trade(setup.name, symbol, side, size, price, reference, at, reason)

        return Seat(
            setup,
            self._setup.instruments,
            trade=trade,
            can_buy=self.ledger.can_buy,
            fill_price=fills.masters,
            taker_fee=self._setup.taker_fee,
            entry_gap_seconds=self._setup.entry_gap_seconds,
        )

    def _trade(
        self,
        strategy: str,
        symbol: Symbol,
        side: Side,
        size: Quantity,
        price: Price,
        reference: Decimal,
        at: int,
        reason: str,
    ) -> None:
        """Book a fill and emit it; the signal has equity, cash and position from before it, as the live master's has."""
        ledger = self.ledger
        self._board.set(symbol, reference)
        equity, cash = ledger.equity, ledger.cash
        held = ledger.positions.get(symbol)
        before = Quantity(ZERO, symbol.base) if held is None else held.size
        if side is Side.BUY:
            ledger.buy(symbol, size, price, at, reason)
            fraction, after = None, before + size
        else:
            after = before - size
            ledger.sell(
                symbol,
                size,
                price,
                at,
                reason,
                closes=bool(self._setup.instruments[symbol].below_minimum(after, price)),
            )
            fraction = min(_LEGIBLE.divide(size.amount, before.amount), ONE)
        self._orders += 1
        order = f"backtest-{self._orders}"
        signal = Signal(
            id=order,  # live it is a hash of the venue's facts: nothing here reads it
            venue=self._setup.venue,
            symbol=symbol,
            side=side,
            kind=Kind.ENTRY if side is Side.BUY else Kind.EXIT,
            base_size=size,
            quote_size=size * price,
            price=price,
            fraction=fraction,
            position_before=before,
            position_after=after,
            master_equity=equity,
            master_order_id=order,
            source=Source.STRATEGY,
            strategy=strategy,
            stop_loss=None,
            take_profit=None,
            filled_at=at,
            emitted_at=at,
            fee=ledger.fills[-1].fee,
        )
        self._on_fill(MasterFill(signal, cash, reference))
