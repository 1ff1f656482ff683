"""Takes the names of other users out of a follower's page: a byte about one user must never reach a follower of another.

Whose data a page shows is decided by its route. But some reasons are written for the operator and name somebody else: two users
with one key, or with names that share a variable. Those texts are part of the user's own records, so they are looked through
where they are shown. A name is only replaced as a whole word of the text, never in a tag.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

_TAG: Final = re.compile(r"(<[^>]*>)")
_WORD: Final = re.compile(r"(?<![A-Za-z0-9_-])[a-z0-9][a-z0-9_-]{0,31}(?![A-Za-z0-9_-])")
_VARIABLE: Final = re.compile(r"\b[A-Z]+_USER_([A-Z0-9_]+)_API_(?:KEY|SECRET)(?:_FILE)?\b")
_WHO: Final = "another user"
_WHAT: Final = "another user's key"


def hide_other_names(html: str, own: str, names: Collection[str]) -> str:
    """Return a page or part of one without the ids of `names` but `own`, and without the variables of others' keys."""
    others = frozenset(names) - {own}
    mine = own.replace("-", "_").upper()

    def word(found: re.Match[str]) -> str:
        return _WHO if found[0] in others else found[0]

    def variable(found: re.Match[str]) -> str:
        return found[0] if found[1] == mine else _WHAT

    parts = _TAG.split(html)
    parts[::2] = [_WORD.sub(word, _VARIABLE.sub(variable, text)) for text in parts[::2]]
    return "".join(parts)
