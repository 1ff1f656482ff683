"""Of several addresses the first that answers is taken, and no socket stays behind."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Iterator

import pytest
from aiohappyeyeballs import AddrInfoType

from shared.venues.factory import HttpSession
from shared.venues.http import dial as http_dial
from shared.venues.http.dial import _first_to_answer
from tests.unit.venues.http.conftest import Serve
from tests.unit.venues.http.peer import always_ok


def _address(port: int) -> AddrInfoType:
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))


@pytest.fixture
def closed() -> Iterator[AddrInfoType]:
    """An address that refuses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield _address(probe.getsockname()[1])


@pytest.fixture
def silent() -> Iterator[AddrInfoType]:
    """An address that does not answer."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(full.getsockname())
        yield _address(full.getsockname()[1])
        for each in waiting:
            each.close()


@pytest.mark.parametrize(("listed", "tried"), [("6664", "6466"), ("466", "466"), ("4", "4")])
async def test_families_take_turns(listed: str, tried: str, monkeypatch: pytest.MonkeyPatch) -> None:
    four = _address(1)
    six: AddrInfoType = (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("::1", 1, 0, 0))
    opened: list[AddrInfoType] = []

    def refuse(address: AddrInfoType) -> socket.socket:
        opened.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(http_dial, "_new_socket", refuse)
    with pytest.raises(ConnectionRefusedError):
        await _first_to_answer([four if each == "4" else six for each in listed])
    assert opened == [four if each == "4" else six for each in tried]


async def test_a_name_is_looked_up_and_the_address_that_listens_is_found(http: HttpSession, serve: Serve) -> None:
    server = await serve(always_ok)  # on 127.0.0.1 alone, whatever else `localhost` may be
    asking = (http.origin(f"http://localhost:{server.port}").ask("GET", "/", {}, timeout=30) for _ in range(10))
    assert {answer.status for answer in await asyncio.gather(*asking)} == {200}


async def test_an_address_that_refuses_costs_no_time(
    serve: Serve, closed: AddrInfoType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_dial, "_HEAD_START", 3_600)
    server = await serve(always_ok)
    async with asyncio.timeout(10):
        with await _first_to_answer([closed, closed, _address(server.port)]) as link:
            assert link.getpeername()[1] == server.port


async def test_an_address_that_does_not_answer_costs_a_moment(serve: Serve, silent: AddrInfoType) -> None:
    server = await serve(always_ok)
    async with asyncio.timeout(10):  # the system itself gives up after minutes
        with await _first_to_answer([silent, _address(server.port)]) as link:
            assert link.getpeername()[1] == server.port


async def test_when_none_answers_the_last_failure_is_told(closed: AddrInfoType) -> None:
    with pytest.raises(ConnectionRefusedError):
        await _first_to_answer([closed, closed])
    with pytest.raises(OSError, match="no address"):
        await _first_to_answer([])


async def test_whoever_gives_up_leaves_no_socket_behind(serve: Serve, silent: AddrInfoType) -> None:
    server = await serve(always_ok)
    for after in (0.0, 0.0, 0.01, http_dial._HEAD_START + 0.05):
        trying = asyncio.create_task(_first_to_answer([silent, silent]))
        await asyncio.sleep(after)
        trying.cancel()
        with pytest.raises(asyncio.CancelledError):
            await trying
    for turns in range(6):  # cancelled at each of its steps, also when it has just won
        trying = asyncio.create_task(_first_to_answer([_address(server.port)] * 2))
        for _ in range(turns):
            await asyncio.sleep(0)
        trying.cancel()
        await asyncio.wait([trying])
        if not trying.cancelled():
            trying.result().close()
    await asyncio.sleep(0.01)
    del trying
    gc.collect()  # an open socket would warn, and warnings are errors here
