"""Random months at the paper exchange: a master and alice trade there, and the records say of it what the system would write.

Sizes, limits and exits are the domain's own rules, signals are made from the venue's record of an order, and every message goes
over its wire format, so that what the statement reads is what it would read from Redis. What it is compared with is the balances
of the exchange.
"""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Final

from services.master_strategy.fills.fills import Emitted, missing_signal
from services.paper_exchange.core.account import Account as PaperAccount
from services.paper_exchange.core.instrument import Side as PaperSide
from services.paper_exchange.core.order import Order, OrderType, Ticket, TimeInForce
from shared.bus.flow.streams import Entry
from shared.contracts import keys
from shared.contracts.market_records import write_price
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.domain.account import Account, AccountState
from shared.domain.exits import ExitSize, size_exit
from shared.domain.limits.policy import BelowMinimum, LimitPolicy, SizingPolicy, UserPolicy
from shared.domain.order import Copy, Decision, Kind, OrderState, Side, order_id, report_id
from shared.domain.position import Position
from shared.domain.signal import Signal, Source
from shared.domain.sizing import EntrySize, size_entry
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.execution.totals import LegTotals
from shared.ledger.statement.collected import ending_of
from shared.ledger.statement.month import Month
from shared.ledger.statement.records.material import Copied, Ending, Holding, Material, Opening
from shared.venues.port import VenueOrder, VenueOrderStatus
from tests.support.examples import an_id
from tests.unit.paper_exchange.venue import Venue

SYMBOLS: Final = (Symbol("BTC", "USD"), Symbol("ETH", "USD"))
MONTH: Final = Month(2023, 12)
_SKIPS: Final = ("parked", "kill_switch", "stale", "symbol_filtered")
_RULES: Final = ("stop_loss", "take_profit", "stop_out", "flatten")
_FRACTIONS: Final = tuple(Decimal(share) for share in ("0.1", "0.37", "0.5", "0.333333333333"))


