"""The fingerprints of sealed keys, by which a key of two accounts is found. Opening one takes half a millisecond.

So each file is opened once until it changes, and only some at a time: thousands of them must not delay what flows. Until all are
known, `shoal:key:<fingerprint>` in Redis still shows two users of one key. Fingerprints are kept, and never a key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.keys.key_sources import SealedSource
from shared.config.keys.secrets_folder import Part, Stamp
from shared.config.settings import Mode
from shared.contracts.keys import fingerprint

_AT_ONCE: Final = 100
"""Files that are opened in one look: 50 ms at most."""


class SealedPrints:
    """What is known of the sealed files of one process."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[Stamp | None, ...], str]] = {}

    def of(self, sources: Sequence[SealedSource]) -> dict[str, str]:
        """Return the fingerprint of the key in each file that is known and can be opened, by path."""
        found: dict[str, str] = {}
        left = _AT_ONCE
        for source in sources:
            name, stamps = source.name(Part.KEY), source.stamps()
            known = self._known.get(name)
            if (known is None or known[0] != stamps) and left > 0:
                left -= 1
                known = self._known[name] = stamps, _print_of(source)
            if known is not None and known[1]:
                found[name] = known[1]
        return found


def _print_of(source: SealedSource) -> str:
    try:
        pair = source.pair(Mode.PAPER)
    except ConfigurationError:
        return ""  # `read_api_key` raises for it
    return fingerprint(pair[0]) if pair else ""
