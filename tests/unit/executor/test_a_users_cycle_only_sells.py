"""Whatever prices, switches, holdings and settings a user's own cycle sees, all that comes out of it are exits of what is held.

The real guardian and its real own exits over sources that return anything; judged is what reaches the dispatcher, the only way to
the venue. That nothing beside the order stream reaches it with an entry is read from the source in
`tests/unit/copy_engine/test_users_never_enter_on_their_own.py`. Candles do not come into it: a user's process reads none.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

from hypothesis import given, settings, strategies as st

from services.executor.protection.guardian import STALE_MS, Guardian
from services.executor.protection.housekeeper import Task
from services.executor.protection.own_exits import OwnExits
from services.executor.turn.send_priority import SendPriority
from services.executor.turn.symbol_queues import SymbolQueues
from shared.bus.state.watch import WatchedMarket
from shared.config.users.file import UserFile
from shared.domain.control import Control, ControlMode
from shared.domain.limits.policy import ExitPolicy, OnLeave
from shared.domain.order import Decision, Kind, Side
from shared.domain.position import MAIN, Holdings, Position
from shared.domain.rename import NO_RENAMES
from shared.domain.values.money import ONE, ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.property_examples import scaled

ROOT: Final = Path(__file__).resolve().parents[3]
USER, VENUE, NOW = "alice", "kraken", 1_800_000_000_000
SYMBOLS: Final = tuple(map(Symbol.parse, ("BTC/USD", "ETH/USD", "SOL/USD", "DOGE/USD")))
_SIZES = st.decimals(Decimal("0.00000001"), Decimal(10_000), places=8)
_PRICES = st.decimals(Decimal("0.00000001"), Decimal(1_000_000), places=8)
_PCT = st.none() | st.decimals(Decimal("0.01"), Decimal(99), places=2)
_AGES = st.integers(0, 3 * STALE_MS)
_SWITCHES = st.sampled_from([Control(mode) for mode in ControlMode])


@st.composite
def _books(draw: st.DrawFn, symbol: Symbol) -> Position:
    size, cost = Quantity(draw(_SIZES), symbol.base), Money(draw(_PRICES | st.just(ZERO)), symbol.quote)
    opened = NOW - draw(st.integers(0, 10**9))
    high = draw(st.none() | _PRICES)
    return Position(symbol, size, cost, opened, opened, None if high is None else Price(high, symbol))


@st.composite
def _positions(draw: st.DrawFn) -> dict[Symbol, Position]:
    held = {}
    for symbol in draw(st.sets(st.sampled_from(SYMBOLS))):
        masters = draw(st.sets(st.sampled_from([MAIN, "calm", "wild"]), min_size=1))
        books = {master: draw(_books(symbol)) for master in masters}
        held[symbol] = books[MAIN] if masters == {MAIN} else Position.of_books(symbol, books, NOW)
    return held


@dataclass(frozen=True)
class _Seen:
    """What one look is shown."""

    positions: dict[Symbol, Position]
    prices: dict[Symbol, tuple[Price, int]]
    switch: Control
    everybody: Control
    of_symbols: dict[Symbol, Control]
    ready: bool
    stopped_out: bool
    later_ms: int


@st.composite
def _looks(draw: st.DrawFn) -> _Seen:
    quoted = draw(st.sets(st.sampled_from(SYMBOLS)))
    return _Seen(
        positions=draw(_positions()),
        prices={symbol: (Price(draw(_PRICES), symbol), NOW - draw(_AGES)) for symbol in quoted},
        switch=draw(_SWITCHES),
        everybody=draw(_SWITCHES),
        of_symbols={symbol: draw(_SWITCHES) for symbol in draw(st.sets(st.sampled_from(SYMBOLS)))},
        ready=draw(st.booleans()),
        stopped_out=draw(st.booleans()),
        later_ms=draw(st.integers(0, 100_000)),
    )


_EXITS = st.builds(
    ExitPolicy,
    stop_loss_pct=_PCT,
    take_profit_pct=_PCT,
    trailing_pct=_PCT,
    max_hold_ms=st.none() | st.integers(1, 10**9),
)


@dataclass
class _Account:
    """Everything around the cycle, in memory: it answers with what the present look is shown, and records what is dispatched."""

    seen: _Seen | None = None
    dispatched: list[tuple[Decision, Mapping[Symbol, Position]]] = field(default_factory=list)
    user: str = USER
    venue: Any = VENUE
    changed: Any = None
    renames: Any = NO_RENAMES

    @property
    def now(self) -> _Seen:
        assert self.seen is not None
        return self.seen

    async def recent(self) -> _Account:
        return self

    def holdings(self) -> Holdings:
        return Holdings(self.now.positions, {})

    async def own_switch(self, _user: str) -> Control:
        return self.now.switch

    async def market(self, _venue: str, _symbols: Collection[Symbol], *, since: float) -> WatchedMarket:
        return WatchedMarket(self.now.prices, self.now.of_symbols, self.now.everybody)

    async def ask_for(self, *_: object) -> None:
        """Ask no one."""

    async def book(self, symbol: Symbol, master: str) -> Position | None:
        position = self.now.positions.get(symbol)
        return None if position is None else position.book(master)

    async def correct(self, symbol: Symbol, change: Callable[[Position | None], Position | None]) -> None:
        changed = change(self.now.positions.get(symbol))
        if changed is not None:
            self.now.positions[symbol] = changed

    async def note_own_exit(self, _decision: Decision) -> None:
        """Write nothing."""

    async def forget_own_exit(self, _decision: Decision) -> None:
        """Write nothing."""

    async def look(self, *_: object) -> None:
        """Find no loss."""

    def closes_all(self, _now: int) -> str | None:
        return "a loss" if self.now.stopped_out else None

    @property
    def ready(self) -> bool:
        return self.now.ready

    def for_losses(self) -> None:
        """Know nothing."""

    async def run(self, decision: Decision, entry_id: str, *, redelivered: bool) -> bool:
        assert (entry_id, redelivered) == ("", False)
        self.dispatched.append((decision, dict(self.now.positions)))
        return True


async def _live(account: _Account, looks: list[_Seen], exits: ExitPolicy, *, enabled: bool, leaves: OnLeave) -> None:
    """Run a user's own cycle through some looks, with a price alarm between them as the feed gives one."""
    clock = SimpleNamespace(now=NOW)
    account.changed = asyncio.Event()
    any_: Any = account
    policy = replace(UserFile().policy(USER), exits=exits, enabled=enabled, on_leave=leaves)
    quiet = SimpleNamespace(any=False, report=lambda *_: False, clear=lambda *_: False)
    context: Any = SimpleNamespace(
        policy=policy, user=USER, venue=SimpleNamespace(name=VENUE), clock=lambda: clock.now, account=any_, risk=any_,
        positions=any_, renames=NO_RENAMES, faults=quiet, priority=SendPriority(),
    )  # fmt: skip
    alarm: Any = SimpleNamespace(set=lambda *_: None, forget=lambda *_: None)

    async def run_task(task: Task) -> None:
        await task()

    async with asyncio.TaskGroup() as tasks:
        queues: SymbolQueues[Task] = SymbolQueues(tasks, run_task)
        owned = OwnExits(any_, any_, any_, quiet, lambda: clock.now, any_, queues)  # type: ignore[arg-type]
        guardian = Guardian(context, any_, owned, alarm=alarm)
        for seen in looks:
            account.seen = seen
            clock.now += seen.later_ms
            await guardian.look()
            for price, at in seen.prices.values():
                guardian.price_moved(price, at)
            for _ in range(1_000):
                if not queues.busy:
                    break
                await asyncio.sleep(0)
            assert not queues.busy


