"""One day: a whole Shoal in a fast market, brought to rest at its end, and what is left of it."""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TextIO, cast

from shared.contracts import keys
from shared.domain.account import MASTER
from shared.domain.order import TERMINAL
from tests.chaos.judging.evidence import entries, idle, read_logs
from tests.chaos.run import SHIPPED, UNBUDGETED
from tests.day.books import Account, Order
from tests.day.limits import PRICE_MS, Case, StopOut, read_signal_facts
from tests.day.market import Prices, Watcher
from tests.day.operator import Operator
from tests.day.people import PEOPLE, Person
from tests.support.ops_command import CommandResult, run_ops
from tests.support.paper_control import WORDS
from tests.support.stack import Stack

MASTER_CASH: Final = 50_000
_STRATEGY: Final = """
symbols = ["BTC/USD", "ETH/USD", "SOL/USD"]
interval_minutes = 5
fast = 2
slow = 5
entry_pct = 8
entry_gap_seconds = 2
poll_seconds = 0.5

[entry_pct_by_symbol]
"BTC/USD" = 12
"""
_MARKET: Final = """
[market]
speed = {speed}
seed = {seed}
regime = "{regime}"
pairs = ["BTC/USD", "ETH/USD", "SOL/USD"]

[limits]
rest = {limits}
trading = {limits}
coinbase = {limits}

[latency]
seed = {seed}
"""
_EXECUTORS: Final = 2


