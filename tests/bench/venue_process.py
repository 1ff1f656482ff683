"""The bench's venue as a process of its own, and how the bench asks it for what it saw."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.bench.accounts import Account
from tests.support.ports import free_port
from tests.support.processes import Service, wait_for


class Seen(NamedTuple):
    """One order as the venue saw it; instants in ns of the machine's monotonic clock."""

    user: str
    client_id: str
    nonce: int
    arrived: int
    accepted: int
    connection: int


class VenueProcess:
    """One venue; use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.service = Service("venue", "tests.bench.venue", {}, folder / "venue.log", str(self.port))

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.service.start()
        wait_for(self._answers, 20, "the bench's venue answers")
        return self

    def __exit__(self, *_: object) -> None:
        self.service.kill()

    def open_accounts(self, accounts: Sequence[Account]) -> None:
        """Let keys in."""
        self._ask("/bench/accounts", json.dumps([(each.user, each.key, each.secret, each.venue) for each in accounts]))

    def delay(self, seconds: float) -> None:
        """Answer everything so much later from now on."""
        self._ask(f"/bench/delay/{seconds}")

    def wait(self, orders: int, seconds: float) -> bool:
        """Wait until it has accepted so many orders in all; False if it has not in time."""
        try:
            self._ask(f"/bench/wait/{orders}", timeout=seconds)
        except TimeoutError:
            return False
        return True

    def orders(self, first: int = 0) -> list[Seen]:
        """Read the orders it accepted, in order, from number `first` on."""
        return [Seen(*each) for each in self._ask(f"/bench/orders/{first}")]

    def state(self) -> dict[str, int]:
        """Read its counts."""
        found: dict[str, int] = self._ask("/bench/state")
        return found

    def _ask(self, path: str, body: str | None = None, timeout: float = 60.0) -> Any:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            link.request("GET" if body is None else "POST", path, body)
            return json.loads(link.getresponse().read())
        finally:
            link.close()

    def _answers(self) -> bool:
        try:
            self.state()
        except OSError:
            return False
        return True
