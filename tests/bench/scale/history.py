"""The signals of a seeded system, and what each user's streams say about them.

All users have the same history but for their name and the ids of their orders, so a script in Redis can write it: 5,000 users
with 100 decisions each take seconds.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.contracts import keys
from shared.contracts.messages import OrderMessage, ReportMessage, SignalMessage
from shared.domain.order import Kind, OrderState, Side, order_id
from shared.domain.values.symbol import Symbol

VENUE: Final = "kraken"
SYMBOLS: Final = tuple(Symbol(base, "USD") for base in ("BTC", "ETH", "SOL", "XRP", "ADA"))
PRICE: Final = Decimal(100)
_APART_MS: Final = 60_000
_SCRIPT: Final = Path(__file__).with_name("fill.lua").read_text(encoding="utf-8")
_SPACE: Final = UUID(int=15)
_USER, _ORDER = "@user", "@order"
_ID: Final = str(UUID(int=1))
_SKIPPED_EVERY: Final = 10


@dataclass(frozen=True, slots=True)
class History:
    """Signals, oldest first, one a minute until now."""

    signals: tuple[SignalMessage, ...]
    template: str
    """What each user's streams say about them, as `fill.lua` reads it."""

    @staticmethod
    def until(now: int, count: int) -> History:
        """Return a history of `count` signals that ends at `now` (epoch ms)."""
        signals = tuple(_signal(number, now - (count - number) * _APART_MS) for number in range(count))
        rows = [_row(signal, number % _SKIPPED_EVERY == _SKIPPED_EVERY - 1) for number, signal in enumerate(signals)]
        return History(signals, json.dumps(rows))

    async def write_signals(self, bus: Bus) -> None:
        """Write the signals, all read by the engine."""
        await bus.do_all(
            [("XADD", keys.SIGNALS, f"{each.filled_at}-0", *flatten(each.fields())) for each in self.signals]
        )
        last = f"{self.signals[-1].filled_at}-0"
        await bus.do("XGROUP", "CREATE", keys.SIGNALS, keys.ENGINE, last, "ENTRIESREAD", len(self.signals))

    async def write_users(self, bus: Bus, users: Sequence[str]) -> None:
        """Write the streams and the orders' records of these users."""
        script = await bus.do("SCRIPT", "LOAD", _SCRIPT)
        for user in users:
            ids = [order_id(each.id, user, VENUE) for each in self.signals]
            await bus.do("EVALSHA", script, 0, self.template, user, *ids)


def _signal(number: int, at: int) -> SignalMessage:
    entry = number % 2 == 0
    return SignalMessage(
        id=str(uuid5(_SPACE, str(number))),
        venue=VENUE,
        symbol=SYMBOLS[number // 2 % len(SYMBOLS)],
        side=Side.BUY if entry else Side.SELL,
        kind=Kind.ENTRY if entry else Kind.EXIT,
        base_size=Decimal("0.5"),
        price=PRICE,
        fraction=None if entry else Decimal("0.5"),
        position_before=Decimal("0.5") if entry else Decimal(1),
        position_after=Decimal(1) if entry else Decimal("0.5"),
        master_equity=Decimal(100_000),
        filled_at=at,
        emitted_at=at,
    )


def _row(signal: SignalMessage, skipped: bool) -> dict[str, Any]:
    at, entry = signal.filled_at, signal.kind is Kind.ENTRY
    decision = OrderMessage(
        id=_ID,
        signal_id=signal.id,
        decision="skip" if skipped else "copy",
        user=_USER,
        venue=VENUE,
        symbol=signal.symbol,
        side=signal.side,
        kind=signal.kind,
        base_size=Decimal("0.025") if entry and not skipped else None,
        fraction=None if entry or skipped else signal.fraction,
        limit_price=Decimal("100.5") if entry and not skipped else None,
        not_after=at + 30_000 if entry and not skipped else None,
        reason="below the venue's minimum" if skipped else "0.5 x 5,000 / 100,000 x 1",
        code="too_small" if skipped else "",
        master_equity=Decimal(100_000),
        user_equity=Decimal(5_000),
        signal_at=at,
        emitted_at=at + 10,
    )
    report = ReportMessage(
        id=_ID,
        order_id=_ID,
        signal_id=signal.id,
        user=_USER,
        venue=VENUE,
        symbol=signal.symbol,
        side=signal.side,
        kind=signal.kind,
        outcome=OrderState.SKIPPED if skipped else OrderState.FILLED,
        reason="below the venue's minimum" if skipped else "",
        code="too_small" if skipped else "",
        venue_order_id="" if skipped else "OABCDE-FGHIJ-KLMNOP",
        filled_size=None if skipped else Decimal("0.025"),
        average_price=None if skipped else Decimal("100.1"),
        fee=None if skipped else Decimal("0.01"),
        cost=None if skipped else Decimal("2.5025"),
        signal_at=at,
        sent_at=None if skipped else at + 60,
        accepted_at=None if skipped else at + 200,
        settled_at=at + 300,
    )
    return {
        "at": f"{at}-0",
        "reported_at": f"{at + 300}-0",
        "decision": _marked(decision.fields()),
        "report": _marked(report.fields()),
        "record": [] if skipped else _record(signal),
    }


def _marked(fields: dict[str, str]) -> list[str]:
    """Return flat fields in which the user's orders are named by a mark; the report's own id may be the order's here."""
    return [_ORDER if value == _ID else value for value in flatten(fields)]


def _record(signal: SignalMessage) -> list[str]:
    fields = {
        "state": "filled",
        "nonce": str(signal.filled_at * 1_000_000),
        "fence": "3",
        "attempts": "1",
        "signal_id": signal.id,
        "symbol": str(signal.symbol),
        "side": signal.side,
        "kind": signal.kind,
        "base_size": "0.025",
        "limit_price": "100.5",
        "sent_at": str(signal.filled_at + 60),
        "accepted_at": str(signal.filled_at + 200),
        "venue_order_id": "OABCDE-FGHIJ-KLMNOP",
        "filled_size": "0.025",
        "cost": "2.5025",
        "fee": "0.01",
    }
    return flatten(fields)
