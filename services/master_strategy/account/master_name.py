"""Under which name an account's signals go out: that of its file, once nothing that was copied under another one is held.

Users' copies are in the book of the name under which they were bought, and an exit reaches that book alone. So a name must never
change while the account holds something: until then the former name stays, and the exits go on. And no two accounts may have one
name at a time: the exits of one would sell what the other has bought.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from shared.bus.connection import Bus
from shared.bus.master.master_account import read_positions
from shared.bus.master.master_places import further_places
from shared.contracts import keys
from shared.domain.account import master_owner
from shared.domain.fault import FaultKind, Faults
from shared.domain.portfolio import RESIDUE
from shared.domain.position import Position
from shared.domain.values.venue import VENUES
from shared.venues.errors import Unavailable

_NAME: Final = "name"

_log = structlog.get_logger(__name__)


async def name_in_force(bus: Bus, venue: str, wanted: str, held: Iterable[Position], faults: Faults) -> str:
    """Return the name for this session, and record it: the wanted one, or the former one while something is held.

    `held` are the account's positions. Call it under the master's lease, before anything is emitted. Raises BusUnavailable.
    """
    key, subject = keys.master_name(venue), f"name of the master at {venue}"
    former = str(await bus.do("HGET", key, _NAME) or "")
    if former == wanted:
        faults.clear(FaultKind.USER_FILE, subject)
        return wanted
    reason = ""
    if open_ := _open(held):
        reason = (
            f"it stays {former or venue} and becomes {wanted or venue} at a start at which nothing is held: users hold copies of "
            f"{', '.join(open_)} under the former name"
        )
    elif wanted and (other := await _further_holding(bus, wanted)):
        reason = f"it stays {former or venue}: {other}"
    if reason:
        faults.report(FaultKind.USER_FILE, subject, reason)
        _log.warning("the master keeps its former name", venue=venue, why=reason)
        return former
    faults.clear(FaultKind.USER_FILE, subject)
    await bus.do("HSET", key, _NAME, wanted)
    _log.info("the master has another name", venue=venue, name=wanted or venue, former=former or venue)
    return wanted


async def require_own_name(bus: Bus, name: str, venue: str) -> None:
    """Raise Unavailable while another account still has the name of a further one at `venue`. Raises BusUnavailable."""
    answers = await bus.do_all([("HGET", keys.master_name(each), _NAME) for each in VENUES])
    for each, answer in zip(VENUES, answers, strict=True):
        if answer == name:
            raise Unavailable(f"the account at {each} still has the name {name}: it changes once nothing is held there")
    if other := await _further_holding(bus, name, but=venue):
        raise Unavailable(other)


async def _further_holding(bus: Bus, name: str, but: str = "") -> str:
    """Say which further account of this name still holds something that users copied; empty if none does."""
    owner = master_owner(name)
    for place in further_places(await bus.do("HKEYS", keys.FURTHER_MASTERS)):
        if place.owner != owner or place.venue == but:
            continue
        positions, unreadable = await read_positions(bus, keys.positions(owner, place.venue))
        if held := [*_open(positions.values()), *unreadable]:
            return f"the account of {name} at {place.venue} holds {', '.join(held)}, of which users hold copies"
    return ""


def _open(held: Iterable[Position]) -> list[str]:
    return sorted(str(each.size) for each in held if each.size.amount > 0 and each.cost.amount >= RESIDUE)
