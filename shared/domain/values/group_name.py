"""Names of groups of users: the name of a file in `config/groups`, a part of EXECUTOR_GROUPS and of a Redis user's name."""

from __future__ import annotations

import re
from typing import Final

GROUP_WORDS: Final = "the name of a group has up to 32 of a-z, 0-9 and -, and begins with a letter or digit"
_GROUP_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


def is_group_name(text: str) -> bool:
    """Return whether a text can name a group."""
    return _GROUP_NAME.fullmatch(text) is not None
