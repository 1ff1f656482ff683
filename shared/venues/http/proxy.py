"""Sends the CONNECT request that makes a proxy relay bytes to a venue, on a socket that is connected to the proxy.

Nothing of an order has been written when this fails, so each failure means "surely not sent". It must never read beyond the
proxy's own answer: the bytes after it are the venue's. And the proxy's words are never repeated: they may contain the password.
"""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Final

_LONGEST_ANSWER: Final = 16_384  # bytes
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n")
_END: Final = b"\r\n\r\n"


class ProxyFailed(OSError):  # noqa: N818  # a connection failure like others; its text may be shown
    """The proxy does not relay."""


async def open_tunnel(link: socket.socket, target: str, authorization: str) -> None:
    """Have the proxy relay bytes to `target` (host:port); closes the socket if it does not.

    Raises OSError; it has no time-out, so set one around it.
    """
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if authorization:
        lines.append(f"Proxy-Authorization: {authorization}")
    loop = asyncio.get_running_loop()
    try:
        await loop.sock_sendall(link, ("\r\n".join(lines) + "\r\n\r\n").encode("ascii"))
        _judge(await _read_answer(link))
    except BaseException:
        link.close()
        raise


async def _read_answer(link: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    answer = b""
    while _END not in answer:
        piece = await loop.sock_recv(link, 4_096)
        if not piece:
            raise ProxyFailed("the proxy has closed the connection")
        answer += piece
        if len(answer) > _LONGEST_ANSWER:
            raise ProxyFailed("what answers at VENUE_PROXY is not a proxy")
    return answer


def _judge(answer: bytes) -> None:
    status = _STATUS.match(answer)
    if status is None:
        raise ProxyFailed("what answers at VENUE_PROXY is not a proxy")
    code = int(status[1])
    if code == 407:
        raise ProxyFailed("the proxy wants a user name and password (407): set them in VENUE_PROXY, or correct them")
    if not 200 <= code < 300:
        raise ProxyFailed(f"the proxy refuses to connect ({code})")
    if not answer.endswith(_END):
        raise ProxyFailed(
            "the proxy has sent more than its answer"
        )  # TLS begins with our bytes: nothing can follow yet
