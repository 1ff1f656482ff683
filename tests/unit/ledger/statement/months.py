"""Random months in which alice copies the master perfectly, but for the causes that a test asks for.

A perfect copy has half the master's sizes, at the master's prices and fees, sells the same shares and rounds nothing: sizes are
even numbers of lots, and what the master sells is a half, a quarter or all of its position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Final

from shared.domain.order import Copy, Decision, Kind, OrderState, Side, order_id
from shared.domain.signal import Signal
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.ledger.performance.trades import Trade
from shared.ledger.statement.records.material import Copied, Ending, Holding, Material, Opening
from tests.support.examples import NOW, an_entry, an_id

SYMBOLS: Final = (Symbol("BTC", "USD"), Symbol("ETH", "USD"))
LOT: Final = Decimal("0.00000001")
RATE: Final = Decimal("0.004")
RATIO: Final = Decimal("0.5")
_SHARES: Final = (Decimal("0.25"), Decimal("0.5"), ONE)
_EVEN: Final = Decimal("0.0001024")
"""2^10 lots: halves and quarters of its multiples stay whole lots."""


@dataclass(frozen=True, slots=True)
class Causes:
    """What happens to alice beside a perfect copy: a chance (0..1) per fill of each."""

    fees: float = 0.0
    slippage: float = 0.0
    delay: float = 0.0
    unrecorded: float = 0.0
    """Copies that pay another price, with no price of the market recorded."""
    skips: Mapping[str, float] = field(default_factory=dict)
    unfilled: float = 0.0
    limits: float = 0.0
    rounding: float = 0.0
    own_exits: Mapping[str, float] = field(default_factory=dict)
    deposits: float = 0.0
    settings: float = 0.0
    carried: bool = False


class RandomMonth:
    """Builds one month, fill by fill."""

    def __init__(self, random: Random, causes: Causes, *, fills: int = 20) -> None:
        self._random = random
        self._causes = causes
        self.user_equity, self.multiplier = Decimal(5000), ONE
        self.copied: list[Copied] = []
        self.endings: list[Ending] = []
        self.master: dict[Symbol, Decimal] = dict.fromkeys(SYMBOLS, ZERO)
        self.held: dict[Symbol, Decimal] = dict.fromkeys(SYMBOLS, ZERO)
        self.prices: dict[Symbol, Decimal] = {}
        self.openings: dict[Holding, Opening] = {}
        self.at = NOW
        for symbol in SYMBOLS:
            self._open(symbol)
        for _ in range(fills):
            self._step()

    def material(self) -> Material:
        """Return what the records would say about it."""
        for symbol in SYMBOLS:
            self._move(symbol)
        closing = {Holding.of(symbol): self.prices[symbol] for symbol in SYMBOLS}
        lots = dict.fromkeys(SYMBOLS, LOT)
        return Material("kraken", "USD", NOW, self.at + 1, self.copied, self.endings, self.openings, closing, lots)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _move(self, symbol: Symbol) -> None:
        self.prices[symbol] = Decimal(self._random.randint(1_000, 900_000)) / 10

    def _open(self, symbol: Symbol) -> None:
        self._move(symbol)
        self.master[symbol] = _EVEN * self._random.randint(0, 3) * 1024
        self.held[symbol] = self.master[symbol] * RATIO
        if self._causes.carried:
            self.held[symbol] = _EVEN * self._random.randint(4, 9)
        self.openings[Holding.of(symbol)] = Opening(self.master[symbol], self.held[symbol], self.prices[symbol])

    def _step(self) -> None:
        symbol = self._random.choice(SYMBOLS)
        self._move(symbol)
        self.at += 60_000
        for rule, probability in self._causes.own_exits.items():
            if self.held[symbol] and self._chance(probability):
                self._own_exit(symbol, rule)
        begun = any(
            each.decision.kind is Kind.ENTRY for each in self.copied
        )  # the first entry's ratio is that of the month
        if begun and self._chance(self._causes.deposits):
            self.user_equity = Decimal(self._random.choice((1000, 2500, 20000)))
        if begun and self._chance(self._causes.settings):
            self.multiplier = Decimal(self._random.choice(("0.25", "0.5", "2")))
        if self.master[symbol] and self._chance(0.5):
            self._exit(symbol)
        else:
            self._entry(symbol)

    def _signal(self, symbol: Symbol, size: Decimal, kind: Kind, fraction: Decimal | None) -> Signal:
        before = self.master[symbol]
        after = before + size if kind is Kind.ENTRY else before - size
        self.master[symbol] = after
        cost = Money(size * self.prices[symbol], "USD")
        return replace(
            an_entry(f"{len(self.copied)}"),
            symbol=symbol,
            side=Side.BUY if kind is Kind.ENTRY else Side.SELL,
            kind=kind,
            base_size=Quantity(size, symbol.base),
            quote_size=cost,
            price=Price(self.prices[symbol], symbol),
            fraction=fraction,
            position_before=Quantity(before, symbol.base),
            position_after=Quantity(after, symbol.base),
            filled_at=self.at,
            fee=cost.scaled(RATE),
        )

    def _entry(self, symbol: Symbol) -> None:
        random, causes = self._random, self._causes
        signal = self._signal(symbol, _EVEN * random.randint(1, 20) * 4096, Kind.ENTRY, None)
        ideal = signal.base_size.amount * self.user_equity / Decimal(10000) * self.multiplier
        if (code := self._skipped()) is not None:
            self._decide(signal, None, code)
            return
        ordered = ideal
        if self._chance(causes.limits):
            ordered = ideal / 4
        elif self._chance(causes.rounding):
            ordered = ideal - LOT / 2
        filled, outcome = ordered, OrderState.FILLED
        if self._chance(causes.unfilled):
            filled, outcome = ordered / 2, OrderState.PARTIAL
        decision = self._decide(signal, ordered, "")
        self._trade(decision, filled, outcome)
        self.held[symbol] += filled

    def _exit(self, symbol: Symbol) -> None:
        share = self._random.choice(_SHARES)
        signal = self._signal(symbol, self.master[symbol] * share, Kind.EXIT, share)
        if (code := self._skipped()) is not None:
            self._decide(signal, None, code)
            return
        decision = self._decide(signal, None, "")
        sold = self.held[symbol] * share
        if sold and self._chance(self._causes.rounding):
            sold -= LOT / 2
        if not sold:
            self.endings.append(Ending(decision.id, signal.id, OrderState.SKIPPED, "nothing_held", self.at + 300, None))
            return
        self._trade(decision, sold, OrderState.FILLED)
        self.held[symbol] -= sold

    def _skipped(self) -> str | None:
        return next((code for code, chance in self._causes.skips.items() if self._chance(chance)), None)

    def _decide(self, signal: Signal, size: Decimal | None, code: str) -> Decision:
        copy = None
        if not code:
            copy = Copy(
                None if size is None else Quantity(size, signal.symbol.base), signal.fraction, signal.price, self.at
            )
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
            master_equity=Money(Decimal(10000), "USD"),
            user_equity=Money(self.user_equity, "USD"),
            signal_at=self.at,
            emitted_at=self.at,
            code=code,
            multiplier=self.multiplier,
        )
        self.copied.append(Copied(signal, decision))
        return decision

    def _trade(self, decision: Decision, size: Decimal, outcome: OrderState) -> None:
        symbol, price = decision.symbol, self.prices[decision.symbol]
        worse = 7 if decision.side is Side.BUY else -7
        market: Decimal | None = price
        if self._chance(self._causes.delay):
            market = price = price + worse
        if self._chance(self._causes.slippage):
            price += worse
        if self._chance(self._causes.unrecorded):
            market, price = None, price + worse
        rate = RATE * 2 if self._chance(self._causes.fees) else RATE
        # the master's fee at scale is that of the master's price
        fee = size * self.prices[symbol] * rate
        self._end(
            a_trade(
                symbol,
                decision.side,
                size,
                size * price,
                fee,
                self.at + 300,
                name=decision.id,
                signal=decision.signal_id,
                outcome=outcome,
                market=market,
            )
        )

    def _own_exit(self, symbol: Symbol, rule: str) -> None:
        size = self.held[symbol]
        self.held[symbol] = ZERO
        cost = size * self.prices[symbol]
        name = an_id(f"own {len(self.endings)}")
        self._end(a_trade(symbol, Side.SELL, size, cost, ZERO, self.at + 300, name=name, code=rule))

    def _end(self, trade: Trade) -> None:
        self.at = trade.at
        self.endings.append(Ending(trade.order_id, trade.signal_id, trade.outcome, trade.code, trade.at, trade))


def a_trade(
    symbol: Symbol,
    side: Side,
    size: Decimal,
    cost: Decimal,
    fee: Decimal,
    at: int,
    *,
    name: str,
    signal: str = "",
    outcome: OrderState = OrderState.FILLED,
    code: str = "",
    market: Decimal | None = None,
    market_age: int = 0,
) -> Trade:
    """Return a trade of alice's at Kraken; `market` was published `market_age` ms before the venue took the order."""
    return Trade(
        user="alice",
        venue="kraken",
        symbol=symbol,
        side=side,
        kind=Kind.ENTRY if side is Side.BUY else Kind.EXIT,
        size=Quantity(size, symbol.base),
        cost=Money(cost, "USD"),
        fee=Money(fee, "USD"),
        base_fee=Quantity(ZERO, symbol.base),
        fee_value=Money(fee, "USD"),
        at=at,
        signal_id=signal,
        order_id=name,
        code=code,
        outcome=outcome,
        reason="",
        venue_order_id="",
        entry_id="",
        signal_at=at - 300,
        sent_at=at - 100,
        accepted_at=at - 50,
        market=None if market is None else Price(market, symbol),
        market_at=None if market is None else at - 50 - market_age,
    )


def months(count: int, causes: Causes, *, fills: int = 20) -> Sequence[Material]:
    """Return random months, always the same ones."""
    return [RandomMonth(Random(seed), causes, fills=fills).material() for seed in range(count)]
