"""How good each copy was: its price against the master's, and the time that each part of its way took.

Slippage compares the user's average price with the price of the master's fill, in basis points of the master's: above zero the
user did worse, whatever the side. Where the user trades another quote currency than the master, or at another venue, the
difference between the two markets is part of it.

The times of a copy are by the venue's clock. Its parts add up to the time from the master's fill to the outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.domain.order import Side
from shared.domain.signal import Signal
from shared.domain.values.money import BASIS_POINT
from shared.ledger.performance.trades import Trade

_AROUND_MS: Final = 5_000
"""How far an entry of the signal stream may be from the instant in the set of emitted ids: two clocks and one round trip."""
_MOST_AROUND: Final = 200


@dataclass(frozen=True, slots=True)
class CopyDelay:
    """The parts of a copy's way, in ms; None where one of its two instants is not known."""

    to_send: int | None
    """From the master's fill until the order left: seeing the fill, deciding, waiting for the account's turn."""
    to_accept: int | None
    """Until the venue had taken it."""
    to_settle: int | None
    """Until its end was known and booked."""

    @property
    def total(self) -> int | None:
        """Return the whole way; None if one part is not known."""
        if self.to_send is None or self.to_accept is None or self.to_settle is None:
            return None
        return self.to_send + self.to_accept + self.to_settle


def delay_of(trade: Trade) -> CopyDelay:
    """Return the times of a copy."""
    return CopyDelay(
        _between(trade.signal_at, trade.sent_at),
        _between(trade.sent_at, trade.accepted_at),
        _between(trade.accepted_at, trade.at),
    )


def slippage_bps(trade: Trade, master_price: Decimal) -> Decimal | None:
    """Return how much worse than the master's the price of a copy was, in basis points; None if the master's is not positive."""
    if master_price <= 0:
        return None
    worse = (trade.price.amount - master_price) / master_price
    return (worse if trade.side is Side.BUY else -worse) / BASIS_POINT


async def read_signals_of(bus: Bus, trades: Iterable[Trade]) -> Mapping[str, Signal]:
    """Read the signals that trades copied, by id, in two round trips; one that is older than the set of emitted ids is left out.

    Raises BusUnavailable.
    """
    wanted = sorted({trade.signal_id for trade in trades if trade.signal_id})
    scores = await bus.do_all([("ZSCORE", keys.EMITTED, each) for each in wanted])
    spans = sorted({(_start(score), _end(score)) for score in scores if isinstance(score, str)})
    answers = await bus.do_all([("XRANGE", keys.SIGNALS, first, last, "COUNT", _MOST_AROUND) for first, last in spans])
    found = {}
    for rows in answers:
        for entry in read_entries(keys.SIGNALS, rows if isinstance(rows, list) else []):
            if entry.fields.get("id") in wanted:
                try:
                    signal = SignalMessage.parse(entry.fields).to_domain()
                except MalformedMessageError:
                    continue
                found[signal.id] = signal
    return found


def _start(score: str) -> int:
    return max(int(float(score)) - _AROUND_MS, 0)


def _end(score: str) -> int:
    return int(float(score)) + _AROUND_MS


def _between(first: int | None, last: int | None) -> int | None:
    return None if first is None or last is None else last - first
