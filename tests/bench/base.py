"""What the machine gives without Shoal: the floors of one order and the ceiling of many."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.bench.accounts import make_accounts
from tests.bench.ceiling import CONNECTIONS, orders_per_second
from tests.bench.floors import Floors, measure_floors
from tests.bench.plan import Plan
from tests.bench.venue_process import VenueProcess
from tests.support.redis_server import RedisServer


@dataclass(frozen=True, slots=True)
class Base:
    """The floors, and the orders per second of the bare HTTP client, run by run."""

    floors: Floors
    rates: tuple[float, ...]

    @property
    def ceiling(self) -> float:
        """The median rate."""
        return statistics.median(self.rates)

    def to_json(self) -> dict[str, Any]:
        """Return everything."""
        return {
            "floors_us": asdict(self.floors),
            "floor_sum_us": self.floors.sum,
            "ceiling_orders_per_second": self.rates,
        }


def measure_base(folder: Path, plan: Plan) -> Base:
    """Measure both."""
    accounts = make_accounts(CONNECTIONS + 1)
    server = RedisServer(folder / "redis")
    with VenueProcess(folder) as venue:
        venue.open_accounts(accounts)
        server.start()
        try:
            floors = measure_floors(server.port, venue.port, accounts[-1], plan.samples)
        finally:
            server.stop()
        orders_per_second(venue.port, accounts, min(1_000, plan.ceiling_orders))
        keys = [make_accounts(CONNECTIONS) for _ in range(plan.ceiling_runs)]  # each run begins its nonces anew
        for each in keys:
            venue.open_accounts(each)
        rates = [orders_per_second(venue.port, each, plan.ceiling_orders) for each in keys]
    return Base(floors, tuple(round(rate, 1) for rate in rates))
