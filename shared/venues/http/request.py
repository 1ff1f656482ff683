"""The bytes of a request.

What a header says may come from a file of somebody's: it must never end the line that it stands on, for then it would be a
request of its own. What is refused is never repeated in the words of the refusal, since it may be a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Verb = Literal["GET", "POST"]
"""All that a venue is asked with. The answer to HEAD has a length and no body, which nothing here would know."""


def request_bytes(verb: Verb, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Put a request together; `target` is path and query, `host` with its port. A body goes out exactly as it is.

    Raises ValueError for what cannot stand in a request.
    """
    lines = [f"{verb} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines)
    # Looked at as a whole first, since this is on every order's way.
    breaks = len(lines) - 1
    if not head.isascii() or head.count("\r") != breaks or head.count("\n") != breaks or "\0" in head:
        raise ValueError(_what_is_wrong(headers))
    if " " in target or "\t" in target or "#" in target:
        raise ValueError("the target of a request has characters that cannot stand there")
    return b"%s\r\n\r\n%s" % (head.encode("ascii"), body or b"")


def _what_is_wrong(headers: Mapping[str, str]) -> str:
    wrong = [name for name, value in headers.items() if not value.isascii() or not {*"\r\n\0"}.isdisjoint(value)]
    return f"header {wrong[0]!r} has characters that cannot stand there" if wrong else "a request cannot be written so"
