"""What the scripts of orders read of other slots: with one server in their own step, in a cluster right before it.

A kill switch that is set between the two is like one that is set right after the step: the order is on its way by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from shared.contracts import keys
from shared.domain.control import ControlMode

_NOT_SET: Final = (None, "", ControlMode.RUN)
"""The modes of a kill switch that permit everything."""


def switches_beside(user: str, switches: Sequence[str]) -> list[str]:
    """Return the kill switches in the slot of the user's orders, which a script reads with them."""
    return [name for name in switches if name == keys.control(user)]


async def is_set_elsewhere(bus: Bus, user: str, switches: Sequence[str]) -> bool:
    """Return whether a kill switch of another slot is set, or cannot be read. Raises BusUnavailable."""
    ours = switches_beside(user, switches)
    answers = await bus.hget_shared(*((name, "mode") for name in switches if name not in ours))
    return any(answer not in _NOT_SET for answer in answers)


async def published_price(bus: Bus, venue: str, symbol: str) -> Mapping[str, str]:
    """Return the published price of a symbol as the field that the scripts write; empty if it cannot be read."""
    try:
        (price,) = await bus.hget_shared((keys.prices(venue), symbol))
    except BusUnavailable:  # its node is away, which must not keep an order's record from being written
        return {}
    return {"market": price} if isinstance(price, str) else {}
