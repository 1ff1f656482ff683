"""What a venue can answer when it does not do what was asked: three leaves.

    VenueError
    ├── Rejected        the venue refused, definitely; `refusal` says which family of reasons
    ├── Unavailable     definitely not sent, or not processed: the same call may be made again
    └── OutcomeUnknown  it may have happened: ask the venue before anything else is sent

An adapter maps every answer to one of them by family, never by one exact string; an answer that it does not know, after the
bytes of an order left, is OutcomeUnknown. Texts are the venue's words and never carry keys, signatures or request bodies.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Refusal(StrEnum):
    """Families of definite refusals; callers decide by the family, not by the words."""

    AUTH = "auth"  # unknown key, bad signature, missing permission, account disabled: park the account
    LOCKED = "locked"  # the venue's lockout: each further try resets its timer, so park and stay quiet
    NONCE = "nonce"  # another program uses this key: park
    FUNDS = "funds"
    MINIMUM = "minimum"
    PRECISION = "precision"  # too many decimals, off the tick: our pair facts are old
    HALTED = "halted"  # the venue or the pair accepts no such orders now; later it may
    DEADLINE = "deadline"  # arrived after its deadline; safe
    DUPLICATE = "duplicate"  # an order with this client id exists: query it
    GONE = "gone"  # the order no longer exists; it may have filled
    OTHER = "other"


KEY_REFUSALS: Final = frozenset({Refusal.AUTH, Refusal.LOCKED, Refusal.NONCE})
"""Refusals that say the key cannot be used at all."""

_LONGEST_TEXT: Final = 200


class VenueError(Exception):
    """Any failure of a call to a venue."""


class Rejected(VenueError):  # noqa: N818  # the names of the three leaves are the design's vocabulary
    """The venue refused, definitely: nothing happened there."""

    def __init__(self, words: str, refusal: Refusal = Refusal.OTHER) -> None:
        super().__init__(words)
        self.words = words
        self.refusal = refusal


class Unavailable(VenueError):  # noqa: N818
    """Definitely not processed; the same call may be made again after `retry_after` seconds."""

    def __init__(self, words: str, retry_after: float = 0.0) -> None:
        super().__init__(words)
        self.words = words
        self.retry_after = retry_after


class OutcomeUnknown(VenueError):  # noqa: N818
    """The call may have been processed; only the venue's own record shows whether it was."""

    def __init__(self, words: str) -> None:
        super().__init__(words)
        self.words = words


def as_read(failure: VenueError) -> VenueError:
    """Return Unavailable for OutcomeUnknown: whether a lookup was processed does not matter, it may be repeated."""
    return Unavailable(failure.words) if isinstance(failure, OutcomeUnknown) else failure


def presentable(text: str) -> str:
    """Return a venue's text in a form that is safe to log: one line, printable, short."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_TEXT])
