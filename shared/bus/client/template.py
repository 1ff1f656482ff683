"""A command with few variable words: encoded once, and only filled in after that.

The protocol writes each word after its length (redis.io/docs/reference/protocol-spec): the constant words can be kept as bytes.
For a thousand entries that differ only in a user, an id and a size, that is most of the work.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

_WORD: Final = b"$%d\r\n%b\r\n"


class CommandTemplate:
    """The `words` of a command; those at `places` are only examples."""

    def __init__(self, words: Sequence[str], places: Collection[int]) -> None:
        self._form = b"*%d\r\n" % len(words) + b"".join(
            _WORD if place in places else _word(word).replace(b"%", b"%%") for place, word in enumerate(words)
        )

    def filled(self, *words: str) -> bytes:
        """Return the bytes of the command with these words at its places, in sequence."""
        values: list[int | bytes] = []
        for word in words:
            raw = word.encode()
            values += (len(raw), raw)
        return self._form % tuple(values)


def _word(word: str) -> bytes:
    raw = word.encode()
    return _WORD % (len(raw), raw)
