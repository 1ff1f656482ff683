"""The accounts of a backtest: the master's, and those of users with their own settings from `config/users/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from services.ops.user.settings.opening import run_with_store
from services.ops.users import require_known
from shared.backtest.accounts.master import MasterSetup
from shared.backtest.accounts.strategy_setup import StrategySetup
from shared.backtest.accounts.user import UserSetup
from shared.bus.users.user_settings import SettingsVersion
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.users.loader import FileProblem
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.currency import like
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.instrument import Instrument, seed_instruments
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol
from shared.operations.settings.user_store import UserStore, judge


def master_setup(
    venue: str,
    cash: Money,
    fee: Decimal,
    symbols: Iterable[Symbol],
    strategies: Sequence[StrategySetup],
    entry_gap_seconds: int,
) -> MasterSetup:
    """Return the master's account. Raises ConfigurationError for a pair whose minimums and steps are not known."""
    instruments = _instruments(venue, symbols)
    for symbol in symbols:
        if symbol not in instruments:
            known = ", ".join(sorted(map(str, seed_instruments(venue))))
            raise ConfigurationError(
                f"symbols: the minimums and steps of {symbol} at {venue} are not known: leave it out (known: {known})"
            )
    return MasterSetup(venue, cash, fee, instruments, strategies, entry_gap_seconds)


def user_setups(
    config: Path,
    balances: Sequence[tuple[str, Decimal]],
    venue: str,
    symbols: Sequence[Symbol],
    fees: Mapping[str, Decimal],
) -> Sequence[UserSetup]:
    """Return the accounts of users; `venue` is the master's. Raises ConfigurationError for an unknown user or a bad file."""
    names = [name for name, _ in balances]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigurationError(f"--user names {', '.join(twice)} twice")
    return [_user(_policy(config, name), amount, venue, symbols, fees) for name, amount in balances]


def _policy(config: Path, name: str) -> UserPolicy:
    async def work(_: Settings, store: UserStore) -> SettingsVersion | None:
        require_known(name, await store.names())
        return await store.read(name)

    present = run_with_store(work, config)
    found = judge(config, present) if present else FileProblem(name, config, "is gone")
    if isinstance(found, FileProblem):
        raise ConfigurationError(str(found))
    return found


def _user(
    policy: UserPolicy, amount: Decimal, master: str, symbols: Sequence[Symbol], fees: Mapping[str, Decimal]
) -> UserSetup:
    venue = policy.venue_for(master)
    return UserSetup(
        policy=policy,
        cash=Money(amount, policy.currency),
        venue=venue,
        taker_fee=fees.get(venue or master, dearest_taker_fee(venue or master)),
        instruments=_instruments(venue, map(policy.symbols.mapped, symbols)) if venue else {},
    )


def _instruments(venue: str, symbols: Iterable[Symbol]) -> Mapping[Symbol, Instrument]:
    """Return the trading rules that are known. A pair in USDC has those of the pair in USD."""
    listed, found = seed_instruments(venue), {}
    for symbol in symbols:
        names = [symbol, *(Symbol(symbol.base, quote) for quote in sorted(like(symbol.quote)))]
        if (known := next((listed[name] for name in names if name in listed), None)) is not None:
            found[symbol] = replace(known, symbol=symbol)
    return found
