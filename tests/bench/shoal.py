"""Shoal's own rows: for each number of users a fresh Redis, a fresh venue and fresh services, first without delay, then with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.bench.accounts import make_accounts
from tests.bench.plan import Plan
from tests.bench.rounds import Round, Rounds
from tests.bench.row import Row, row_of
from tests.bench.system import System
from tests.bench.usage import cpu_ns, memory_kb
from tests.bench.venue_process import VenueProcess
from tests.bench.verify import Verification

_WARM: Final = 2
"""Pairs of signals that are carried, and verified, but not measured: connections are opened, code is run for the first time.

Of a crowd one pair, which does that a thousand times."""
_BURST: Final = (True, True, True, False)
"""Three buys and the close of it all, as when the master's order fills in parts and is sold again at once."""
LAST_OF_BURST: Final = "shoal, last of 4 at once"
_CROWD: Final = 100
"""From so many users on, their readings of balances after a round are waited for."""
_REST_LEAST, _REST_PER_USER = 0.02, 0.001
"""Seconds after a round, when all is settled and read: what was read is still written down and looked at, which takes a while for
each user."""
_REST: Final = 3.0

Say = Callable[[str], None]


def measure_shoal(folder: Path, users: int, plan: Plan, verdict: Verification, say: Say) -> list[Row]:
    """Measure the rows of one number of users."""
    accounts = make_accounts(users)
    executors = min(plan.executors, users)
    with VenueProcess(folder) as venue:
        venue.open_accounts(accounts)
        began = time.monotonic()
        with System(folder, venue.url, accounts, executors) as system:
            say(f"shoal: {users} users are ready after {time.monotonic() - began:.1f} s")
            rounds = Rounds(system, venue, quiet=users >= _CROWD, rest=max(_REST_LEAST, users * _REST_PER_USER))
            facts = {"executors": float(executors)}
            if users == 1:
                facts |= _idle(system, plan.idle)
            played = _play(rounds, _WARM if users <= _CROWD else 1)
            rows = []
            if users in plan.rounds:
                found = _play(rounds, plan.rounds[users])
                memory = [memory_kb(service.pid) for service in system.executors]
                facts |= _costs(found) | {
                    f"{name}_kb": float(sum(each[name] for each in memory)) for name in ("pss", "rss")
                }
                rows.append(row_of("shoal", 0.0, found, facts))
                played += found
                say(f"shoal: {users} users, no delay: {rows[-1].median:.2f} ms")
            if users in plan.bursts:
                bursts = [rounds.burst(_BURST) for _ in range(plan.bursts[users])]
                last = [replace(burst[-1], entry=True) for burst in bursts]
                rows.append(row_of(LAST_OF_BURST, 0.0, last, signals=len(_BURST)))
                played += [each for burst in bursts for each in burst]
                say(f"{LAST_OF_BURST}: {users} users: {rows[-1].median:.2f} ms")
            if users in plan.delayed:
                venue.delay(plan.delay)
                found = _play(rounds, plan.delayed[users])
                rows.append(row_of("shoal", plan.delay * 1000, found, _costs(found)))
                played += found
                say(f"shoal: {users} users, {plan.delay * 1000:g} ms: {rows[-1].median:.2f} ms")
            verdict.add(f"shoal {users}", played, venue.orders(), venue.state(), system.outcomes())
    return rows


def _play(rounds: Rounds, pairs: int) -> list[Round]:
    return [rounds.play(entry=entry) for _ in range(pairs) for entry in (True, False)]


def _costs(rounds: Sequence[Round]) -> dict[str, float]:
    """Return what a user's order costs each process, in us of CPU; the median over entries and exits."""
    names = rounds[0].cpu_ns
    return {
        f"{name}_cpu_us": round(
            statistics.median(each.cpu_ns[name] / 1000 / max(1, len(each.users)) for each in rounds), 2
        )
        for name in names
    }


def _idle(system: System, seconds: float) -> dict[str, float]:
    """Measure what engine and executor use while nothing happens, in per cent of a core."""
    time.sleep(min(_REST, seconds))
    pids = {"engine": system.engine.pid, "executor": system.executors[0].pid}
    before = {name: cpu_ns(pid) for name, pid in pids.items()}
    began = time.monotonic_ns()
    time.sleep(seconds)
    took = time.monotonic_ns() - began
    return {f"{name}_idle_percent": round((cpu_ns(pid) - before[name]) / took * 100, 4) for name, pid in pids.items()}
