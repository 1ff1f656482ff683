"""Which accounts masters have: one at each venue under `master`, and the further ones that a leading master has written down.

What shows or waits for masters reads this list, so that no account at a venue hides another. It says nothing of whether an
account is served: its record does.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.account import MASTER, master_owner
from shared.domain.values.master_name import is_master_name
from shared.domain.values.venue import VENUES


class MasterPlace(NamedTuple):
    """An account of a master: the user name in its keys, and its venue."""

    owner: str
    venue: str


def place_label(owner: str, venue: str) -> str:
    """Return what an account is called beside others: its venue, with the owner for a further one there."""
    return venue if owner == MASTER else f"{owner} at {venue}"


async def read_master_places(bus: Bus) -> list[MasterPlace]:
    """Return every account that a master may have a record of, the usual ones first. Raises BusUnavailable."""
    (answer,) = await bus.do_all([("HKEYS", keys.FURTHER_MASTERS)])
    return [*(MasterPlace(MASTER, venue) for venue in VENUES), *further_places(answer)]


async def read_master_owners(bus: Bus) -> list[str]:
    """Return the user names in the keys of masters' accounts, the usual one first. Raises BusUnavailable."""
    return list(dict.fromkeys(place.owner for place in await read_master_places(bus)))


def further_places(answer: object) -> list[MasterPlace]:
    """Return the further accounts of a list of fields, by name; what is none is left out."""
    found = []
    for field in sorted(answer if isinstance(answer, list) else []):
        name, _, venue = str(field).partition(" ")
        if is_master_name(name) and venue in VENUES:
            found.append(MasterPlace(master_owner(name), venue))
    return found
