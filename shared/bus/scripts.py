"""The Lua scripts: what must happen in one step, happens in Redis.

One file each under `lua/`, with its contract at the top. A first line `-- uses: name` puts `lua/_name.lua` before the text,
which is how two scripts share the nonce rule. Everything a script writes lies in one user's slot.
One that uses `rights` fails, and has written nothing, where this Redis user may not run what it would run.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "lua"
_USES: Final = "-- uses: "


@dataclass(frozen=True, slots=True)
class Script:
    """A script's text and the hash under which the server knows it."""

    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """Read `lua/<name>.lua` with what it uses."""
    text = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    first = text.splitlines()[0]
    if first.startswith(_USES):
        parts = [
            (_FOLDER / f"_{part.strip()}.lua").read_text(encoding="utf-8") for part in first[len(_USES) :].split(",")
        ]
        text = "".join([*parts, text])
    # SHA-1 is the name that EVALSHA goes by, not a protection.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
