"""From a stranger's fill on the master's account to the last user's accepted order: the real master, engine and executor.

The master only mirrors its account; a person trades on it with a key of their own. Judged by the instants that the paper exchange
noted, in whole ms. The other parts of the bench begin at the signal, this one at the fill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

from shared.contracts import keys
from shared.domain.order import order_id
from tests.bench.plan import Plan
from tests.bench.row import Row
from tests.bench.verify import Verification
from tests.chaos.run import UNBUDGETED
from tests.support.person import CoinbasePerson, Person
from tests.support.processes import Service, wait_for
from tests.support.stack import Stack

USERS: Final = ("alice", "bob", "carol")
_RICH: Final = 1_000_000_000
_SIZE: Final = "0.01"
_PATIENCE: Final = 60.0
_PAUSE: Final = 0.1
"""Seconds between the last report and the next trade."""
_CUT_EVERY: Final = 20.0
_USER: Final = '[guards]\nmax_slippage_bps = 500\nmax_signal_age = "60s"\n'
_SHOWN: Final = "private stream: fills were compared"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Course:
    """One way to measure: where, how far away (ms each way), and whether every stream is cut every 20 s."""

    venue: str
    delay_ms: int = 0
    cut: bool = False

    @property
    def name(self) -> str:
        """The name of its row."""
        return f"fill to last order, {self.venue}" + (", streams cut every 20 s" if self.cut else "")


COURSES: Final = (
    Course("kraken"),
    Course("coinbase"),
    Course("kraken", delay_ms=20),
    Course("coinbase", delay_ms=20),
    Course("kraken", cut=True),
    Course("coinbase", cut=True),
)


def measure_fills(folder: Path, plan: Plan, verdict: Verification, say: Say) -> list[Row]:
    """Measure every course, one after another."""
    rows = []
    for number, course in enumerate(COURSES):
        row = _measure(folder / str(number), course, plan.cut_trades if course.cut else plan.trades, verdict)
        rows.append(row)
        say(f"{course.name}: median {row.median:.0f} ms, p99 {row.p99:.0f} ms, {row.facts}")
    return rows


def _measure(folder: Path, course: Course, trades: int, verdict: Verification) -> Row:
    folder.mkdir()
    with Stack(folder, USERS, user_settings=_USER, venue=course.venue, latency_ms=2 * course.delay_ms) as stack:
        person, services = _start(stack, course.venue)
        before = {user: len(stack.requests_of(user)) for user in USERS}
        cut_at, cuts = time.monotonic() + _CUT_EVERY, 0
        for number in range(trades):
            if course.cut and time.monotonic() >= cut_at:
                stack.fault("stream_cut", venue=course.venue, seconds=1)
                cut_at, cuts = time.monotonic() + _CUT_EVERY, cuts + 1
            person.trade("buy" if number % 2 == 0 else "sell", _SIZE)
            wait_for(lambda least=number + 1: _reported(stack) >= least, _PATIENCE, "everybody has settled")  # type: ignore[misc]
            time.sleep(_PAUSE)
        times = _times(stack, course.venue, verdict)
        asked = sum(len(stack.requests_of(user)) - before[user] for user in USERS)
        memory = max(_resident_kb(each) for each in services)
    entries, exits = times[::2], times[1::2]
    facts = {"private calls per settled order": round(asked / (trades * len(USERS)), 2), "largest service, KB": memory}
    facts |= {"cuts": cuts} if course.cut else {}
    return Row(
        course.name,
        len(USERS),
        course.delay_ms,
        tuple(entries),
        tuple(exits),
        facts=facts | ({"cuts": cuts} if course.cut else {}),
    )


def _start(stack: Stack, venue: str) -> tuple[Person | CoinbasePerson, Sequence[Service]]:
    (stack.config / "strategy.toml").write_text('name = "none"\nsymbols = ["BTC/USD"]\n')
    stack.price("BTC/USD", "60000")
    for user in ("master", *USERS):
        stack.open_account(user, tier="unlimited", USD=_RICH)
    master = stack.start("master", "services.master_strategy", **UNBUDGETED)
    executor = stack.start("executor", "services.executor", EXECUTOR_CAPACITY=str(len(USERS)), **UNBUDGETED)
    services = [master, executor, stack.engine()]
    stack.wait_ready("master", *USERS)
    wait_for(lambda: _SHOWN in master.log(), _PATIENCE, "the master's fills are shown by its stream")
    wait_for(lambda: len(_streams(stack)) >= 1 + len(USERS), _PATIENCE, "every account has its stream")
    return Person(stack, "master") if venue == "kraken" else CoinbasePerson(stack, "master"), services


def _streams(stack: Stack) -> set[str]:
    """Return the users with an open private stream."""
    return {str(row["user"]) for row in stack.get("/paper/streams")["open"] if row["user"]}


def _reported(stack: Stack) -> int:
    """Return how many reports the user with the fewest has."""
    return min(stack.client.xlen(keys.reports(user)) for user in USERS)


def _times(stack: Stack, venue: str, verdict: Verification) -> list[float]:
    """Return ms from each fill of the master to the last user's accepted order, and judge that each was copied once."""
    filled = {row["order_id"]: row["trades"][-1]["at"] for row in stack.venue_orders("master")}
    copies: dict[str, list[dict[str, Any]]] = {}
    for user in USERS:
        for row in stack.venue_orders(user):
            copies.setdefault(row["client_order_id"], []).append(row)
    rows = cast("list[tuple[str, dict[str, str]]]", stack.client.xrange(keys.SIGNALS))
    told = {fields["master_order_id"] for _, fields in rows}
    verdict.missing += len(filled.keys() - told)
    verdict.duplicates += len(rows) - len(told)
    found = []
    for _, fields in rows:
        verdict.signals += 1
        last = 0
        for user in USERS:
            sent = copies.pop(order_id(fields["id"], user, venue), [])
            verdict.orders += len(sent)
            verdict.missing += not sent
            verdict.duplicates += max(len(sent) - 1, 0)
            verdict.unfilled += sum(Decimal(row["filled_size"]) == 0 for row in sent)
            last = max([last, *(row["accepted_at"] for row in sent)])
        found.append(float(last - filled[fields["master_order_id"]]))
    verdict.extra += len(copies)
    verdict.invalid_nonces += len(stack.invalid_nonces())
    return found


def _resident_kb(service: Service) -> float:
    status = Path(f"/proc/{service.pid}/status").read_text()
    return float(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
