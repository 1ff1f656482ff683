"""Changes single settings in the text of a TOML file and leaves every other line, comments included, as it is.

It knows tables, keys and dotted keys as people write them. What it makes is parsed again, and must say exactly what was wanted:
a file that is written in another way is refused, never damaged.
"""

from __future__ import annotations

import copy
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_TABLE: Final = re.compile(r"\s*\[\s*([A-Za-z0-9_-]+)\s*\]\s*(?:#.*)?$")
_ANY_TABLE: Final = re.compile(r"\s*\[")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)?)\s*=")
_COMMENTED: Final = re.compile(r"#\s?([a-z_]+)\s*=")
_LONGEST_VALUE: Final = 500
"""Lines of one value."""


class NotEditableError(Exception):
    """The file is written in a way that this editor does not know; the text says so."""


@dataclass(frozen=True, slots=True)
class _Statement:
    """Lines `first` to `last` (excluded) that set one key, in its full spelling."""

    key: str
    first: int
    last: int


def edit_toml(text: str, changes: Mapping[str, str | None]) -> str:
    """Return the text with these settings, by full key (`limits.max_order_pct`): each value as TOML, None removes the key.

    A key that is removed stays as a comment. Raises NotEditableError.
    """
    wanted = _apply(_parse(text), changes)
    for key, literal in changes.items():
        text = _remove(text, key) if literal is None else _set(text, key, literal)
    if _parse(text) != wanted:
        raise NotEditableError("this file is written in a way that cannot be edited here: change it in an editor")
    return text


def _parse(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        raise NotEditableError("this file is not valid TOML: correct it in an editor first") from None


def _apply(content: Mapping[str, Any], changes: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the content that the edited text must have."""
    found = copy.deepcopy(dict(content))
    for key, literal in changes.items():
        table, _, name = key.rpartition(".")
        part = found.setdefault(table, {}) if table else found
        if not isinstance(part, dict):
            raise NotEditableError(
                f"{table} is written in a short form that cannot be edited here: change it in an editor"
            )
        if literal is None:
            part.pop(name, None)
        else:
            part[name] = _parse(f"x = {literal}")["x"]
        if table and not part and table not in content:
            del found[table]
    return found


def _set(text: str, key: str, literal: str) -> str:
    lines, (statements, tables) = text.splitlines(keepends=True), _read(text)
    table, _, name = key.rpartition(".")
    if (found := _find(statements, key)) is not None:
        dotted = lines[found.first].lstrip().startswith(key)
        comment = _comment(lines, found)
        lines[found.first : found.last] = [_line(key if dotted else name, literal, comment)]
    elif table not in tables:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        lines += ["\n" if lines else "", f"[{table}]\n", _line(name, literal, "")]
    else:
        first, last = tables[table]
        at = _commented(lines, first, last, name)
        if at is not None:
            active = lines[at].lstrip()[1:].lstrip()
            comment = _comment([active], _Statement(name, 0, 1))
            lines[at] = _line(name, literal, comment)
        else:
            own = [each.last for each in statements if first <= each.first < last]
            lines.insert(max(own, default=first), _line(name, literal, ""))
            _end_lines(lines)
    return "".join(lines)


def _remove(text: str, key: str) -> str:
    lines, (statements, _) = text.splitlines(keepends=True), _read(text)
    found = _find(statements, key)
    if found is not None:
        lines[found.first : found.last] = [f"# {line.lstrip()}" for line in lines[found.first : found.last]]
    return "".join(lines)


def _find(statements: list[_Statement], key: str) -> _Statement | None:
    return next((each for each in statements if each.key == key), None)


def _read(text: str) -> tuple[list[_Statement], dict[str, tuple[int, int]]]:
    """Return the statements, and by table (an empty name: the top) its first line after the header and the end of its lines."""
    lines = text.splitlines(keepends=True)
    statements: list[_Statement] = []
    starts: list[tuple[str, int]] = [("", 0)]
    at = 0
    while at < len(lines):
        line, table = lines[at], starts[-1][0]
        if match := _TABLE.match(line):
            starts.append((match[1], at + 1))
        elif _ANY_TABLE.match(line):
            starts.append(("\0", at + 1))  # a table of a kind that is not edited
        elif match := _KEY.match(line):
            last = _end_of_value(lines, at)
            statements.append(_Statement(f"{table}.{match[1]}" if table else match[1], at, last))
            at = last
            continue
        at += 1
    ends = [start - 1 for _, start in starts[1:]] + [len(lines)]
    return statements, {name: (start, end) for (name, start), end in zip(starts, ends, strict=True)}


def _end_of_value(lines: list[str], first: int) -> int:
    """Return the line after a value, which may go over several lines."""
    for last in range(first + 1, min(len(lines), first + _LONGEST_VALUE) + 1):
        try:
            tomllib.loads("".join(lines[first:last]))
        except (ValueError, RecursionError):
            continue
        return last
    raise NotEditableError("this file has a value that cannot be edited here: change it in an editor")


def _comment(lines: list[str], found: _Statement) -> str:
    """Return the comment behind a value of one line, with the blanks before it."""
    line = lines[found.first].rstrip("\r\n")
    if found.last - found.first > 1 or "#" not in line:
        return ""
    try:
        whole = tomllib.loads(line)
    except (ValueError, RecursionError):
        return ""
    for at in (index for index, sign in enumerate(line) if sign == "#"):
        try:
            if tomllib.loads(line[:at]) == whole:
                return line[len(line[:at].rstrip()) :]
        except (ValueError, RecursionError):
            continue
    return ""


def _commented(lines: list[str], first: int, last: int, name: str) -> int | None:
    """Return the line that shows a setting as a comment; None if none does."""
    for at in range(first, last):
        match = _COMMENTED.match(lines[at])
        if match and match[1] == name:
            return at
    return None


def _line(name: str, literal: str, comment: str) -> str:
    return f"{name} = {literal}{comment}\n"


def _end_lines(lines: list[str]) -> None:
    """Complete the last line before another one is put behind it."""
    for at, line in enumerate(lines[:-1]):
        if not line.endswith("\n"):
            lines[at] = f"{line}\n"
