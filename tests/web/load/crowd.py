"""Plays a system with many users as far as Redis can tell: signals at a given rate, each decided and settled for every user.

Everything is written over the wire's own messages and in pages, so that the load is on the API and not on what plays it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final
from uuid import uuid4

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.heartbeat import HeartbeatRecord, Phase
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.domain.account import MASTER, Account, AccountState
from shared.domain.order import Kind, OrderState, Side, order_id
from shared.domain.values.money import Money, Price
from tests.support.copies import BTC, now_ms

_CHUNK: Final = 200
_SKIPPED: Final = 20
"""One user in so many is skipped, so that the lines have reasons."""
_HEARTBEAT: Final = 5.0
VENUE: Final = "kraken"


def write_users(folder: Path, count: int) -> list[str]:
    """Write a folder of settings with so many users; return their names."""
    names = [f"user{number:04d}" for number in range(count)]
    users = folder / "users"
    users.mkdir(parents=True)
    for name in names:
        (users / f"{name}.toml").write_text(f'venues = ["{VENUE}"]\n[follow]\n{VENUE} = "{VENUE}"\n', encoding="utf-8")
    return names


@dataclass
class Crowd:
    """The users, the master and the services of a system that only exists in Redis."""

    bus: Bus
    users: Sequence[str]
    random: Random = field(default_factory=lambda: Random(15))
    sent: list[str] = field(default_factory=list)
    """The entry ids of all signals, in the order of the stream."""

    async def begin(self) -> None:
        """Write accounts, leases and a price; of the services, one heartbeat."""
        for name in (MASTER, *self.users):
            await self._account(name)
        await self._write([("SET", keys.lease(name), f"executor-of-{name}") for name in self.users])
        await self._write([("HSET", keys.following(name), "from", "0-0", "until", "") for name in self.users])
        await self.beat()

    async def beat(self) -> None:
        """Write a heartbeat of each service, and a price."""
        records = Records(self.bus)
        for service in ("master-strategy", "copy-engine"):
            beat = HeartbeatRecord(state="running", mode="paper", phase=Phase.OPEN)
            await records.write_heartbeat(service, "x", beat)
        await records.write_prices(VENUE, [Price(Decimal(60_000 + self.random.randrange(100)), BTC)], now_ms())

    async def live(self, every: float) -> None:
        """Keep heartbeats and a price fresh, and read one account after another again, until cancelled."""
        number, beaten = 0, time.monotonic()
        while True:
            if time.monotonic() - beaten > _HEARTBEAT:
                await self.beat()
                beaten = time.monotonic()
            await self._account(self.users[number % len(self.users)])
            number += 1
            await asyncio.sleep(every)

    async def copy(self) -> str:
        """Emit a signal, decide it for every user, and settle it; return its entry id."""
        at = now_ms()
        signal = SignalMessage(
            id=str(uuid4()), venue=VENUE, symbol=BTC, side=Side.BUY, kind=Kind.ENTRY,
            base_size=Decimal("0.5"), price=Decimal(60_000), master_equity=Decimal(100_000), filled_at=at, emitted_at=at,
        )  # fmt: skip
        entry_id = str(await self.bus.do("XADD", keys.SIGNALS, "*", *flatten(signal.fields())))
        self.sent.append(entry_id)
        await self._decide(signal.id, entry_id, at)
        await self._settle(signal.id, at)
        return entry_id

    async def _decide(self, signal: str, entry_id: str, at: int) -> None:
        message = OrderMessage(
            id=str(uuid4()), signal_id=signal, decision="copy", user="x", venue=VENUE, symbol=BTC, side=Side.BUY, kind=Kind.ENTRY,
            base_size=Decimal("0.1"), limit_price=Decimal(60_300), not_after=at + 30_000, reason="0.5 BTC × 5,000 / 100,000",
            signal_at=at, emitted_at=at,
        )  # fmt: skip
        fields = message.fields()
        await self._write(
            [
                (
                    "XADD",
                    keys.orders(user),
                    entry_id,
                    *flatten(fields | {"id": self._order(signal, user), "user": user}),
                )
                for user in self.users
            ]
        )

    async def _settle(self, signal: str, at: int) -> None:
        filled = ReportMessage(
            id=str(uuid4()), order_id=str(uuid4()), signal_id=signal, user="x",
            venue=VENUE, symbol=BTC, side=Side.BUY, kind=Kind.ENTRY,
            outcome=OrderState.FILLED, reason="", filled_size=Decimal("0.1"), average_price=Decimal(60_010), signal_at=at,
            accepted_at=at + 120, settled_at=at + 200,
        ).fields()  # fmt: skip
        skipped = filled | {
            "outcome": OrderState.SKIPPED,
            "reason": "0.1 BTC is below the minimum",
            "code": "below_minimum",
        }
        commands: list[tuple[str | int, ...]] = []
        for number, user in enumerate(self.users):
            base = filled if number % _SKIPPED else skipped
            order = self._order(signal, user)
            own = base | {"id": str(uuid4()), "order_id": order, "user": user}
            commands.append(("XADD", keys.reports(user), "*", *flatten(own)))
        await self._write(commands)

    def _order(self, signal: str, user: str) -> str:
        return order_id(signal, user, VENUE)

    async def _write(self, commands: Sequence[tuple[str | int, ...]]) -> None:
        for first in range(0, len(commands), _CHUNK):
            for answer in await self.bus.do_all(commands[first : first + _CHUNK]):
                if isinstance(answer, Exception):
                    raise answer
            await asyncio.sleep(0.05 if len(commands) > _CHUNK else 0)

    async def _account(self, name: str) -> None:
        equity = Money(Decimal(self.random.randrange(4_000_00, 6_000_00)) / 100, "USD")
        account = Account(name, VENUE, AccountState.READY, "", equity, equity, Decimal("0.004"), now_ms())
        await Records(self.bus).write_account(account)
