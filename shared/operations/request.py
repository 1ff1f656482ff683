"""What a person asks for: an action and its parameters."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

from shared.operations.consequence import digest_of


class Action(StrEnum):
    """The actions. Stable words: they are in URLs, in the control log and in messages."""

    PAUSE = "pause"
    CLOSE_ONLY = "close-only"  # the same as pause
    RESUME = "resume"
    HALT = "halt"
    FLATTEN = "flatten"
    LIFT = "lift"
    RETRY = "retry"
    DROP = "drop"
    RESOLVE = "resolve"
    RELOAD = "reload"
    SETTINGS = "settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionRequest:
    """An action and its parameters; those that an action does not use are empty. Amounts are as typed.

    `user` and `symbol`: what a switch applies to (both empty: all users). `venue`: with `lift`, one account only. `stream` and
    `entry`: a dead letter. `order`, `outcome` (`filled` or `none`), `size`, `price`, `fee`: an order's verdict. `changes`:
    settings by key; an empty value removes the setting.
    """

    action: Action
    user: str = ""
    symbol: str = ""
    venue: str = ""
    stream: str = ""
    entry: str = ""
    order: str = ""
    outcome: str = ""
    size: str = ""
    price: str = ""
    fee: str = ""
    changes: tuple[tuple[str, str], ...] = ()

    def target(self, by: str) -> str:
        """Return what stands for this request of this person in a confirmation."""
        return digest_of([by, asdict(self)])
