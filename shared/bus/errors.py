"""The failures of the bus.

BusError
├── BusUnavailable   Redis did not answer; the command may or may not have run, scripts make repeating it harmless
│   └── BusForbidden it refuses the command to this Redis user: an outage, perhaps of one key only
├── BusRefused       Redis refuses this particular command, such as one on a key of another type
├── GroupLost        a consumer group has disappeared: Redis has lost its data
└── LeaseLost        another process serves this holder now, or the lease is too short to start anything
"""

from __future__ import annotations

from typing import Final


class BusError(Exception):
    """Any failure of the bus."""


class BusUnavailable(BusError):  # noqa: N818  # a state of the bus, named as one
    """Redis did not answer, or is no longer the primary. Wait, and start again from what Redis holds."""


class BusForbidden(BusUnavailable):
    """The ACL of Redis forbids the command, which did not run. An outage until an operator allows it."""


class BusRefused(BusError):  # noqa: N818
    """Redis refuses this particular command; the text is its reason."""


class LeaseLost(BusError):  # noqa: N818
    """The caller is no longer the owner: it must stop sending at once."""


class GroupLost(BusError):  # noqa: N818
    """A consumer group has disappeared, and with it everything else that Redis held."""


ENDS_A_TURN: Final = (BusUnavailable, LeaseLost, GroupLost)
"""Failures after which nothing may start before all state is read again. BusRefused is not one: it is about one key."""
