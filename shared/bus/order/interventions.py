"""What an operator may write into a running system: verdicts on orders, dead letters put back or dropped, requests.

None of it changes an order's state, a position or a nonce: only the holder of the lease may do that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from shared.bus.connection import Bus
from shared.bus.flow.streams import Group, flatten
from shared.bus.scripts import load
from shared.contracts import keys
from shared.contracts.doctor import DoctorRequest
from shared.contracts.rebuilding import RebuildRequest
from shared.contracts.reconciliation import ReconcileRequest
from shared.contracts.verdict import VerdictRecord


async def give_verdict(bus: Bus, user: str, order_id: str, attempts: str, verdict: VerdictRecord) -> bool:
    """Add a verdict to the record of an order; `attempts` counts the sends up to the one that was judged, as in the record.

    Return False if the order has ended or gone on to another send: then nothing was written. Raises BusUnavailable.
    """
    answer = await bus.run(load("give_verdict"), [keys.order(user, order_id)], [attempts, *flatten(verdict.fields())])
    return bool(answer == "ok")


async def put_back_order(bus: Bus, stream: str, entry_id: str, letter_ids: Sequence[str]) -> bool:
    """Make a dead-lettered order pending again and remove its dead letters; False if its entry is no longer in the stream.

    It keeps its entry id, which is its signal's: a second entry would be a second decision. Raises BusUnavailable.
    """
    await Group(bus, keys.EXECUTOR).ensure([stream])
    answer = await bus.run(load("put_back"), [stream, keys.dead(stream)], [keys.EXECUTOR, entry_id, *letter_ids])
    return bool(answer)


async def put_back_signal(bus: Bus, entry_id: str, letter_ids: Sequence[str]) -> str | None:
    """Append a dead-lettered signal again and remove its dead letters; return its new entry id, or None if it is no longer there.

    Its old id cannot be used: users' streams, which take their ids from it, are past it. Raises BusUnavailable; repeat it.
    """
    new = await bus.run(load("append_again"), [keys.SIGNALS], [entry_id])
    if not new:
        return None
    await bus.do("XDEL", keys.dead(keys.SIGNALS), *letter_ids)
    return str(new)


async def drop(bus: Bus, stream: str, entry_id: str, letter_ids: Sequence[str], *, by: str, at: int, why: str) -> None:
    """Remove the dead letters of an entry and record who dropped it, when (epoch ms) and why. Raises BusUnavailable."""
    record = json.dumps({"by": by, "at": at, "why": why}, ensure_ascii=False)
    await bus.do("HSET", keys.dropped(stream), entry_id, record)
    await bus.do("XDEL", keys.dead(stream), *letter_ids)


async def ask_for_reconciliation(bus: Bus, user: str, request: ReconcileRequest) -> None:
    """Request that the process that serves a user compares their positions with their balances. Raises BusUnavailable."""
    await bus.do("HSET", keys.control(user), *flatten(request.fields()))


async def ask_for_rebuilding(bus: Bus, user: str, request: RebuildRequest) -> None:
    """Request that the process that serves a user rebuilds their lost books. Raises BusUnavailable."""
    await bus.do("HSET", keys.control(user), *flatten(request.fields()))


async def ask_for_key_check(bus: Bus, user: str, request: DoctorRequest) -> None:
    """Request that the process that serves a user, or the master, checks their API keys now. Raises BusUnavailable."""
    await bus.do("HSET", keys.control(user), *flatten(request.fields()))
