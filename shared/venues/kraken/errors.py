"""Maps Kraken's error texts, by families, to the three errors of the port.

Kraken answers HTTP 200 with a list of texts such as `EOrder:Insufficient funds`; the same cause has more than one spelling and
details are appended to it, so a text is matched by its beginning or a part, never as a whole. The tables below are the only place
where such texts are spelt.

    Rejected        a family of the refusal table
    Unavailable     a rate limit: the venue refused the call before it did anything
    OutcomeUnknown  the venue's own failures, and every text that is in no table

It must never report a refusal that is not one: an order that counts as refused but has filled is an unknown position.
Sources: docs.kraken.com `guides/general/errors`, `guides/general/ratelimits`; KRAKEN.md, K15 to K18.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, VenueError, presentable

LONGEST_WAIT: Final = 60.0  # seconds; a longer "wait until" of the venue is not believed

_RATE: Final = re.compile(r"rate limit exceeded|throttled|too many requests")
_THROTTLED_UNTIL: Final = re.compile(r"throttled:\s*(\d{9,11})\b")
_AMBIGUOUS: Final = re.compile(r"internal error|^eservice:\s*(unavailable|busy|timeout)|^edatabase:")

# The first family that matches decides. Matched against the text in lower case.
_REFUSALS: Final[Sequence[tuple[re.Pattern[str], Refusal]]] = tuple(
    (re.compile(pattern), refusal)
    for pattern, refusal in (
        (r"invalid nonce", Refusal.NONCE),
        (r"temporary lockout", Refusal.LOCKED),
        (r"trading restricted", Refusal.OTHER),  # one asset in one country; the account itself is sound
        (r"^eapi:\s*invalid|permission denied|^eauth:|^eaccount:|^esession:", Refusal.AUTH),
        (r"deadline elapsed|invalid arguments:\s*deadline", Refusal.DEADLINE),  # the second: nearer than 2 s on arrival
        (r"market in |(cancel|post|limit|reduce)_only|maintenance", Refusal.HALTED),
        (r"insufficient funds", Refusal.FUNDS),
        (r"minimum not met", Refusal.MINIMUM),
        (r"tick size|^eorder:\s*invalid price|can only be specified up to", Refusal.PRECISION),
    )
)
_DUPLICATE: Final = re.compile(r"uplicate|cl_ord_id|reference id")  # the exact text is not published
_GONE: Final = re.compile(r"^eorder:\s*(unknown|invalid) order")
_REFUSED: Final = re.compile(
    r"^eorder:\s*(invalid|unknown|post only|margin|insufficient margin|cannot open|reduce only|trading agreement)"
    r"|limit exceeded|^equery:|^efunding:|^egeneral:\s*(invalid arguments|unknown method)|no amendable parameters"
)


def failure_of(texts: Iterable[str], *, order: bool, now: float) -> VenueError | None:
    """Return the error for the texts of an answer, or None when there are only warnings (`W...`) or none.

    `order`: the call was to place an order, for which some texts have another meaning than for a lookup. `now` is epoch seconds,
    to turn Kraken's "throttled until" into a wait. Of several texts the one that leaves most unknown decides.
    """
    failures = [_failure(text, order=order, now=now) for text in texts if not text.startswith("W")]
    for leaf in (OutcomeUnknown, Rejected, Unavailable):
        for failure in failures:
            if isinstance(failure, leaf):
                return failure
    return None


def lacks_permission(words: str) -> bool:
    """Return whether a refusal is only about a missing permission for this call: the key itself works."""
    return "permission denied" in words.lower()


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
    """Return the seconds to wait. Starter, the slowest tier, recovers a call in 3 s and an order in 1 s (`.../ratelimits`)."""
    if until := _THROTTLED_UNTIL.search(lower):
        return min(max(float(until.group(1)) - now, 0.0), LONGEST_WAIT)
    return 1.0 if lower.startswith("eorder") else 3.0
