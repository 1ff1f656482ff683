"""From an intent to an order that the venue accepts, or to the reason why there is none. Pure.

Entries are reduced to the free cash and floored to the lot. Exits are sized by what the strategy bought itself, never by a
balance, which lags and includes what others bought; only the venue's minimum stops them.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from shared.domain.exits import ExitSize, size_exit
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.reason import ReasonCode
from shared.domain.sizing import entry_limit
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE, Money, Price, Quantity
from shared.strategies.exit_plan import DueExit, ExitPlan
from shared.strategies.port import Enter, Exit


@dataclass(frozen=True, slots=True)
class OrderPlan:
    """An order to be sent. Without `limit_price` it is a market order."""

    side: Side
    size: Quantity
    limit_price: Price | None
    reason: str
    entered_at: int = 0
    """Of an entry: the end of its candle, epoch ms of market time."""
    exit_plan: ExitPlan | None = None
    """Of an entry: how what it buys ends by price."""
    exit_step: DueExit | None = None
    """Of an exit: the step of the position's plan that it carries out, if it is one."""


def plan_entry(
    intent: Enter,
    instrument: Instrument,
    price: Price,
    *,
    equity: Money,
    cash: Money,
    taker_fee: Decimal,
    slippage_bps: Decimal | None,
    entered_at: int = 0,
) -> OrderPlan | Skip:
    """Size an entry at the present price; a limit order `slippage_bps` above it, a market order for None."""
    limit = None if slippage_bps is None else entry_limit(price, Side.BUY, slippage_bps, instrument.tick)
    wanted = equity.scaled(intent.share)
    spendable = cash.scaled(ONE / (ONE + taker_fee))
    reason = intent.reason
    if spendable < wanted:
        wanted, reason = spendable, f"{reason}; cut to the free cash"
    size = (wanted / (limit or price)).floored(instrument.lot_step)
    missed = instrument.below_minimum(size, price)
    return (
        Skip(missed, ReasonCode.BELOW_MINIMUM)
        if missed
        else OrderPlan(Side.BUY, size, limit, reason, entered_at, intent.plan)
    )


def plan_exit(
    intent: Exit,
    instrument: Instrument,
    price: Price,
    *,
    position: Position,
    free: Quantity | None,
    slippage_bps: Decimal | None,
    step: DueExit | None = None,
) -> OrderPlan | Skip:
    """Size an exit; `free` is given only after the venue refused the whole for insufficient funds."""
    sized = size_exit(position, intent.fraction, instrument, price, has=free)
    if not isinstance(sized, ExitSize):
        return sized
    limit = None if slippage_bps is None else entry_limit(price, Side.SELL, slippage_bps, instrument.tick)
    return OrderPlan(Side.SELL, sized.size, limit, intent.reason, exit_step=step)
