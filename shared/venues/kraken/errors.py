"""What Kraken's error texts mean: families of texts onto the three leaves.

Kraken answers HTTP 200 with a list of texts such as `EOrder:Insufficient funds`; the same cause has more than one spelling and
details are appended to it, so a text is matched by what it begins with or contains, never as a whole. The tables below are the
only place where such a text is known.

    Rejected        a family of the refusal table
    Unavailable     a rate limit: the venue turned the call away before it did anything
    OutcomeUnknown  the venue's own failures, and every text that is in no table

It must never call a refusal what is not one: an order that was taken for refused and filled is a position nobody knows of.
Sources: docs.kraken.com `guides/general/errors`, `guides/general/ratelimits`; KRAKEN.md, K15 to K18.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, VenueError

LONGEST_WAIT: Final = 60.0  # seconds; a venue's "wait until" further off than this is not believed
_LONGEST_TEXT: Final = 200

_RATE: Final = re.compile(r"rate limit exceeded|throttled|too many requests")
_THROTTLED_UNTIL: Final = re.compile(r"throttled:\s*(\d{9,11})\b")
_AMBIGUOUS: Final = re.compile(r"internal error|^eservice:\s*(unavailable|busy|timeout)|^edatabase:")

# In this order: the first family that matches is the one. Matched against the text in lower case.
_REFUSALS: Final[Sequence[tuple[re.Pattern[str], Refusal]]] = tuple(
    (re.compile(pattern), refusal)
    for pattern, refusal in (
        (r"invalid nonce", Refusal.NONCE),
        (r"temporary lockout", Refusal.LOCKED),
        (r"trading restricted", Refusal.OTHER),  # one asset in one country; the account itself is sound
        (r"^eapi:\s*invalid|permission denied|^eauth:|^eaccount:|^esession:", Refusal.AUTH),
        (r"deadline elapsed", Refusal.DEADLINE),
        (r"market in |(cancel|post|limit|reduce)_only|maintenance", Refusal.HALTED),
        (r"insufficient funds", Refusal.FUNDS),
        (r"minimum not met", Refusal.MINIMUM),
        (r"tick size|^eorder:\s*invalid price|can only be specified up to", Refusal.PRECISION),
    )
)
_DUPLICATE: Final = re.compile(r"uplicate|cl_ord_id|reference id")  # the exact text is published nowhere
_GONE: Final = re.compile(r"^eorder:\s*(unknown|invalid) order")
_REFUSED: Final = re.compile(
    r"^eorder:\s*(invalid|unknown|post only|margin|insufficient margin|cannot open|reduce only|trading agreement)"
    r"|limit exceeded|^equery:|^egeneral:\s*(invalid arguments|unknown method)|no amendable parameters"
)


def failure_of(texts: Iterable[str], *, order: bool, now: float) -> VenueError | None:
    """Return the leaf for the error texts of an answer, or None when there are only warnings (`W...`) or nothing.

    `order` says whether the call was to place one, where some texts mean something else than in a lookup. `now` is epoch
    seconds, to turn Kraken's "throttled until" into a wait. Of several texts the most doubtful one decides.
    """
    failures = [_failure(text, order=order, now=now) for text in texts if not text.startswith("W")]
    for leaf in (OutcomeUnknown, Rejected, Unavailable):
        for failure in failures:
            if isinstance(failure, leaf):
                return failure
    return None


def lacks_permission(words: str) -> bool:
    """Return whether a refusal is about this one call alone: the key itself is sound."""
    return "permission denied" in words.lower()


def as_read(failure: VenueError) -> VenueError:
    """Turn doubt into Unavailable: whether a lookup was processed does not matter, it may be asked again."""
    return Unavailable(failure.words) if isinstance(failure, OutcomeUnknown) else failure


def presentable(text: str) -> str:
    """Cut a venue's text to what may stand in a log line: one line, printable, short."""
    return "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_TEXT])


def _failure(text: str, *, order: bool, now: float) -> VenueError:
    words, lower = presentable(text), text.lower()
    if _AMBIGUOUS.search(lower):
        return OutcomeUnknown(words)
    if _RATE.search(lower):
        return Unavailable(words, _wait(lower, now))
    for pattern, refusal in _REFUSALS:
        if pattern.search(lower):
            return Rejected(words, refusal)
    if order and _DUPLICATE.search(lower):
        return Rejected(words, Refusal.DUPLICATE)
    if not order and _GONE.search(lower):
        return Rejected(words, Refusal.GONE)
    return Rejected(words) if _REFUSED.search(lower) else OutcomeUnknown(words)


def _wait(lower: str, now: float) -> float:
    """Seconds to stay away. Starter, the slowest tier, forgets one call in 3 s and one order in 1 s (`guides/.../ratelimits`)."""
    if until := _THROTTLED_UNTIL.search(lower):
        return min(max(float(until.group(1)) - now, 0.0), LONGEST_WAIT)
    return 1.0 if lower.startswith("eorder") else 3.0
