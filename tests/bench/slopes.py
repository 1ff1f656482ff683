"""How Shoal's time grows with the users, and with the exchange's distance; each round measures all that it compares."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from tests.bench.accounts import make_accounts
from tests.bench.plan import Plan
from tests.bench.ratio import Ratio
from tests.bench.rounds import Round, Rounds
from tests.bench.system import System
from tests.bench.venue_process import VenueProcess
from tests.bench.verify import Verification

_WARM: Final = 1
_REST_LEAST, _REST_PER_USER = 0.02, 0.001

Say = Callable[[str], None]


class _Crowd:
    """Shoal with so many users."""

    def __init__(self, folder: Path, users: int, plan: Plan, stack: ExitStack) -> None:
        folder.mkdir(parents=True)
        self.users = users
        self.venue = stack.enter_context(VenueProcess(folder))
        accounts = make_accounts(users)
        self.venue.open_accounts(accounts)
        self._system = stack.enter_context(System(folder, self.venue.url, accounts, plan.executors))
        rest = max(_REST_LEAST, users * _REST_PER_USER)
        self._rounds = Rounds(self._system, self.venue, quiet=True, rest=rest)
        self._played: list[Round] = []

    def play(self) -> Round:
        """Play an entry, which is answered, and its close."""
        entry = self._rounds.play(entry=True)
        self._played += [entry, self._rounds.play(entry=False)]
        return entry

    def verify(self, verdict: Verification) -> None:
        """Add what was played."""
        name = f"slope, {self.users} users"
        verdict.add(name, self._played, self.venue.orders(), self.venue.state(), self._system.outcomes())


def measure_slope(folder: Path, plan: Plan, verdict: Verification, say: Say) -> Ratio:
    """Compare what a user more costs among many with what one costs among few, in each round."""
    few, many, most = plan.slope
    with ExitStack() as stack:
        crowds = [_Crowd(folder / str(users), users, plan, stack) for users in (few, many, most)]
        say(f"slope: {few}, {many} and {most} users are ready")
        for crowd in crowds:
            for _ in range(_WARM):
                crowd.play()
        found = []
        for _ in range(plan.slope_rounds):
            first, second, third = (crowd.play().all for crowd in crowds)
            found.append(((third - second) / (most - many)) / ((second - first) / (many - few)))
        for crowd in crowds:
            crowd.verify(verdict)
    ratio = Ratio(tuple(found))
    say(f"slope: {ratio.median:.2f}")
    return ratio


def measure_distance(folder: Path, plan: Plan, verdict: Verification, say: Say) -> Ratio:
    """Compare an exchange that is `plan.delay` away with what that distance alone makes of the time, in each round."""
    users = plan.far_users
    with ExitStack() as stack:
        crowd = _Crowd(folder / "far", users, plan, stack)
        crowd.play()
        found = []
        for _ in range(plan.slope_rounds):
            crowd.venue.delay(0.0)
            near = crowd.play()
            crowd.venue.delay(plan.delay)
            far = crowd.play()
            trips = math.ceil(users / far.connections)
            found.append(far.all / (trips * plan.delay * 1000 + near.all))
        crowd.verify(verdict)
    ratio = Ratio(tuple(found))
    say(f"{plan.delay * 1000:g} ms away: {ratio.median:.2f} of what is expected")
    return ratio
