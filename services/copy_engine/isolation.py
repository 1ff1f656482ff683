"""Distributes a signal to one user at a time after distributing it to all at once has failed, so that only the cause is affected.

An engine that retried the same signal for ever would deliver no other signal, and no exit, to any user. Redis refuses decisions
that are already written, so repeating a signal is harmless for the users whom it has reached.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.decisions.markets import Markets
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN
from shared.bus.flow.streams import Entry, write_dead_letter
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import order_id
from shared.domain.signal import Signal

log = structlog.get_logger()


async def distribute_to_each(
    fanout: FanOut,
    bus: Bus,
    faults: Faults,
    entry: Entry,
    signal: Signal,
    users: Sequence[UserPolicy],
    markets: Markets,
) -> None:
    """Distribute a signal to one user after another. A user for whom that fails gets a fault and a dead letter with the error.

    Raises the errors of ENDS_A_TURN.
    """
    for policy in users:
        try:
            await fanout.distribute(entry, signal, [policy], markets)
        except ENDS_A_TURN:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            subject = f"{policy.user}/{signal.id}"
            faults.report(FaultKind.ORDER, subject, f"the {signal.kind} of {signal.symbol} was not decided: {reason}")
            log.exception("a signal could not be carried to a user", signal_id=signal.id, user=policy.user)
            venue = policy.venue_for(signal.leader) or signal.venue
            fields = {
                "id": order_id(signal.id, policy.user, venue),
                "signal_id": signal.id,
                "user": policy.user,
                "venue": venue,
                "symbol": str(signal.symbol),
                "kind": signal.kind.value,
            }
            await write_dead_letter(bus, Entry(keys.orders(policy.user), entry.id, fields), keys.ENGINE, reason)
