"""An API whose pages are read as a browser would, and its events line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import pytest

from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.contracts.heartbeat import HeartbeatRecord, Phase
from shared.domain.account import MASTER, AccountState
from tests.support.copies import Copies
from tests.support.open_api import OpenApi, open_api

PATIENCE = 30.0
PAGES = ["/", "/tape", "/users", "/users/alice", "/prices", "/price/BTC/USD", "/operations"]


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event."""

    name: str
    data: str
    id: str


class EventReader:
    """Reads the events of one connection."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def next(self, *names: str) -> Event:
        """Return the next event of one of these names; others are passed over."""
        async with asyncio.timeout(PATIENCE):
            while True:
                event = await self._read()
                if event.name in names:
                    return event

    async def _read(self) -> Event:
        found: dict[str, list[str]] = {}
        while line := (await self._answer.content.readline()).decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if not line.strip():
                break
            found.setdefault(name, []).append(value)
        else:
            raise ConnectionError("the stream has ended")
        return Event("".join(found.get("event", [])), "\n".join(found.get("data", [])), "".join(found.get("id", [])))


@asynccontextmanager
async def events(site: OpenApi, path: str, last: str = "") -> AsyncIterator[EventReader]:
    """Connect as a browser does, with the last id that it has seen."""
    headers = {"Last-Event-ID": last} if last else {}
    timeout = aiohttp.ClientTimeout(total=None, sock_read=PATIENCE)
    async with aiohttp.ClientSession(site.url, timeout=timeout) as client, client.get(path, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        yield EventReader(answer)


@pytest.fixture
async def site(bus: Bus) -> AsyncIterator[OpenApi]:
    """A running API without sign-in."""
    async with open_api(bus) as api:
        yield api


@pytest.fixture
async def copies(bus: Bus) -> Copies:
    """A system that runs on paper, with three users of whom one is parked."""
    copies, records = Copies(bus), Records(bus)
    for name in (MASTER, "alice", "bob"):
        await copies.account(name, AccountState.READY)
    await copies.account("carol", AccountState.PARKED, reason="the venue refuses the key")
    await copies.serve("alice", "bob", "carol")
    for service in ("master-strategy", "copy-engine"):
        await records.write_heartbeat(service, "x", HeartbeatRecord(state="running", mode="paper", phase=Phase.OPEN))
    return copies


async def page(site: OpenApi, path: str, *, code: int = 200, **headers: str) -> str:
    """Return a page's text."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with (
        aiohttp.ClientSession(site.url, headers={"Accept": "text/html", **named}) as client,
        client.get(path) as answer,
    ):
        text = await answer.text()
        assert answer.status == code, text[:500]
        return text
