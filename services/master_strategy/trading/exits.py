"""Sells what a strategy bought itself, of one or of several: the one place that starts a strategy's sales.

At most one order per symbol is under way, whatever it is for. What a strategy wants sold while another order is under way is
owed, and sold as soon as that has ended.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from decimal import Decimal

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.stops.venue_stops import VenueStops
from services.master_strategy.trading.modes import MASTER_MODE
from services.master_strategy.trading.trader import Trader
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.strategies.exit_plan import DueExit
from shared.strategies.order_plan import OrderPlan, plan_exit
from shared.strategies.own_position import OwnPosition
from shared.strategies.port import Exit

_log = structlog.get_logger(__name__)


class Exits:
    """The sales of one session. `slippage_bps` is how far below the price a limit order goes; None: market orders.

    At a stop the order is always one at market: in a falling market a limit may fill nothing.
    """

    def __init__(
        self,
        *,
        book: MasterBook,
        mirror: AccountMirror,
        trader: Trader,
        slippage_bps: Decimal | None,
        stops: VenueStops | None = None,
    ) -> None:
        """`stops` rest at the venue: what they lock is sold only when they have ended."""
        self._book = book
        self._mirror = mirror
        self._trader = trader
        self._slippage = slippage_bps
        self._stops = stops
        self._owed: dict[tuple[str, Symbol], tuple[Exit, Price]] = {}

    def request(self, strategy: str, intent: Exit, price: Price) -> Skip | bool:
        """Sell what a strategy wants sold, at about this price; owe it while another order of the symbol is under way.

        Return whether an order was started, or why none ever will be.
        """
        if not self._trader.available(intent.symbol) or self._stop_rests(strategy, intent.symbol):
            self._owed[strategy, intent.symbol] = intent, price
            return False
        self._owed.pop((strategy, intent.symbol), None)
        own = self._book.own.position(strategy, intent.symbol)
        sold = self.sell(own, intent, price)
        return sold if isinstance(sold, Skip) else True

    def sell(self, own: OwnPosition, intent: Exit, price: Price, step: DueExit | None = None) -> OrderPlan | Skip:
        """Start a sale of a position now, or return why not; `step` is the step of its plan that the sale carries out."""
        symbol = own.symbol
        at_the_stop = step is not None and not step.targets_done
        if not self._trader.available(symbol):
            return Skip("another order of the symbol is under way", ReasonCode.NOTHING_HELD)
        if self._stop_rests(own.strategy, symbol):
            return Skip("its stop at the venue is cancelled first", ReasonCode.NOTHING_HELD)
        instrument = self._mirror.instruments.get(symbol)
        if instrument is None:
            return Skip("the venue does not list it", ReasonCode.NOTHING_HELD)
        plan = plan_exit(
            intent,
            instrument,
            price,
            position=own.position,
            free=self._mirror.free(symbol.base) if self._trader.refused_for_funds(symbol) else None,
            slippage_bps=None if at_the_stop else self._slippage,
            step=step,
        )
        if isinstance(plan, Skip):
            return plan
        sent = self._trader.start(symbol, plan, own.strategy)
        _log.info(
            MASTER_MODE,
            does=sent.kind.value,
            strategy=own.strategy,
            symbol=str(symbol),
            size=str(sent.size),
            why=intent.reason,
            order_id=sent.id,
        )
        return plan

    def _stop_rests(self, strategy: str, symbol: Symbol) -> bool:
        """Have a position's stop at the venue cancelled; return whether it still rests."""
        return self._stops is not None and self._stops.withdraw(strategy, symbol)

    def withdraw(self, strategy: str, symbols: Collection[Symbol]) -> None:
        """Forget what is owed of some symbols: the strategy has decided about them again."""
        for symbol in symbols:
            self._owed.pop((strategy, symbol), None)

    def settle_owed(self) -> None:
        """Sell what is owed and can be sent by now."""
        for (strategy, symbol), (intent, price) in list(self._owed.items()):
            if self._trader.available(symbol):
                found = self.request(strategy, intent, self._mirror.price(symbol) or price)
                if isinstance(found, Skip):
                    _log.warning(MASTER_MODE, does=f"no order: {found.reason}", strategy=strategy, symbol=str(symbol))

    def owed(self) -> Iterable[tuple[str, Symbol]]:
        """Return what is owed, by strategy and symbol."""
        return self._owed.keys()
