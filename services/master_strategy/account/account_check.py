"""Compares the master's position with its account after each scan, and closes the users' positions when the account is flat.

However the coins left (a sale in another currency, a withdrawal, a row that cannot be read): once the account holds only dust
of a coin, an exit of the whole is emitted, once. The proof is the venue's balance, read twice and at rest, with no order open
and no row unread. A missing answer must never count as one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from typing import Final

import structlog

from services.master_strategy.account.account_mirror import AccountMirror
from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.account.true_up import LAG_MS, Allocation, Reading, TrueUp
from services.master_strategy.clock import Clock
from services.master_strategy.fills.fills import net_size
from services.master_strategy.fills.moves import legs
from shared.bus.master.master_account import MasterRecords
from shared.domain.master_account import Baseline, MasterHolding, coin_of
from shared.domain.order import Kind, Side
from shared.domain.position import Position
from shared.domain.signal import Signal, Source, signal_id
from shared.domain.values.money import ONE, ZERO, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.strategies.own_position import OwnPosition
from shared.venues.port import OrderList, TradeKind, VenueOrder

_LEFT: Final = Decimal("0.5")
"""An account counts as flat only if it has lost at least this share of what was signalled: a venue that raises its minimum
turns into dust what the master still means to hold."""
_NOTED: Final = Decimal("0.001")
"""Share of a position whose loss is logged as a warning; venues round."""
_PATIENCE: Final = 120_000
"""Ms after a purchase after which coins that the account has never shown count as gone."""

PriceOf = Callable[[Symbol], Awaitable[Price | None]]

_log = structlog.get_logger(__name__)


class AccountCheck:
    """What is held apart of each coin, and whether the account is flat in it."""

    def __init__(
        self,
        *,
        book: MasterBook,
        mirror: AccountMirror,
        records: MasterRecords,
        clock: Clock,
        venue: str,
        baseline: Baseline,
        apart: dict[str, Decimal],
        renaming: Callable[[], Collection[str]] = frozenset,
        locked: Callable[[str], bool] = lambda _: False,
    ) -> None:
        """`renaming`: the coins with another name at the venue, now or soon; `locked`: whether a stop locks a coin there."""
        self._book = book
        self._mirror = mirror
        self._records = records
        self._clock = clock
        self._venue = venue
        self._baseline = baseline
        self._renaming = renaming
        self._locked = locked
        self._true_up = TrueUp(apart)
        self._read_at = 0
        self._agreed_at: dict[str, int] = {}

    def apart(self, coin: str) -> Quantity | None:
        """Return what else a sale is a fraction of, beside the position; None if of the position alone."""
        return Quantity(self._true_up.apart(coin), coin) if self._baseline is Baseline.WHOLE_POSITION else None

    def note_sale(self, signal: Signal) -> None:
        """Note an emitted exit: the same fraction of what is held apart is gone, if that counts as position."""
        if self._baseline is Baseline.WHOLE_POSITION and signal.fraction is not None:
            self._true_up.sold(signal.symbol.base, ONE - signal.fraction)

    def in_doubt(self) -> bool:
        """Return whether the account disagrees with the orders in some coin, so that open orders are worth reading."""
        if self._mirror.read_at == self._read_at:
            return False
        return any(
            not self._true_up.agrees(coin, self._reading(coin, ())) or self._lost(coin) for coin in self._at_rest()
        )

    async def check(self, opened: OrderList | None, *, all_read: bool, price_of: PriceOf) -> list[Signal]:
        """Adjust the position to the account; return the exits of what is flat. `opened` are the open orders, if they were read.

        `all_read`: no row of the lists was left out. Without the open orders nothing follows from a difference.
        """
        if self._mirror.read_at == self._read_at:
            return []
        self._read_at = self._mirror.read_at
        self._note_agreement(opened or ())
        positions, holdings, flat = [], [], []
        coins = self._at_rest()
        for coin in coins:
            reading = self._reading(coin, opened or ())
            if opened is None and not self._true_up.agrees(coin, reading):
                continue
            if not self._arrived(coin):
                continue  # the balance may not show a purchase yet
            busy = any(coin in {order.symbol.base, order.symbol.quote} for order in opened or ())
            # Before the adjustment: for a position that is lowered to zero no exit could be emitted any more.
            allocation = self._true_up.observe(coin, reading, self._read_at)
            if opened is not None and all_read and not busy and self._true_up.confirmed(coin, reading, self._read_at):
                flat += await self._if_flat(coin, price_of)
            if allocation is not None:
                positions += self._lowered(coin, allocation)
            holdings.append(self._holding(coin))
        async with self._book.own.changing:
            strategy = [each for coin in coins for each in self._own_lowered(coin)]
            await self._records.write(positions=positions, holdings=holdings, strategy=strategy)
            for own in strategy:
                self._book.own.put(own)
        for position in positions:
            self._book.put(position)
        return flat

    async def flat_after(self, signal: Signal, price: Price) -> bool:
        """Return whether an exit leaves only dust of its coin, in the position or in the whole account. Reads the balances.

        Raises VenueError. A balance that may lag behind a purchase does not count.
        """
        if self._is_dust(signal.position_after, price) and self.apart(signal.symbol.base) is None:
            return True
        coin = signal.symbol.base
        if not self._agreed_since_bought(coin):
            return False
        await self._mirror.read_balances()
        return coin not in self._unreadable() and self._is_dust(self._mirror.total(coin), price)

    def _note_agreement(self, opened: Sequence[VenueOrder]) -> None:
        for coin in self._named():
            reading = self._reading(coin, opened)
            if self._mirror.read_at >= self._book.moved_at(coin) and self._true_up.agrees(coin, reading):
                self._agreed_at[coin] = self._mirror.read_at

    def _agreed_since_bought(self, coin: str) -> bool:
        """Return whether the account has shown all that was bought; what it lacks since then is gone."""
        return self._agreed_at.get(coin, -1) >= self._book.gained_at(coin)

    def _arrived(self, coin: str) -> bool:
        return self._agreed_since_bought(coin) or self._mirror.read_at - self._book.gained_at(coin) >= _PATIENCE

    def _named(self) -> list[str]:
        """Return the coins that can be compared: their balance was read, and no order of the strategy is under way.

        A coin that the venue no longer lists, or is about to rename, is missing in its balances too: nothing follows from that.
        """
        moving = {symbol.base for symbol in self._book.under_way}
        named = self._book.coins() | self._mirror.coins()
        unlisted = named - {symbol.base for symbol in self._mirror.instruments}
        return sorted(named - self._unreadable() - moving - unlisted - set(self._renaming()) - {self._mirror.currency})

    def _unreadable(self) -> set[str]:
        """Return the coins with a balance that could not be read: the account may hold any amount of them."""
        return {coin_of(asset) for asset in self._mirror.balances.unreadable}

    def _at_rest(self) -> list[str]:
        """Return the coins whose reading counts: no order has moved them recently."""
        found = []
        for coin in self._named():
            if self._book.moved_at(coin) + LAG_MS <= self._mirror.read_at:
                found.append(coin)
            else:
                self._true_up.restless(coin)
        return found

    def _reading(self, coin: str, opened: Sequence[VenueOrder]) -> Reading:
        unemitted = ZERO
        for order in opened:
            if order.trade is TradeKind.MARGIN:
                continue
            for leg in legs(order, self._book, self._mirror.currency):
                if leg.order.symbol.base == coin:
                    moved = net_size(leg.order, leg.order.filled - self._book.emitted(leg.order).size).amount
                    unemitted += moved if leg.order.side is Side.BUY else -moved
        return Reading(self._mirror.total(coin).amount, self._book.size_of(coin).amount, unemitted)

    def _lost(self, coin: str) -> bool:
        """Return whether the account holds far less of a coin than was signalled."""
        total = self._mirror.total(coin).amount
        return any(total <= self._book.copied(symbol).amount * _LEFT for symbol in self._book.open_symbols(coin))

    async def _if_flat(self, coin: str, price_of: PriceOf) -> list[Signal]:
        found, total = [], self._mirror.total(coin)
        for symbol in self._book.open_symbols(coin):
            copied = self._book.copied(symbol)
            price = await price_of(symbol)
            if price is None or total.amount > copied.amount * _LEFT or not self._is_dust(total, price):
                continue
            _log.warning(
                "the account is flat, and users were not told so: they exit",
                symbol=str(symbol),
                account=str(total),
                position=str(copied),
            )
            found.append(self._exit(symbol, copied, price))
        return found

    def _exit(self, symbol: Symbol, copied: Quantity, price: Price) -> Signal:
        """Return the exit of all that was signalled. Its id derives from the last signal before it: it is emitted once."""
        now = self._clock.now()
        source_id = f"flat:{symbol.base}:{self._book.emitted_at(symbol)}"
        return Signal(
            id=signal_id(self._venue, source_id, copied, self._records.owner),
            venue=self._venue,
            symbol=symbol,
            side=Side.SELL,
            kind=Kind.EXIT,
            base_size=copied,
            quote_size=copied * price,
            price=price,
            fraction=ONE,
            position_before=copied,
            position_after=copied.scaled(ZERO),
            master_equity=self._mirror.equity,
            master_order_id=source_id,
            source=Source.ACCOUNT,
            strategy="",
            stop_loss=None,
            take_profit=None,
            filled_at=now,
            emitted_at=now,
            owner=self._records.owner,
        )

    def _lowered(self, coin: str, allocation: Allocation) -> list[Position]:
        """Lower the position to what the account holds, each symbol of the coin by the same share."""
        before = self._book.size_of(coin).amount
        if allocation.position >= before:
            return []
        now, kept = self._clock.now(), allocation.position / before
        found = []
        for symbol, position in self._book.held().items():
            if symbol.base == coin:
                found.append(position.sold(position.size.scaled(ONE - kept), now))
        write = _log.warning if before - allocation.position > before * _NOTED else _log.debug
        write(
            "the account holds less than was traded: withdrawn, or sold where no order shows it",
            coin=coin,
            position=str(Quantity(before, coin)),
            account=str(self._mirror.total(coin)),
        )
        return found

    def _own_lowered(self, coin: str) -> list[OwnPosition]:
        if self._locked(coin):
            return []  # it can only have left by that stop, whose end changes what the strategy holds
        if not self._true_up.confirmed(coin, self._reading(coin, ()), self._read_at):
            return []
        return self._book.own.lowered(self._mirror.total(coin), self._clock.now())

    def _holding(self, coin: str) -> MasterHolding:
        apart = Quantity(self._true_up.apart(coin), coin)
        return MasterHolding(self._mirror.total(coin), apart, self._baseline, self._mirror.read_at)

    def _is_dust(self, size: Quantity, price: Price) -> bool:
        instrument = self._mirror.instruments.get(price.symbol)
        if size.amount <= 0 or instrument is None:
            return size.amount <= 0
        return bool(instrument.below_minimum(size, price))
