"""What can go wrong on the bus.

BusError
├── BusUnavailable   Redis did not answer; the command may or may not have run, scripts make repeating it harmless
├── GroupLost        a consumer group that was there is gone: Redis has lost its data
└── LeaseLost        somebody else serves this holder now, or the lease is too short to start anything
"""


class BusError(Exception):
    """Any failure of the bus."""


class BusUnavailable(BusError):  # noqa: N818  # a state of the bus, named as one
    """Redis did not answer, or is not the master any more. Wait, and begin again from what Redis holds."""


class BusRefused(BusError):  # noqa: N818
    """Redis refuses this very command; the text is its reason."""


class LeaseLost(BusError):  # noqa: N818
    """The caller is no longer the owner: it must stop sending at once."""


class GroupLost(BusError):  # noqa: N818
    """A consumer group that was there is gone, and with it everything else that Redis held."""
