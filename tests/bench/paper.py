"""The paper exchange instead of the bare venue: what it takes by itself, and Shoal on it.

It matches, keeps accounts and writes a journal, so it costs more than a bare venue; whoever measures on it should know how much.
It tells its instants in whole milliseconds.
"""

from __future__ import annotations

import json
import os
import statistics
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Self

from tests.bench.accounts import Account, make_accounts
from tests.bench.ceiling import CONNECTIONS, orders_per_second
from tests.bench.plan import Plan
from tests.bench.rounds import Rounds
from tests.bench.row import Row, row_of
from tests.bench.system import System
from tests.bench.venue_process import Seen
from tests.bench.verify import Verification
from tests.support.ports import free_port
from tests.support.processes import Service, wait_for

_SETTINGS: Final = "[market]\nspeed = 0\n\n[limits]\nrest = false\ntrading = false\n"
_CASH: Final = "10000"
_RICH: Final = "1000000000"
_WANTED: Final = 3_000
"""Signed orders a second on one core: below that it would be what limits a test of Shoal."""
_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_SHARE: Final = 4
"""It is about so much slower than the bare venue; its ceiling needs no more orders than that."""

Say = Callable[[str], None]


class PaperVenue:
    """One paper exchange; use it as a context."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        config = folder / "config"
        config.mkdir(parents=True)
        (config / "paper.toml").write_text(_SETTINGS)
        told = {"PAPER_PORT": str(self.port), "SHOAL_CONFIG": str(config)}
        self._service = Service("paper", "services.paper_exchange", told, folder / "paper.log")
        self._wall_offset = time.time_ns() - time.monotonic_ns()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._service.start()
        wait_for(self._answers, 20, "the paper exchange answers")
        self._ask("/paper/price", {"symbol": "BTC/USD", "price": "60000"})
        return self

    def __exit__(self, *_: object) -> None:
        self._service.kill()

    def open_accounts(self, accounts: Sequence[Account], cash: str = _CASH) -> None:
        """Let keys in."""
        for each in accounts:
            body = {"user": each.user, "venue": "kraken", "api_key": each.key, "api_secret": each.secret}
            self._ask("/paper/accounts", {**body, "balances": {"USD": cash}})

    def state(self) -> dict[str, int]:
        """Read its counts."""
        verdicts = [str(row["verdict"]).lower() for row in self._ask("/paper/requests")]
        return {
            "orders": len(self.orders()),
            "bad_nonces": sum("nonce" in verdict for verdict in verdicts),
            "bad_signatures": sum("signature" in verdict or "invalid key" in verdict for verdict in verdicts),
            "unread": 0,
        }

    def processor_seconds(self) -> float:
        """Read how much processor time it has used, which a busy machine does not change."""
        fields = Path(f"/proc/{self._service.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) * _TICK

    def wait(self, orders: int, seconds: float) -> bool:
        """Answer at once: it cannot tell, and asking it all the time would be measured as well."""
        del orders, seconds
        return True

    def orders(self, first: int = 0) -> list[Seen]:
        """Read the orders that it accepted. It tells no nonces with them: it has judged each itself."""
        found = self._ask("/paper/orders")
        rows = found["orders"] if isinstance(found, dict) else found
        rows.sort(key=lambda row: row["accepted_at"])
        seen = []
        for number, row in enumerate(rows, 1):
            at = row["accepted_at"] * 1_000_000 - self._wall_offset
            seen.append(Seen(row["user"], str(row["client_order_id"]), number, at, at, 0))
        return seen[first:]

    def _ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310  # the URL is built right here
            return json.loads(answer.read() or b"null")

    def _answers(self) -> bool:
        try:
            self._ask("/paper/clock")
        except OSError:
            return False
        return True


def measure_paper(folder: Path, plan: Plan, verdict: Verification, say: Say) -> tuple[list[Row], dict[str, float]]:
    """Measure its ceiling, and Shoal on it with the most users that the plan has up to 100."""
    users = max((number for number in plan.rounds if number <= 100), default=0)
    with PaperVenue(folder / "ceiling") as venue:
        rich = make_accounts(CONNECTIONS)
        venue.open_accounts(rich, _RICH)
        before, orders = venue.processor_seconds(), plan.ceiling_orders // _SHARE
        rates = [orders_per_second(venue.port, rich, orders)]
        spent = venue.processor_seconds() - before
    facts = {
        "paper exchange, bare HTTP client (orders/s)": statistics.median(rates),
        f"paper exchange, orders per second of its own CPU ({_WANTED:,} wanted)": orders / max(spent, _TICK),
    }
    if not users:
        return [], facts
    accounts = make_accounts(users)
    with PaperVenue(folder / "row") as venue:
        venue.open_accounts(accounts)
        with System(folder / "shoal", venue.url, accounts) as system:
            rounds = Rounds(system, venue, rest=0.8)  # it does not tell when balances were read
            found = [rounds.play(entry=entry) for _ in range(5) for entry in (True, False)]
            verdict.add("paper exchange", found, venue.orders(), venue.state(), system.outcomes())
    row = row_of("shoal on the paper exchange", 0.0, found)
    say(f"shoal on the paper exchange: {users} users: {row.median:.0f} ms")
    return [row], facts
