"""What forbids a mirrored order now: kill switches, a stop-out, the user's settings, a master that is not heard.

A resting buy may fill at any moment, so that what stops entries cancels it: `pause` and `flatten` as well as a stop-out. `halt`
stops everything that would be sent, cancels included. A resting sale is stopped by `halt` alone, as every exit.
"""

from __future__ import annotations

from typing import Final

from services.executor.account.context import AccountContext
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.control import Control, ControlMode, refusal
from shared.domain.mirror import Mirror
from shared.domain.order import Kind, OrderState
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.numerals import whole
from shared.execution.conditions import Conditions, Switches
from shared.execution.outcome import Denied

SILENT_MS: Final = 120_000
"""How long the master's open orders may go unseen: ten scans. After that a cancel by the master would go
unnoticed."""
_AS_OF: Final = "as_of"


class MirrorGuard:
    """Judges one mirrored order. `mirror` is its present wish."""

    def __init__(self, bus: Bus, context: AccountContext, mirror: Mirror) -> None:
        self._bus = bus
        self._context = context
        self._entry = mirror.decision.kind is Kind.ENTRY
        self._symbol = mirror.decision.symbol
        self._master = mirror.master_venue
        self._master_order_id = mirror.master_order_id
        self._missing_since: int | None = None

    async def halted(self) -> bool:
        """Return whether nothing may be sent at all."""
        return _halts(await self._switches())

    async def forbids(self) -> Skip | None:
        """Return why an open order must be cancelled and no further one placed; None if it may rest, and under `halt`, which
        ends nothing. Never for a sale.
        """
        if not self._entry:
            return None
        switches = await self._switches()
        if _halts(switches):
            return None
        if (off := refusal(Kind.ENTRY, *switches)) is not None:
            return off
        return self._barred() or await self._silent()

    async def gone(self) -> bool:
        """Return whether the master has not had the order for a while, although no event ended it."""
        as_of, known = await self._bus.do("HMGET", keys.masters_resting(self._master), _AS_OF, self._master_order_id)
        now = self._context.clock()
        if known is not None or now - (whole(as_of) or 0) > SILENT_MS:
            self._missing_since = None
            return False
        self._missing_since = now if self._missing_since is None else self._missing_since
        return now - self._missing_since > SILENT_MS

    def conditions(self, latest_at: int | None = None) -> Conditions:
        """Return what must hold at the moment in which a leg leaves. What stops it is not an end: `PLANNED`."""
        switches = Switches(self._context.switch_keys(self._symbol), self._judge)
        return Conditions(self._check, switches, latest_at)

    async def _check(self) -> Denied | None:
        if not self._entry:
            return None
        stop = self._barred() or await self._silent()
        if stop is None and (off := self._context.alarm.refusal()):
            stop = Skip(off, ReasonCode.CLOCK)
        return None if stop is None else Denied(OrderState.PLANNED, stop.reason, stop.code)

    async def _judge(self) -> Denied | None:
        kind = Kind.ENTRY if self._entry else Kind.EXIT
        off = refusal(kind, *await self._switches())
        return None if off is None else Denied(OrderState.PLANNED, off.reason, off.code)

    def _barred(self) -> Skip | None:
        context = self._context
        if context.policy.fault:
            return Skip(context.policy.fault, ReasonCode.SETTINGS_UNUSABLE)
        if not context.policy.enabled:
            return Skip("the user is disabled", ReasonCode.DISABLED)
        if context.policy.stage.restricts:
            return Skip("the user's stage allows no order that rests", ReasonCode.STAGE_CHANGED)
        if stopped := context.risk.stopped(context.clock()):
            return Skip(stopped, ReasonCode.STOPPED_OUT)
        return None

    async def _silent(self) -> Skip | None:
        """Return the skip of an order whose master was not heard: it would not be cancelled with the master's."""
        as_of = whole(await self._bus.do("HGET", keys.masters_resting(self._master), _AS_OF)) or 0
        age = self._context.clock() - as_of
        if age <= SILENT_MS:
            return None
        why = (
            f"the master's open orders were last seen {age // 1000} s ago"
            if as_of
            else "the master's orders are not seen"
        )
        return Skip(why, ReasonCode.MASTER_SILENT)

    async def _switches(self) -> tuple[Control, ...]:
        return await self._context.switches(self._symbol)


def _halts(switches: tuple[Control, ...]) -> bool:
    return any(switch.mode is ControlMode.HALT for switch in switches)
