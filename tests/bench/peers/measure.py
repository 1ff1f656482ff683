"""The rows of the peers that take no turn with Shoal (`turns.py`).

What a design cannot do in reasonable time is left out, and the reason stands here.

Two calls a trade at 200 ms apart take 200 s for 1,000 users; a process per user takes 1,000 processes; both stop at 100.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.bench.accounts import make_accounts
from tests.bench.peers.messages import LIBRARIES, installed, measure_messages
from tests.bench.peers.peer import Kind, Peer
from tests.bench.peers.replaced import SPACING
from tests.bench.plan import Plan
from tests.bench.rounds import Rounds
from tests.bench.row import Row, row_of
from tests.bench.venue_process import VenueProcess
from tests.bench.verify import Verification
from tests.support.redis_server import RedisServer

ONE: Final = Kind("replaced, 1 call", "tests.bench.peers.replaced")
TWO: Final = Kind("replaced, 2 calls", "tests.bench.peers.replaced", calls=2)
THREADS: Final = Kind("thread per user", "tests.bench.peers.replaced", threads=True)
POOL: Final = Kind("krakenex process per user", "tests.bench.peers.pool", streamed=True)
BARE: Final = Kind("the path alone", "tests.bench.peers.bare_path", streamed=True)
BARE_COINBASE: Final = Kind("the path alone, Coinbase", "tests.bench.peers.bare_path", streamed=True, venue="coinbase")
_ROUNDS: Final = {
    TWO: {1: 5, 10: 5, 100: 3},
    THREADS: {1: 20, 10: 5, 100: 5, 1000: 3},
    POOL: {1: 20, 10: 5, 100: 5},
}

Say = Callable[[str], None]


def measure_peers(folder: Path, plan: Plan, verdict: Verification, say: Say) -> list[Row]:
    """Measure all that place orders, for the numbers of users that the plan has."""
    rows: list[Row] = []
    for kind, rounds in _ROUNDS.items():
        for users, count in rounds.items():
            if users in plan.rounds:
                place = folder / f"{len(rows)}"
                place.mkdir()
                rows.append(_row(kind, place, users, min(count, plan.rounds[users]), verdict))
                say(f"{kind.name}: {users} users: {rows[-1].median:,.2f} ms")
    return rows


def measure_libraries(folder: Path, plan: Plan, say: Say) -> dict[str, float]:
    """Measure the message path of the libraries that are installed: medians in us."""
    server = RedisServer(folder / "messages")
    server.start()
    found = {}
    try:
        for library in LIBRARIES:
            if installed(library):
                found[f"message path, {library} (us)"] = measure_messages(library, server.port, plan.samples)
            else:
                say(f"{library} is not installed: `make bench` does that")
    finally:
        server.stop()
    return found


def _row(kind: Kind, folder: Path, users: int, count: int, verdict: Verification) -> Row:
    accounts = make_accounts(users)
    with VenueProcess(folder) as venue:
        venue.open_accounts(accounts)
        with Peer(kind, folder, venue.url, accounts) as peer:
            rounds = Rounds(peer, venue, rest=SPACING * 1.25)  # the spacing must not reach from one round into the next
            warm = [] if kind is TWO else [rounds.play(entry=True)]
            found = [rounds.play(entry=True) for _ in range(count)]
            verdict.add(f"{kind.name} {users}", warm + found, venue.orders(), venue.state())
    return row_of(kind.name, 0.0, found)