class PaperMonth:
    """One month; `material` is what the records say, `earned` and `masters` what the exchange says was made."""

    def __init__(self, seed: int, fills: int = 12) -> None:
        self._random = random = Random(seed)
        self._venue = Venue(market={"pairs": ["BTC/USD", "ETH/USD"]})
        wealth = {"master": random.choice(("100000", "2000000")), "alice": random.choice(("500", "9000", "100000"))}
        for user, amount in wealth.items():
            self._venue.client(user, balances={"USD": amount})
        self._began = {user: Decimal(amount) for user, amount in wealth.items()}
        self._policy = UserPolicy(
            user="alice",
            enabled=True,
            venues=("kraken",),
            sizing=SizingPolicy(
                multiplier=Decimal(random.choice(("1", "0.3", "2"))),
                below_minimum=random.choice((BelowMinimum.SKIP, BelowMinimum.ROUND_UP)),
            ),
            limits=LimitPolicy(max_order_pct=random.choice((None, Decimal(5), Decimal(20)))),
        )
        self._held: dict[Symbol, Position] = {symbol: Position.flat(symbol, 0) for symbol in SYMBOLS}
        self._masters: dict[Symbol, Decimal] = dict.fromkeys(SYMBOLS, ZERO)
        self._at = MONTH.begins - (fills + 1) * 120_000
        self._number = 0
        self.copied: list[Copied] = []
        self.endings: list[Ending] = []
        self.reports: list[ReportMessage] = []
        self._openings: dict[Holding, Opening] = {}
        self._base: dict[str, Decimal] = {}
        self._since = MONTH.begins
        for symbol in SYMBOLS:
            self._move(symbol)
        for step in range(fills):
            if step == fills // 3:
                self._begin_the_month()
            self._step()

    def material(self) -> Material:
        """Return what the records say; the months before are in what was held when it began."""
        closing = {Holding.of(symbol): self._price(symbol) for symbol in SYMBOLS}
        lots = {symbol: self._instrument(symbol).lot_step for symbol in SYMBOLS}
        return Material(
            "kraken",
            "USD",
            self._since,
            self.ends_at,
            [each for each in self.copied if each.decision.emitted_at >= self._since],
            [each for each in self.endings if each.at >= self._since],
            self._openings,
            closing,
            lots,
        )

    @property
    def ends_at(self) -> int:
        """Return the instant (epoch ms) after the last event."""
        return self._at + 1_000

    def held(self, symbol: Symbol) -> Position:
        """Return what alice holds at the end."""
        return self._held[symbol]

    def prices(self) -> list[Price]:
        """Return the prices at the end."""
        return [Price(self._price(symbol), symbol) for symbol in SYMBOLS]

    def instruments(self) -> list[Instrument]:
        """Return the pairs' rules."""
        return [self._instrument(symbol) for symbol in SYMBOLS]

    def earned(self, user: str) -> Decimal:
        """Return by how much an account at the exchange is worth more than when the month began, without deposits."""
        return self._worth(user) - self._base[user]

    def _begin_the_month(self) -> None:
        self._at = self._since
        for symbol in SYMBOLS:
            self._openings[Holding.of(symbol)] = Opening(
                self._masters[symbol], self._account("alice").balances[symbol.base], self._price(symbol)
            )
        self._base = {user: self._worth(user) for user in self._began}

    def _worth(self, user: str) -> Decimal:
        balances = self._account(user).balances
        coins = sum((balances[symbol.base] * self._price(symbol) for symbol in SYMBOLS), ZERO)
        return balances["USD"] - self._began[user] + coins

    def _account(self, user: str) -> PaperAccount:
        return self._venue.exchange.accounts[user, "kraken"]

    def _price(self, symbol: Symbol) -> Decimal:
        return self._venue.exchange.view.last(str(symbol))

    def _move(self, symbol: Symbol) -> None:
        usual = 60_000 if symbol.base == "BTC" else 3_000
        self._venue.price(str(Decimal(self._random.randint(usual * 8, usual * 12)) / 10), str(symbol))

    def _drift(self, symbol: Symbol) -> None:
        """Move the price a little, as it does until a copy arrives."""
        moved = self._price(symbol) * (ONE + Decimal(self._random.randint(-60, 40)) / 10_000)
        self._venue.price(str(moved.quantize(Decimal("0.1"))), str(symbol))

    def _step(self) -> None:
        random = self._random
        symbol = random.choice(SYMBOLS)
        self._at += 60_000
        self._venue.clock.advance(60)
        self._move(symbol)
        if random.random() < 0.15:
            self._deposit()
        if random.random() < 0.12:
            self._own_exit(symbol)
        held = self._masters[symbol]
        if held and random.random() < 0.5:
            share = ONE if random.random() < 0.5 else random.choice(_FRACTIONS)
            self._masters_fill(symbol, PaperSide.SELL, self._floored(symbol, held * share))
        else:
            self._masters_fill(symbol, PaperSide.BUY, self._floored(symbol, self._masters_size(symbol)))

    def _deposit(self) -> None:
        amount = Decimal(self._random.choice((-100, 400, 7_000)))
        self._account("alice").transfer("D", 0.0, "USD", amount)
        self._began["alice"] += amount

    def _masters_size(self, symbol: Symbol) -> Decimal:
        worth = self._account("master").balances["USD"] * Decimal(self._random.randint(1, 40)) / 100
        return worth / self._price(symbol)

    def _floored(self, symbol: Symbol, size: Decimal) -> Decimal:
        return Quantity(size, symbol.base).floored(self._instrument(symbol).lot_step).amount

    def _instrument(self, symbol: Symbol) -> Instrument:
        found = self._venue.exchange.kind.instruments[str(symbol)]
        return Instrument(symbol, found.lot, found.tick, found.order_min, found.cost_min)

    def _place(
        self, user: str, symbol: Symbol, side: PaperSide, size: Decimal, limit: Decimal | None = None
    ) -> VenueOrder | None:
        """Place an order; the venue's record of it, None if it was refused."""
        instrument = self._venue.exchange.kind.instruments[str(symbol)]
        in_base = user == "alice" and limit is not None and self._random.random() < 0.2
        ticket = Ticket(
            instrument,
            side,
            OrderType.MARKET if limit is None else OrderType.LIMIT,
            size,
            limit=limit,
            time_in_force=TimeInForce.IOC,
            fee_in_base=in_base,
        )
        if size < instrument.order_min:
            return None
        placed = self._venue.exchange.place(self._account(user), ticket)
        if not isinstance(placed, Order):
            return None
        return VenueOrder(
            venue_order_id=placed.id,
            client_order_id="",
            symbol=symbol,
            side=Side(side),
            status=VenueOrderStatus.DONE,
            filled=Quantity(placed.filled, symbol.base),
            cost=Money(placed.cost, symbol.quote),
            fee=placed.fee,
            fee_asset=symbol.base if in_base else symbol.quote,
            opened_at=self._at,
            closed_at=self._at,
        )

    def _masters_fill(self, symbol: Symbol, side: PaperSide, size: Decimal) -> None:
        equity = self._equity("master")
        order = self._place("master", symbol, side, size)
        if order is None or not order.filled.amount:
            return
        signal = missing_signal(
            order,
            Emitted(Quantity(ZERO, symbol.base), Money(ZERO, "USD")),
            Quantity(self._masters[symbol], symbol.base),
            venue="kraken",
            equity=equity,
            source=Source.ACCOUNT,
            strategy="",
            now=self._at,
        )
        assert signal is not None
        self._masters[symbol] = self._account("master").balances[symbol.base]
        signal = SignalMessage.parse(SignalMessage.from_domain(signal).fields()).to_domain()
        self._drift(symbol)
        self._copy(signal)

    def _equity(self, user: str) -> Money:
        balances = self._account(user).balances
        coins = sum((balances[symbol.base] * self._price(symbol) for symbol in SYMBOLS), ZERO)
        return Money(balances["USD"] + coins, "USD")

    def _copy(self, signal: Signal) -> None:
        if self._random.random() < 0.15:
            self._decide(signal, None, self._random.choice(_SKIPS))
        elif signal.kind is Kind.ENTRY:
            self._copy_entry(signal)
        else:
            self._copy_exit(signal)

    def _copy_entry(self, signal: Signal) -> None:
        instrument = self._instrument(signal.symbol)
        cash = Money(self._account("alice").balances["USD"], "USD")
        account = Account(
            "alice", "kraken", AccountState.READY, "", self._equity("alice"), cash, Decimal("0.004"), self._at
        )
        sized = size_entry(signal, account, self._policy, instrument)
        if not isinstance(sized, EntrySize):
            self._decide(signal, None, sized.code)
            return
        decision = self._decide(signal, Copy(sized.size, None, sized.limit_price, self._at + 30_000), "")
        order = self._place("alice", signal.symbol, PaperSide.BUY, sized.size.amount, sized.limit_price.amount)
        self._report(decision, order, sized.size)

    def _copy_exit(self, signal: Signal) -> None:
        symbol = signal.symbol
        decision = self._decide(signal, Copy(None, signal.fraction, None, None), "")
        found = size_exit(
            self._held[symbol], signal.fraction or ONE, self._instrument(symbol), Price(self._price(symbol), symbol)
        )
        if not isinstance(found, ExitSize):
            self._end(decision, OrderState.SKIPPED, found.code, None)
            return
        order = self._place("alice", symbol, PaperSide.SELL, found.size.amount)
        self._report(decision, order, found.size)

    def _decide(self, signal: Signal, copy: Copy | None, code: str) -> Decision:
        decision = Decision(
            id=order_id(signal.id, "alice", "kraken"),
            signal_id=signal.id,
            user="alice",
            venue="kraken",
            symbol=signal.symbol,
            side=signal.side,
            kind=signal.kind,
            copy=copy,
            reason="",
            master_equity=signal.master_equity,
            user_equity=None if code == "parked" else self._equity("alice"),
            signal_at=signal.filled_at,
            emitted_at=self._at,
            code=code,
            master_order_id=signal.master_order_id,
            multiplier=self._policy.sizing.multiplier,
        )
        decision = OrderMessage.parse(OrderMessage.from_domain(decision).fields()).to_domain()
        self.copied.append(Copied(signal, decision))
        if copy is None:
            self._end(decision, OrderState.SKIPPED, code, None)
        return decision

    def _report(self, decision: Decision, order: VenueOrder | None, wanted: Quantity) -> None:
        if order is None:
            self._end(decision, OrderState.REJECTED, "venue_funds", None)
        elif not order.filled.amount:
            self._end(decision, OrderState.EXPIRED, "", None)
        else:
            self._end(decision, OrderState.PARTIAL if order.filled < wanted else OrderState.FILLED, "", order)

    def _own_exit(self, symbol: Symbol) -> None:
        held = self._held[symbol].size
        size = held.floored(self._instrument(symbol).lot_step)
        order = self._place("alice", symbol, PaperSide.SELL, size.amount) if size.amount else None
        if order is None or not order.filled.amount:
            return
        self._number += 1
        rule = self._random.choice(_RULES)
        decision = Decision(
            an_id(f"own {self._number}"), "", "alice", "kraken", symbol, Side.SELL, Kind.EXIT, None, "", None, None, 0, 0, rule
        )  # fmt: skip
        self._end(decision, OrderState.FILLED if order.filled == size else OrderState.PARTIAL, rule, order)

    def _end(self, decision: Decision, outcome: OrderState, code: str, order: VenueOrder | None) -> None:
        """Write the report, and change what is held."""
        self._at += 250
        totals = LegTotals.nothing(decision.symbol)
        if order is not None:
            totals = totals.plus(order)
            self._book(order)
        report = ReportMessage.of(
            id=report_id(decision.id),
            order_id=decision.id,
            signal_id=decision.signal_id,
            user="alice",
            venue="kraken",
            symbol=decision.symbol,
            side=decision.side,
            kind=decision.kind,
            outcome=outcome,
            code=code,
            filled_size=totals.filled.amount,
            average_price=totals.average_price.shown() if totals.average_price else None,
            fee=totals.fee.amount,
            **totals.report_fields(),
            signal_at=decision.signal_at,
            accepted_at=self._at,
            settled_at=self._at,
            market=self._recorded_price(decision),
        )
        self.reports.append(report)
        self.endings.append(ending_of(Entry(keys.reports("alice"), f"{self._at}-0", report.fields())))

    def _recorded_price(self, decision: Decision) -> str:
        """Return the published price as the order's record has it: for copies alone, at times an old one or none."""
        if not decision.signal_id or self._random.random() < 0.2:
            return ""
        age = self._random.choice((0, 700, 9_000))
        return write_price(Price(self._price(decision.symbol), decision.symbol), self._at - age)

    def _book(self, order: VenueOrder) -> None:
        held = Quantity(self._account("alice").balances[order.symbol.base], order.symbol.base)
        self._held[order.symbol] = Position(order.symbol, held, Money(ZERO, "USD"), 0, self._at)
