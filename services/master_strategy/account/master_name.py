"""Under which name an account's signals go out: that of its file, once nothing that was copied under another one is held.

Users' copies are in the book of the name under which they were bought, and an exit reaches that book alone. So a name must never
change while the account holds something: until then the former name stays, and the exits go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.fault import FaultKind, Faults
from shared.domain.portfolio import RESIDUE
from shared.domain.position import Position

_NAME: Final = "name"

_log = structlog.get_logger(__name__)


async def name_in_force(bus: Bus, venue: str, wanted: str, held: Iterable[Position], faults: Faults) -> str:
    """Return the name for this session, and record it: the wanted one, or the former one while something is held.

    `held` are the account's positions. Call it under the master's lease, before anything is emitted. Raises BusUnavailable.
    """
    key, subject = keys.master_name(venue), f"name of the master at {venue}"
    former = str(await bus.do("HGET", key, _NAME) or "")
    open_ = sorted(str(each.size) for each in held if each.size.amount > 0 and each.cost.amount >= RESIDUE)
    if former != wanted and open_:
        reason = (
            f"it stays {former or venue} and becomes {wanted or venue} at a start at which nothing is held: users hold copies of "
            f"{', '.join(open_)} under the former name"
        )
        faults.report(FaultKind.USER_FILE, subject, reason)
        _log.warning("the master keeps its former name", venue=venue, why=reason)
        return former
    faults.clear(FaultKind.USER_FILE, subject)
    if former != wanted:
        await bus.do("HSET", key, _NAME, wanted)
        _log.info("the master has another name", venue=venue, name=wanted or venue, former=former or venue)
    return wanted