class Day:
    """Use `open`, `play`, `settle`, then the evidence, inside the stack's context.

    Venues count calls by the wall clock, of which this day has three minutes: a key would get a day's trades into the calls of
    three minutes. So the counters are off, and the executors keep no budget of calls at Kraken, unless they are to run as they
    ship. The exchange has the latency of a real one, in wall time.
    """

    def __init__(self, stack: Stack, log: TextIO, seed: int, *, shipped: bool) -> None:
        self.stack = stack
        self._budget = SHIPPED if shipped else UNBUDGETED
        self.seed = seed
        self._log = log
        self.operator = Operator(stack, self.note)
        self.watcher = Watcher(stack.paper_port)

    @staticmethod
    def stack_for(folder: Path, *, speed: float, seed: int, regime: str, shipped: bool) -> Stack:
        """Write the configuration and give the stack."""
        config = folder / "config"
        config.mkdir(parents=True)
        market = _MARKET.format(speed=speed, seed=seed, regime=regime, limits=str(shipped).lower())
        (config / "paper.toml").write_text(market)
        (config / "strategy.toml").write_text(_STRATEGY)
        venues = {person.user: person.venues for person in PEOPLE}
        return Stack(folder, list(venues), venues=venues, price_speed=speed, latency=True)

    def open(self) -> None:
        """Open the accounts and start everything; the master last, so that the day begins with all on board."""
        stack = self.stack
        self.watcher.start()
        stack.open_account("master", USD=MASTER_CASH)
        for person in PEOPLE:
            stack.write_user(person.user, person.toml)
            stack.open_account(person.user, USD=person.cash)
        more = {"LOG_FORMAT": "json"}
        stack.start("copy-engine", "services.copy_engine", **more)
        share = str(-(-len(PEOPLE) // _EXECUTORS))
        for _ in range(_EXECUTORS):
            stack.start("executor", "services.executor", EXECUTOR_CAPACITY=share, **more, **self._budget)
        stack.wait_ready(*stack.users, seconds=120)
        self.note("all users are ready")
        self._master = stack.start("master-strategy", "services.master_strategy", **more)

    def play(self, seconds: float) -> None:
        """Let the day pass."""
        self.operator.start(seconds, self.seed)
        time.sleep(seconds)  # the day is this long: nothing is waited for
        self.operator.wait()

    def settle(self, patience: float) -> bool:
        """End the master, wait for rest, close everything, and wait for rest again."""
        quiet = self._master_at_rest(patience)
        self._master.stop()
        quiet = self._rest(patience) and quiet
        self.note("at rest" if quiet else "not at rest")
        self.rested_at = int(time.time() * 1000)
        self.drift = run_ops(self.stack, "drift", "--json")
        self.note("ops drift", **self.drift.json)
        self.note("ops stopouts", **run_ops(self.stack, "stopouts", "--json").json)
        for person in PEOPLE:
            self.note("ops track", **run_ops(self.stack, "track", person.user, "--json").json)
        self.operator.flatten_all()
        quiet = self._rest(patience) and quiet
        self.watcher.stop()
        return quiet

    def audit(self) -> CommandResult:
        """Run the product's own audit."""
        return run_ops(self.stack, "audit", "--json", "--grace", "0")

    def master(self) -> Account:
        """Replay the master's account."""
        return Account(Decimal(MASTER_CASH), self._journal("master"), [])

    def cases(self) -> tuple[list[Case], Prices]:
        """Put together what the judge needs, from the journal and the streams as they are."""
        prices = self.watcher.prices
        journal = {person.user: self._journal(person.user) for person in PEOPLE}
        for orders in (*journal.values(), self._journal("master")):
            for trade in (trade for order in orders for trade in order.trades):
                prices.add(str(trade["symbol"]), int(trade["at"]), Decimal(trade["price"]))
        signals = {fields["id"]: fields for _, fields in entries(self.stack.client, keys.SIGNALS)}
        readings: dict[str, list[int]] = defaultdict(list)
        reads = {person.user: WORDS[person.venue].shows_balances for person in PEOPLE}
        for row in self.stack.get("/paper/requests"):
            if row["verdict"] == "ok" and row["method"] == reads.get(row["user"]):
                readings[row["user"]].append(row["at"])
        cases = [self._case(person, journal[person.user], signals, readings[person.user], prices) for person in PEOPLE]
        return cases, prices

    def outcomes(self) -> tuple[Counter[str], Counter[str], Counter[str]]:
        """Count the outcomes, the own exits by their rule, and the decisions that a limit has cut or barred, by limit."""
        ends: Counter[str] = Counter()
        own: Counter[str] = Counter()
        bound: Counter[str] = Counter()
        for person in PEOPLE:
            for report in self.stack.reports(person.user):
                ends[report["outcome"]] += 1
                if not report["signal_id"]:
                    reason = self._own_reason(person.user, report["order_id"]) or report["reason"]
                    own[reason.partition(":")[0]] += 1
            for words in [
                fields["reason"] for fields in (*self.stack.orders(person.user), *self.stack.reports(person.user))
            ]:
                bound.update({key for key in person.settings.get("limits", {}) if f"limits.{key}" in words})
        return ends, own, bound

    def logged(self) -> Counter[str]:
        """Count what the logs say."""
        return read_logs(self.stack.folder)

    def note(self, what: str, **more: object) -> None:
        """Write into the day's log."""
        self._log.write(json.dumps({"at": round(time.time(), 3), "act": what, **more}, default=str) + "\n")
        self._log.flush()

    def _own_reason(self, user: str, order_id: str) -> str:
        return str(self.stack.client.hget(keys.order(user, order_id), "decision_reason") or "")

    def _journal(self, user: str) -> list[Order]:
        return [Order.read(row) for row in self.stack.venue_orders(user)]

    def _case(
        self,
        person: Person,
        orders: list[Order],
        signals: Mapping[str, Mapping[str, str]],
        readings: list[int],
        prices: Prices,
    ) -> Case:
        account = Account(Decimal(person.cash), orders, sorted(self.operator.flows.get(person.user, [])))
        account.value(prices, PRICE_MS)
        rows = entries(self.stack.client, keys.stopouts(person.user))
        stop_outs = [StopOut(int(fields["at"]), int(fields["until"])) for _, fields in rows]
        told = read_signal_facts(self.stack.orders(person.user), signals)
        return Case(person, account, orders, told, self.operator.stops, stop_outs, readings)

    def held(self, person: Person) -> dict[str, Decimal]:
        """Read what the product says a user holds."""
        rows = cast("dict[str, str]", self.stack.client.hgetall(keys.positions(person.user, person.venue)))
        return {symbol: Decimal(json.loads(text)["base_size"]) for symbol, text in rows.items()}

    def balances(self, person: Person) -> dict[str, Decimal]:
        """Read what the exchange says a user has where the master is copied."""
        found: dict[str, Any] = self.stack.get(f"/paper/accounts/{person.user}/{person.venue}")["balances"]
        return {asset: Decimal(amount) for asset, amount in found.items()}

    def _master_at_rest(self, patience: float) -> bool:
        """Have the master send nothing more, and wait until what it has sent is settled, and so emitted.

        Kraken's counter may make it wait for the question what filled; a master that is stopped in between emits that at its next
        start, which no day has.
        """
        client, end = self.stack.client, time.monotonic() + patience
        client.hset(keys.control(MASTER), mapping={"mode": "halt", "reason": "the end of the day"})
        while time.monotonic() < end:
            states = [client.hget(name, "state") for name in client.scan_iter(keys.order(MASTER, "*"), count=1_000)]
            if all(state in TERMINAL for state in states):
                return True
            time.sleep(0.5)  # nothing tells when the last of them has ended
        return False

    def _rest(self, patience: float) -> bool:
        client, end = self.stack.client, time.monotonic() + patience
        streams = [keys.SIGNALS, *(keys.orders(person.user) for person in PEOPLE)]
        while time.monotonic() < end:
            begun = sum(client.hlen(keys.own_exits(person.user, person.venue)) for person in PEOPLE)
            if not begun and all(client.exists(stream) and idle(client, stream) for stream in streams):
                return True
            time.sleep(0.5)  # other processes settle; nothing tells when the last of them has
        return False
