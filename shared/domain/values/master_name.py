"""The names of masters: what may be one, wherever a name is read."""

from __future__ import annotations

import re
from typing import Final

from shared.domain.values.venue import VENUES

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_RESERVED: Final = frozenset({"master", "main", "none", "off", *VENUES})
"""The names of venues are those of the masters without a file; the others would read as something else in a setting."""
NAME_WORDS: Final = (
    "a master's name has up to 32 of a-z, 0-9, - and _, begins with a letter or digit, and is not that of a venue, "
    '"master", "main", "none" or "off"'
)


def is_master_name(name: str) -> bool:
    """Return whether a text can be the name of a master."""
    return _NAME.fullmatch(name) is not None and name not in _RESERVED
