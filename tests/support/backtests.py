"""Makes small backtests: candles by hand, a strategy that does what a script says, users with default settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from shared.backtest.accounts.master import MasterSetup
from shared.backtest.accounts.strategy_setup import StrategySetup
from shared.backtest.accounts.user import UserSetup
from shared.backtest.backtest import Scenario
from shared.backtest.fill_model import FillModel
from shared.config.users.file import UserFile
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.instrument import Instrument, seed_instruments
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol
from shared.strategies.frame import NO_CAPS, Caps, Frame
from shared.strategies.port import Context, Intent, Strategy
from shared.venues.port import Candle

BTC: Final = Symbol("BTC", "USD")
ETH: Final = Symbol("ETH", "USD")
START: Final = 1_700_006_400_000
"""Midnight, UTC."""
MINUTES: Final = 5
STEP: Final = MINUTES * 60_000
FLAT: Final = FillModel(Decimal(0), Decimal(0))
"""Fills at the reference itself."""

_Prices = str | int | Decimal


def candle(number: int, opened: _Prices, high: _Prices, low: _Prices, close: _Prices) -> Candle:
    """Return the candle that begins `number` steps after the start."""
    return Candle(START + number * STEP, Decimal(opened), Decimal(high), Decimal(low), Decimal(close), Decimal(1))


def flat_candles(*closes: _Prices) -> list[Candle]:
    """Return candles that open where the one before closed, and touch nothing else."""
    found = []
    opened = Decimal(closes[0])
    for number, text in enumerate(closes):
        close = Decimal(text)
        found.append(candle(number, opened, max(opened, close), min(opened, close), close))
        opened = close
    return found


@dataclass
class Scripted:
    """Returns the intents of a script by the number of the candle that has just closed."""

    script: Mapping[int, Sequence[Intent]]
    name: str = "scripted"
    needs: int = 1
    seen: list[Context] = field(default_factory=list)

    def decide(self, context: Context) -> Sequence[Intent]:
        """Return what the script says."""
        self.seen.append(context)
        return self.script.get((context.now - START) // STEP - 1, ())


def scenario(
    strategy: Strategy,
    candles: Mapping[Symbol, Sequence[Candle]],
    *,
    users: Sequence[UserSetup] = (),
    fills: FillModel = FLAT,
    fee: Decimal = Decimal(0),
    caps: Caps = NO_CAPS,
    cash: int = 10_000,
    instruments: Mapping[Symbol, Instrument] | None = None,
    start: int = START,
    minutes: int = MINUTES,
) -> Scenario:
    """Return a backtest of one strategy at Kraken."""
    setup = StrategySetup(strategy.name, Frame(strategy, caps), tuple(candles), Decimal(1))
    known = seed_instruments("kraken") if instruments is None else instruments
    master = MasterSetup("kraken", Money(Decimal(cash), "USD"), fee, known, [setup])
    return Scenario(candles, minutes, start, master, users, fills)


def user(name: str, cash: int, policy: UserPolicy | None = None, fee: Decimal = Decimal(0)) -> UserSetup:
    """Return a user, with the default settings if none are given, on the venue that these choose."""
    policy = policy or UserFile().policy(name)
    venue = policy.venue_for("kraken")
    amount = Money(Decimal(cash), policy.currency)
    return UserSetup(policy, amount, venue, fee, seed_instruments(venue or "kraken"))


def with_settings(name: str, **tables: object) -> UserPolicy:
    """Return settings as a user's file has them: `limits={"max_positions": 1}`."""
    return UserFile.model_validate(tables).policy(name)
