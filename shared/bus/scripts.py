"""Loads the Lua scripts: what must happen in one step happens in Redis.

One file each under `lua/`, with its contract at the top. A first line `-- uses: name` puts `lua/_name.lua` before the text, so
that scripts share a rule. All keys that a script writes are in one user's slot; `begin_send` also reads kill switches, most of
which are not. A script that uses `rights` fails before its first write if the ACL forbids one of its commands.
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
    """A script's text and the hash by which the server knows it."""

    text: str
    sha: str


@cache
def load(name: str) -> Script:
    """Return the script `lua/<name>.lua` with the parts that it uses."""
    text = (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")
    first = text.splitlines()[0]
    if first.startswith(_USES):
        parts = [
            (_FOLDER / f"_{part.strip()}.lua").read_text(encoding="utf-8") for part in first[len(_USES) :].split(",")
        ]
        text = "".join([*parts, text])
    # EVALSHA identifies scripts by SHA-1; it is not a protection here.
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())
