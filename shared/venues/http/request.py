"""Builds the bytes of a request.

A header's value may come from a user's file: it must never contain a line break, for then it could add a request of its own.
A refused value is never repeated in the error, since it may be a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Verb = Literal["GET", "POST"]
"""The methods in use. The answer to HEAD has a length and no body, which is not implemented here."""


def request_bytes(verb: Verb, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return the bytes of a request; `target` is path and query, `host` with its port. A body goes out exactly as it is.

    Raises ValueError for characters that are not allowed in a request.
    """
    lines = [f"{verb} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines)
    # Checked as a whole, since every order passes here.
    breaks = len(lines) - 1
    if not head.isascii() or head.count("\r") != breaks or head.count("\n") != breaks or "\0" in head:
        raise ValueError(_what_is_wrong(headers))
    if " " in target or "\t" in target or "#" in target:
        raise ValueError("the target of a request has characters that are not allowed there")
    return b"%s\r\n\r\n%s" % (head.encode("ascii"), body or b"")


def _what_is_wrong(headers: Mapping[str, str]) -> str:
    wrong = [name for name, value in headers.items() if not value.isascii() or not {*"\r\n\0"}.isdisjoint(value)]
    return f"{f'header {wrong[0]!r}' if wrong else 'the request'} has characters that are not allowed there"
