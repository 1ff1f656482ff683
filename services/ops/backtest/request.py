"""From the options of the command to what is run. What is wrong with them is one sentence that names the option or the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from services.ops.backtest.accounts import master_setup, user_setups
from services.ops.backtest.candles import FromFolder, FromSeed, find_gaps
from services.ops.backtest.slowest_decision import SlowestDecisions
from shared.backtest.accounts.strategy_setup import StrategySetup
from shared.backtest.backtest import Scenario
from shared.backtest.fill_model import FillModel
from shared.backtest.report.assumptions import Setting
from shared.config.errors import ConfigurationError
from shared.config.strategy_choice import STRATEGY_FILE
from shared.config.toml_file import read_toml
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.money import Money, plain
from shared.domain.values.numerals import DECIMAL
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES, VenueName
from shared.strategies.frame import Frame
from shared.strategies.own_class.class_import import FOLDER
from shared.strategies.settings import StrategySettings
from shared.strategies.slot import StrategySlot

_MOST: Final = Decimal(1_000_000_000)


@dataclass(frozen=True, slots=True)
class Request:
    """The options as they were given."""

    config: Path
    strategy: Path | None
    candles: Path | None
    seed: int | None
    regime: str
    days: int | None
    start: str
    end: str
    balance: str
    users: Sequence[str]
    fees: Sequence[str]
    slippage_bps: str
    copy_slippage_bps: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is run, and what is said about it."""

    scenario: Scenario
    setting: Setting
    watch: SlowestDecisions
    budget_seconds: float
    """How long the master lets a strategy that is not shipped take for a decision."""


def prepare(request: Request) -> Prepared:
    """Read the files and generate the candles. Raises ConfigurationError."""
    file = request.strategy or request.config / STRATEGY_FILE
    settings, slots = _strategies(file, request.config)
    minutes = _one_interval(file, slots)
    symbols = tuple(dict.fromkeys(symbol for slot in slots for symbol in slot.symbols))
    venue = str(settings.venue or VenueName.KRAKEN)
    fees = {**{str(name): dearest_taker_fee(name) for name in VENUES}, **_fees(request.fees)}
    cash = Money(_number("--balance", request.balance, above=True), settings.currency)
    watch = SlowestDecisions()
    setups = [_setup(settings, slot, watch) for slot in slots]
    try:
        master = master_setup(venue, cash, fees[venue], symbols, setups, settings.entry_gap_seconds)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    users = user_setups(request.config, [_pair("--user", each) for each in request.users], venue, symbols, fees)
    fills = FillModel(
        _number("--slippage-bps", request.slippage_bps), _number("--copy-slippage-bps", request.copy_slippage_bps)
    )
    source = _source(request)
    candles, start = source.read(_needs(symbols, slots), minutes, master.instruments)
    used = dict.fromkeys([venue, *(each.venue for each in users if each.venue is not None)])
    setting = Setting(
        strategies=tuple(slot.name for slot in slots),
        symbols=tuple(map(str, symbols)),
        minutes=minutes,
        source=source.words,
        fees={name: fees[name] for name in used},
        fills=fills,
        gaps=find_gaps(candles, minutes),
    )
    return Prepared(Scenario(candles, minutes, start, master, users, fills), setting, watch, settings.budget_seconds)


def _strategies(file: Path, config: Path) -> tuple[StrategySettings, Sequence[StrategySlot]]:
    """Read a strategy file; a strategy of a stranger is in `strategies/` beside it, or in that of the configuration folder."""
    folder = file.parent if (file.parent / FOLDER).is_dir() else config
    if not file.is_file():
        raise ConfigurationError(f"{file}: there is no such strategy file")
    settings = read_toml(file, StrategySettings)
    try:
        slots = settings.slots(folder)
    except ConfigurationError as error:
        raise ConfigurationError(f"{file}: {error}") from None
    if not slots:
        raise ConfigurationError(f'{file}: strategy is "none": there is nothing to test')
    return settings, slots


def _one_interval(file: Path, slots: Sequence[StrategySlot]) -> int:
    lengths = sorted({slot.interval_minutes for slot in slots})
    if len(lengths) > 1:
        many = " and ".join(map(str, lengths))
        raise ConfigurationError(f"{file}: a backtest needs one interval_minutes for all strategies, not {many}")
    return lengths[0]


def _setup(settings: StrategySettings, slot: StrategySlot, watch: SlowestDecisions) -> StrategySetup:
    frame = slot.frame() if slot.kind.shipped else Frame(watch.of(slot.name, slot.build()), slot.caps)
    return StrategySetup(slot.name, frame, slot.symbols, slot.share, settings.slippage_bps)


def _needs(symbols: Sequence[Symbol], slots: Sequence[StrategySlot]) -> Mapping[Symbol, int]:
    """Return how many candles of each pair the first of its strategies needs before it decides."""
    needs = {slot.name: slot.build().needs for slot in slots}
    return {symbol: min(needs[slot.name] for slot in slots if symbol in slot.symbols) for symbol in symbols}


def _source(request: Request) -> FromFolder | FromSeed:
    if (request.candles is None) == (request.seed is None):
        raise ConfigurationError("give either --candles FOLDER or --seed N")
    start, end = _instant("--from", request.start), _instant("--to", request.end)
    if start is not None and end is not None and end <= start:
        raise ConfigurationError(f"--to {request.end} is not after --from {request.start}")
    if request.candles is not None:
        if request.days is not None:
            raise ConfigurationError("--days is for --seed; with --candles use --from and --to")
        return FromFolder(request.candles, start, end)
    assert request.seed is not None  # noqa: S101  # one of the two was given
    return FromSeed(request.seed, request.regime, start, end, request.days)


def _fees(given: Sequence[str]) -> Mapping[str, Decimal]:
    found = {}
    for text in given:
        venue, percent = _pair("--fee", text)
        if venue not in VENUES:
            raise ConfigurationError(f"--fee {text}: {venue} is no venue; known: {', '.join(VENUES)}")
        if percent >= 100:
            raise ConfigurationError(f"--fee {text}: must be below 100 (per cent)")
        found[venue] = percent / 100
    return found


def _pair(option: str, text: str) -> tuple[str, Decimal]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ConfigurationError(f"{option} {text}: must be NAME=NUMBER")
    return name, _number(f"{option} {name}=", value, above=option == "--user")


def _number(option: str, text: str, *, above: bool = False) -> Decimal:
    """Parse a number from 0, or `above` 0. Raises ConfigurationError naming the option."""
    value = Decimal(text) if DECIMAL.fullmatch(text) else None
    if value is None or not value.is_finite() or value < 0 or (above and not value) or value > _MOST:
        least = "above 0" if above else "from 0"
        raise ConfigurationError(f"{option} must be a number {least} to {plain(_MOST)} (got {text!r})")
    return value


def _instant(option: str, text: str) -> int | None:
    """Parse a date, or a date with a time, in UTC; return epoch ms."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{option} must be a date as 2026-01-31 (got {text!r})") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()) * 1000
