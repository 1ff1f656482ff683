"""Fills Redis and a folder of settings with as many users as asked for, as if Shoal had served them for hours.

In every fifty users one is parked, one paused, one stopped out, one unserved, and one switched off; everybody else trades. Each
holds three symbols from copying and has the history of `history.py`. Nothing here runs a service: what is measured is how long
it takes to show all this.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records
from shared.bus.users.user_index import add_to_index
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS, EquitySample, write_sample
from shared.contracts.heartbeat import HeartbeatRecord, Phase
from shared.contracts.position_record import write_position
from shared.contracts.records import AccountRecord
from shared.contracts.risk import write_risk
from shared.contracts.sample_ring import write_label, write_minute
from shared.contracts.trade_totals import CONTENTS, write_totals
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.limits.policy import StopOutAction
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.position import Position
from shared.domain.trade_totals import TradeTotals
from shared.domain.values.money import Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.bench.scale.history import PRICE, SYMBOLS, VENUE, History

_EVERY: Final = 50
PARKED, PAUSED, STOPPED, UNSERVED, OFF = 1, 2, 3, 4, 5
"""Which of every fifty users is in what state."""
_FILE: Final = """enabled = {enabled}
venues = ["kraken"]

[sizing]
multiplier = {multiplier}

[limits]
max_order_pct = 50
daily_loss_pct = 5
"""
_MULTIPLIERS: Final = 40
"""So many different settings there are."""
_HELD: Final = 3
_SAMPLES: Final = 30
_PRICES: Final = 200
_CHUNK: Final = 250
_DAY_MS: Final = 86_400_000
Command = tuple[str | int | bytes, ...]


@dataclass(frozen=True, slots=True)
class World:
    """A seeded system: its users, signals and the instant until which it ran (epoch ms)."""

    users: tuple[str, ...]
    history: History
    now: int

    @staticmethod
    def of(users: int, signals: int) -> World:
        """Return a system of so many users and signals that ends now."""
        now = time.time_ns() // 1_000_000
        return World(tuple(f"user-{number:05}" for number in range(users)), History.until(now, signals), now)

    def write_files(self, config: Path) -> None:
        """Write the users' settings into a configuration folder."""
        folder = config / "users"
        folder.mkdir(parents=True, exist_ok=True)
        for number, user in enumerate(self.users):
            enabled = "false" if number % _EVERY == OFF else "true"
            text = _FILE.format(enabled=enabled, multiplier=1 + number % _MULTIPLIERS / 100)
            (folder / f"{user}.toml").write_text(text, encoding="utf-8")

    async def write_redis(self, bus: Bus) -> None:
        """Write everything into an empty Redis. Raises BusUnavailable."""
        await self.history.write_signals(bus)
        await self._write_services(bus)
        numbered = list(enumerate(self.users))
        for first in range(0, len(numbered), _CHUNK):
            chunk = numbered[first : first + _CHUNK]
            await bus.do_all([command for number, user in chunk for command in self._user(number, user)])
        await self.history.write_users(bus, self.users)
        await add_to_index(bus, self.users, self.now)

    async def _write_services(self, bus: Bus) -> None:
        sign = HeartbeatRecord(state="running", mode="paper", phase=Phase.OPEN, since=self.now - _DAY_MS)
        signs = [("master-strategy", "a"), (keys.ENGINE, "a"), *(("executor", str(number)) for number in range(5))]
        await bus.do_all([("HSET", keys.heartbeat(*name), *flatten(sign.fields())) for name in signs])
        await bus.do_all([("HSET", keys.PROCESSES, ":".join(name), self.now) for name in signs])
        await bus.do_all([("SET", keys.lease(keys.ENGINE), "a"), *self._books(MASTER, Decimal(1))])
        await bus.do("HSET", keys.open_orders(MASTER, VENUE), "whole", self.now)
        others = [Symbol(f"C{number:03}", "USD") for number in range(_PRICES)]
        await Records(bus).write_prices(VENUE, [Price(PRICE, symbol) for symbol in (*SYMBOLS, *others)], self.now)

    def _user(self, number: int, user: str) -> Iterator[Command]:
        kind, first = number % _EVERY, f"{self.history.signals[0].filled_at}-0"
        yield from self._books(user, Decimal("0.05"), parked=kind == PARKED)
        yield ("HSET", keys.following(user), "from", first, "until", "")
        yield ("HSET", keys.risk(user, VENUE), *flatten(write_risk(self._risk(stopped=kind == STOPPED))))
        yield ("SET", keys.nonce(user, keys.fingerprint(user)), self.now)
        yield ("HSET", keys.SERVED_KEYS, f"{user} {keys.fingerprint(user)}", self.now)
        if kind == PAUSED:
            yield ("HSET", keys.control(user), "mode", "pause", "reason", "on holiday", "by", "anna", "at", self.now)
        if kind == STOPPED:
            said = {"v": "1", "at": str(self.now), "until": str(self.now + _DAY_MS), "reason": "a loss of 6 %"}
            yield ("XADD", keys.stopouts(user), f"{self.now}-0", *flatten(said))
        if kind != UNSERVED:
            yield ("SET", keys.lease(user), str(number % 5))

    def _books(self, user: str, size: Decimal, *, parked: bool = False) -> Iterator[Command]:
        equity = Money(Decimal(100_000) * size, "USD")
        state, reason = (AccountState.PARKED, "the venue refuses the key") if parked else (AccountState.READY, "")
        account = Account(user, VENUE, state, reason, equity, equity, Decimal("0.004"), self.now)
        held = [symbol for symbol in SYMBOLS[:_HELD] for _ in (_position(symbol, size, self.now),)]
        yield ("HSET", keys.account(user, VENUE), *flatten(AccountRecord.from_domain(account).fields()))
        yield ("HSET", keys.books(user, VENUE), "v", "1", "funds", "paper", "since", 0)
        positions = {str(each): write_position(_position(each, size, self.now)) for each in held}
        yield ("HSET", keys.positions(user, VENUE), *flatten(positions))
        sums = {str(each): write_totals(_totals(each, size, self.now)) for each in SYMBOLS}
        yield ("HSET", keys.totals(user, VENUE), *flatten({**sums, CONTENTS: "0"}))
        yield from self._samples(user, equity)

    def _samples(self, user: str, equity: Money) -> Iterator[Command]:
        for name, step in EQUITY_STEPS.items():
            ring, newest = " " * step.size, step.start(self.now)
            for back in range(_SAMPLES, 0, -1):
                start = newest - back * step.length_ms
                record, place = (
                    write_sample(start, EquitySample("USD", equity.amount + back, Decimal(back))),
                    step.offset(start),
                )
                ring = ring[:place] + record + ring[place + len(record) :]
            header = write_minute(newest) + write_label("USD")
            yield ("SET", keys.equity(user, VENUE, name), header + ring[len(header) :])

    def _risk(self, *, stopped: bool) -> RiskState:
        state = RiskState.fresh("USD", self.now)
        if not stopped:
            return state
        return replace(
            state,
            stopped_until=self.now + _DAY_MS,
            stopped_by=(StopOut.DAILY_LOSS,),
            stopped_action=StopOutAction.BLOCK_ENTRIES,
            stopped_reason="a loss of 6 %",
        )


def _position(symbol: Symbol, size: Decimal, now: int) -> Position:
    return Position(symbol, Quantity(size, symbol.base), Money(size * PRICE, symbol.quote), now, now)


def _totals(symbol: Symbol, size: Decimal, now: int) -> TradeTotals:
    spent = 2 * size * PRICE
    return TradeTotals(
        symbol, bought=2 * size, spent=spent, sold=size, received=spent / 2, sold_cost=spent / 2, trades=20, last_at=now
    )


def some(users: Sequence[str]) -> str:
    """Return a user from the middle."""
    return users[len(users) // 2]
