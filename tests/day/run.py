"""One day: a whole Shoal with two masters in a fast market, brought to rest at its end, and what is left of it."""

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
from tests.day.limits import PRICE_MS, Case, StopOut, read_masters, read_signal_facts
from tests.day.market import MarketTime, Prices, Watcher
from tests.day.masters.accounts import CASH, TREND, UNIVERSE, Masters
from tests.day.masters.book_sums import Rest
from tests.day.masters.bot import Bot
from tests.day.masters.jumps import Jumps
from tests.day.masters.trend import TrendCase
from tests.day.operator import Operator
from tests.day.people import PEOPLE, Person
from tests.support.ops_command import CommandResult, run_ops
from tests.support.paper_control import WORDS
from tests.support.processes import wait_for
from tests.support.stack import Stack

_MARKET: Final = """
[market]
speed = {speed}
seed = {seed}
regime = "{regime}"
pairs = {pairs}

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

    Venues count calls by the wall clock, of which this day has four minutes: a key would get a day's trades into the calls of
    four minutes. So the counters are off, and the executors keep no budget of calls at Kraken, unless they are to run as they
    ship. The exchange has the latency of a real one, in wall time.
    """

    def __init__(self, stack: Stack, log: TextIO, seed: int, *, shipped: bool) -> None:
        self.stack = stack
        self._budget = SHIPPED if shipped else UNBUDGETED
        self.seed = seed
        self._log = log
        self.masters = Masters.of_seed(seed)
        self.operator = Operator(stack, self.note)
        self.watcher = Watcher(stack.paper_port)
        self.bot = Bot(stack, self.masters.bot_venue, self.watcher.prices, self.note)
        self.jumps = Jumps(stack, self.masters.trend_venue, self.watcher.prices, self.note)

    @staticmethod
    def stack_for(folder: Path, *, speed: float, seed: int, regime: str, shipped: bool) -> Stack:
        """Write the configuration and give the stack."""
        config = folder / "config"
        config.mkdir(parents=True)
        limits, pairs = str(shipped).lower(), json.dumps(UNIVERSE)
        market = _MARKET.format(speed=speed, seed=seed, regime=regime, limits=limits, pairs=pairs)
        (config / "paper.toml").write_text(market)
        Masters.of_seed(seed).write(config)
        venues = {person.user: person.venues for person in PEOPLE}
        return Stack(folder, list(venues), venues=venues, price_speed=speed, latency=True)

    def open(self) -> None:
        """Open the accounts and start everything; the master last, so that the day begins with all on board."""
        stack = self.stack
        self.watcher.start()
        self._clock = MarketTime.read(stack.get("/paper/clock"))
        for venue in self.masters.venues.values():
            stack.open_account("master", venue=venue, USD=CASH)
        self.bot.open()
        for person in PEOPLE:
            stack.write_user(person.user, person.toml(self.masters))
            stack.open_account(person.user, USD=person.cash)
        more = {"LOG_FORMAT": "json"}
        stack.start("copy-engine", "services.copy_engine", **more)
        share = str(-(-len(PEOPLE) // _EXECUTORS))
        for _ in range(_EXECUTORS):
            stack.start("executor", "services.executor", EXECUTOR_CAPACITY=share, **more, **self._budget)
        stack.wait_ready(*stack.users, seconds=120)
        self.note("all users are ready")
        self._master = stack.start("master-strategy", "services.master_strategy", **more, **self._budget)
        for venue in self.masters.venues.values():
            account = keys.account(MASTER, venue)
            wait_for(lambda account=account: stack.client.hget(account, "state") == "ready", 60, f"{account} is ready")  # type: ignore[misc]

    def play(self, seconds: float) -> None:
        """Let the day pass."""
        self.operator.start(seconds, self.seed)
        self.bot.start(seconds, self.seed)
        self.jumps.start(seconds)
        time.sleep(seconds)  # the day is this long: nothing is waited for
        self.operator.wait()
        self.bot.wait()
        self.jumps.wait()

    def settle(self, patience: float) -> bool:
        """End the masters, wait for rest, close everything, and wait for rest again."""
        self._halted_at = int(time.time() * 1000)
        quiet = self._masters_at_rest(patience)
        self._master.stop()
        quiet = self._rest(patience) and quiet
        self.note("at rest" if quiet else "not at rest")
        self.rested_at = int(time.time() * 1000)
        self._positions = {
            person.user: cast("dict[str, str]", self.stack.client.hgetall(keys.positions(person.user, person.venue)))
            for person in PEOPLE
        }
        self._balances = {person.user: self.balances(person.user, person.venue) for person in PEOPLE}
        self.drift = run_ops(self.stack, "drift", "--json")
        self.note("ops drift", **self.drift.json)
        self.note("ops stopouts", **run_ops(self.stack, "stopouts", "--json").json)
        for person in PEOPLE:
            if person.copies_bot:  # what a named master's copies would have come to is not replayed
                self.note("ops track", **run_ops(self.stack, "track", person.user, "--json").json)
        self.operator.flatten_all()
        quiet = self._rest(patience) and quiet
        self.watcher.stop()
        return quiet

    def audit(self) -> CommandResult:
        """Run the product's own audit."""
        return run_ops(self.stack, "audit", "--json", "--grace", "0")

    def rest_of(self, case: Case) -> Rest:
        """Return what a user had when everything was at rest, before it was closed."""
        user = case.person.user
        return Rest(user, self._positions[user], self._balances[user], case.account.at(self.rested_at))

    def master(self, name: str) -> Account:
        """Replay the account of one of the masters."""
        return Account(Decimal(CASH), self._journal(MASTER, self.masters.venues[name]), [])

    def trend(self, prices: Prices) -> TrendCase:
        """Put together what the judge of the strategy needs."""
        venue, account = self.masters.trend_venue, self.master(TREND)
        account.value(prices, PRICE_MS)
        orders = self._journal(MASTER, venue)
        written = cast("dict[str, str]", self.stack.client.hgetall(keys.strategy(MASTER, venue)))
        return TrendCase(
            account=account,
            orders=orders,
            records={
                order.client_id: cast("dict[str, str]", self.stack.client.hgetall(keys.order(MASTER, order.client_id)))
                for order in orders
            },
            clock=self._clock,
            stops=self.operator.stops,
            until=self._halted_at,
            owned={field.partition(" ")[0]: Decimal(json.loads(text)["base_size"]) for field, text in written.items()},
            balances=self.balances(MASTER, venue),
        )

    def unemitted(self) -> list[str]:
        """Return the masters' orders whose fills are not, or not wholly, in signals of their master."""
        told: Counter[tuple[str, str, str]] = Counter()
        for _, fields in entries(self.stack.client, keys.SIGNALS):
            told[fields["venue"], fields.get("master", ""), fields["master_order_id"]] += Decimal(fields["base_size"])  # type: ignore[assignment]
        return [
            f"{row['order_id']} at {venue}"
            for name, venue in self.masters.venues.items()
            for row in self.stack.venue_orders(MASTER, venue)
            if Decimal(row["filled_size"] or 0) != told[venue, name, row["order_id"]]
        ]

    def cases(self) -> tuple[list[Case], Prices]:
        """Put together what the judge needs, from the journal and the streams as they are."""
        prices = self.watcher.prices
        journal = {person.user: self._journal(person.user) for person in PEOPLE}
        for orders in (*journal.values(), self._journal(MASTER)):
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
                bound["share_pct"] += f"follow.{TREND}.share_pct" in words
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

    def _journal(self, user: str, venue: str = "") -> list[Order]:
        return [Order.read(row) for row in self.stack.venue_orders(user, venue)]

    def _case(
        self,
        person: Person,
        orders: list[Order],
        signals: Mapping[str, Mapping[str, str]],
        readings: list[int],
        prices: Prices,
    ) -> Case:
        told = read_signal_facts(self.stack.orders(person.user), signals, self.masters)
        whose = read_masters(self.stack.orders(person.user), self.stack.reports(person.user), signals, self.masters)
        flows = sorted(self.operator.flows.get(person.user, []))
        account = Account(Decimal(person.cash), orders, flows, whose)
        account.value(prices, PRICE_MS)
        rows = entries(self.stack.client, keys.stopouts(person.user))
        stop_outs = [StopOut(int(fields["at"]), int(fields["until"])) for _, fields in rows]
        return Case(person, account, orders, told, self.operator.stops, stop_outs, readings, whose)

    def held(self, person: Person) -> dict[str, Decimal]:
        """Read what the product says a user holds."""
        rows = cast("dict[str, str]", self.stack.client.hgetall(keys.positions(person.user, person.venue)))
        return {symbol: Decimal(json.loads(text)["base_size"]) for symbol, text in rows.items()}

    def balances(self, user: str, venue: str) -> dict[str, Decimal]:
        """Read what the exchange says an account has."""
        found: dict[str, Any] = self.stack.get(f"/paper/accounts/{user}/{venue}")["balances"]
        return {asset: Decimal(amount) for asset, amount in found.items()}

    def _masters_at_rest(self, patience: float) -> bool:
        """Have the strategy send nothing more, and wait until what it and the bot have sent is settled and emitted.

        Kraken's counter may make it wait for the question what filled; a master that is stopped in between emits that at its next
        start, which no day has.
        """
        client, end = self.stack.client, time.monotonic() + patience
        client.hset(keys.control(MASTER), mapping={"mode": "halt", "reason": "the end of the day"})
        while time.monotonic() < end:
            states = [client.hget(name, "state") for name in client.scan_iter(keys.order(MASTER, "*"), count=1_000)]
            if all(state in TERMINAL for state in states) and not self.unemitted():
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
