"""The text of a new user's settings, and single settings of an existing one, whose comments and other lines stay as they are.

Only a text that services accept is written, and in one step: a half-written one would stop its user's entries.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from shared.bus.users.user_settings import Author
from shared.config.errors import ConfigurationError
from shared.config.users.loader import FileProblem
from shared.operations.errors import ActionRefused
from shared.operations.settings.user_store import UserStore, judge

_TABLE: Final = re.compile(r"^\s*\[", re.MULTILINE)


def require_writable(path: Path) -> None:
    """Raise ConfigurationError if a file of the configuration could not be replaced: before anything else is made."""
    if not os.access(path.parent, os.W_OK):
        raise ConfigurationError(f"{path.parent} cannot be written here: run this where it can be")


def new_text(venues: Sequence[str], *, paper: bool, group: str = "") -> str:
    """Return the text of a new user's file."""
    lines = [
        "# Every setting and its default: see alice.toml of the repository (config/users/alice.toml).",
        "enabled = true",
        f"venues = {json.dumps(list(venues))}",
    ]
    lines += [f"group = {json.dumps(group)}"] if group else []
    return "\n".join([*lines, *(["paper = true"] if paper else [])]) + "\n"


async def change_settings(store: UserStore, config: Path, user: str, author: Author, **values: bool | str) -> None:
    """Set settings that stand above the sections of a user's text.

    Raises ActionRefused if services would not accept it, and changes nothing then; BusError.
    """
    with store.alone():
        present = await store.read(user)
        if present is None:
            raise ActionRefused(f"{store.place(user)} does not exist: there is no such user")
        text = present.text
        for key, value in values.items():
            text = _with(text, key, json.dumps(value))  # of these values JSON's spelling is TOML's
        if text == present.text:
            return
        found = judge(config, replace(present, text=text))
        if isinstance(found, FileProblem):
            raise ActionRefused(f"{store.place(user)} is not changed, since services would not accept it: {found.why}")
        await store.write(user, text, author, over=present)


def replace_text(path: Path, text: str) -> None:
    """Replace a file of the configuration in one step, with the permissions of the one before. Raises ConfigurationError."""
    new = path.with_name(f".{path.name}.new")  # services ignore what begins with a dot
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # a full disk shows here, and not as an empty file after a crash
        new.chmod(mode)
        new.replace(path)
    except OSError as error:
        with suppress(OSError):
            new.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}; run this where it can be") from None


def _with(text: str, key: str, value: str) -> str:
    """Return a TOML text with one of its top-level keys set; a comment behind it stays."""
    table = _TABLE.search(text)
    top, rest = (text[: table.start()], text[table.start() :]) if table else (text, "")
    line = re.compile(rf'^(\s*{key}\s*=\s*)("[^"\n]*"|\'[^\'\n]*\'|[^\s#]+)', re.MULTILINE)
    if line.search(top):
        return line.sub(lambda found: found[1] + value, top, count=1) + rest
    return f"{key} = {value}\n{top}{rest}"