@given(st.lists(_looks(), min_size=1, max_size=4), _EXITS, st.booleans(), st.sampled_from(OnLeave))
@settings(max_examples=scaled(300))
def test_all_that_a_users_own_cycle_does_is_to_sell_what_is_held(
    looks: list[_Seen], exits: ExitPolicy, enabled: bool, leaves: OnLeave
) -> None:
    account = _Account()
    asyncio.run(_live(account, looks, exits, enabled=enabled, leaves=leaves))
    for decision, held in account.dispatched:
        assert (decision.side, decision.kind, decision.signal_id, decision.user) == (Side.SELL, Kind.EXIT, "", USER)
        assert decision.copy is not None
        assert (decision.copy.base_size, decision.copy.fraction, decision.copy.limit_price) == (None, ONE, None)
        assert held[decision.symbol].book(decision.master).size.amount > 0


def test_the_property_sees_exits_at_all() -> None:
    """Without this the property could hold because nothing ever happens."""
    [symbol] = SYMBOLS[:1]
    held = Position(symbol, Quantity(ONE, "BTC"), Money(Decimal(100), "USD"), NOW, NOW)
    run = Control()
    seen = _Seen({symbol: held}, {symbol: (Price(Decimal(95), symbol), NOW)}, run, run, {}, True, False, 0)
    account = _Account()
    asyncio.run(_live(account, [seen], ExitPolicy(), enabled=True, leaves=OnLeave.KEEP))
    [(decision, _)] = account.dispatched
    assert decision.reason.startswith("stop_loss: ")


def test_a_users_process_reads_no_candles() -> None:
    sources = [path for folder in ("services/executor", "shared/execution") for path in (ROOT / folder).rglob("*.py")]
    assert len(sources) > 100
    for path in sources:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            assert not (isinstance(node, ast.Attribute) and node.attr == "candles"), f"{path} reads candles"
            assert not (isinstance(node, ast.alias) and node.name == "Candle"), f"{path} knows candles"
