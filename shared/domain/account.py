"""An account at a venue as of an instant: whether it can trade, what it is worth, and what it can spend."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

from shared.domain.values.money import Money

MASTER: Final = "master"
"""The user name in the Redis keys of the master's own account; it is reserved, so no user may have it."""
_NAMED: Final = f"{MASTER}."
"""No user's name has a dot in it."""


def master_owner(name: str = "") -> str:
    """Return the user name in the Redis keys of a master's account: `master`, or `master.<name>` of a further one at a venue."""
    return f"{_NAMED}{name}" if name else MASTER


def is_master(owner: str) -> bool:
    """Return whether a user name in Redis keys is that of a master's account."""
    return owner == MASTER or owner.startswith(_NAMED)


def further_name(owner: str) -> str:
    """Return the name of the master whose further account this is; empty for the usual accounts and for users."""
    return owner.removeprefix(_NAMED) if owner.startswith(_NAMED) else ""


FIRST_CONNECT: Final = "connects for the first time since this master began to lead"
"""The reason of a master's account that has not been tried yet: users and the engine wait for it, though another is ready."""


NO_STREAM_RIGHT: Final = "the key may not open streams"
"""Why an account is polled whose owner has not given the key that right: `Account.served` contains it."""


class AccountState(StrEnum):
    """Whether an account can trade; a parked one has a reason that the operator sees."""

    CONNECTING = "connecting"
    READY = "ready"
    PARKED = "parked"


class Account(NamedTuple):
    """An account at a venue as of `as_of` (epoch ms). Amounts that were not read are None, never zero.

    An equity that is not fully known is None for the master, and the known part for a user; `reason` names what is missing.
    """

    user: str
    venue: str
    state: AccountState
    reason: str
    equity: Money | None
    cash: Money | None
    taker_fee: Decimal
    as_of: int
    entries_until: int | None = None
    """Until when the last pass of the key's check allows entries (epoch ms); None where no pass is needed: with paper money."""
    served: str = ""
    """How the ends of its orders are learned, for people: `stream`, or `polled` and why; empty if that is not recorded."""


def masters_are_open(masters: Iterable[Account | None]) -> bool:
    """Return whether users may follow: a master is ready, and every other one has been tried at least once."""
    known = [account for account in masters if account is not None]
    waiting = any(each.state is AccountState.CONNECTING and each.reason == FIRST_CONNECT for each in known)
    return not waiting and any(each.state is AccountState.READY for each in known)
