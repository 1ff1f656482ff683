"""What can go wrong on the bus.

BusError
├── BusUnavailable   Redis did not answer; the command may or may not have run, scripts make repeating it harmless
│   └── BusForbidden it refuses the command to this Redis user: an outage, which may be of one key alone
├── BusRefused       Redis refuses this very command: a key of another type, say
├── GroupLost        a consumer group that was there is gone: Redis has lost its data
└── LeaseLost        somebody else serves this holder now, or the lease is too short to start anything
"""

from __future__ import annotations

from typing import Final


class BusError(Exception):
    """Any failure of the bus."""


class BusUnavailable(BusError):  # noqa: N818  # a state of the bus, named as one
    """Redis did not answer, or is not the master any more. Wait, and begin again from what Redis holds."""


class BusForbidden(BusUnavailable):
    """Redis does not allow it (its ACL). It did not run; until somebody allows it, it is an outage."""


class BusRefused(BusError):  # noqa: N818
    """Redis refuses this very command; the text is its reason."""


class LeaseLost(BusError):  # noqa: N818
    """The caller is no longer the owner: it must stop sending at once."""


class GroupLost(BusError):  # noqa: N818
    """A consumer group that was there is gone, and with it everything else that Redis held."""


ENDS_A_TURN: Final = (BusUnavailable, LeaseLost, GroupLost)
"""Failures after which nothing may be begun before all is read anew. BusRefused is not one: it is about one key."""
