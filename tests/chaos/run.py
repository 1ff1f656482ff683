"""One chaos run: plays a script against a whole Shoal, brings everything back, waits for quiet, and gathers the evidence."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, TextIO, cast

from shared.contracts import keys
from tests.chaos.agenda import Agenda
from tests.chaos.harm.ailments import ONE_AT_A_TIME
from tests.chaos.harm.fleet import MASTERS, Fleet
from tests.chaos.harm.refusals import Refusals
from tests.chaos.harm.tape import Tape
from tests.chaos.harm.topologies import PROMOTION, ManyServers
from tests.chaos.harm.user_files import UserFiles
from tests.chaos.judging.emissions import compare_emissions
from tests.chaos.judging.evidence import Evidence, entries, idle, read_evidence
from tests.chaos.opening import Deposits, open_accounts
from tests.chaos.script import (
    Act,
    Arm,
    DamageFile,
    Emit,
    Kill,
    KillRedis,
    MoveSlots,
    Redeliver,
    Refuse,
    Script,
    StepClock,
    Stop,
)
from tests.chaos.trading.person import MASTER, Person
from tests.chaos.trading.teller import AWAY, StandIn, Teller, Trader
from tests.support import python_module
from tests.support.host_clock import HostClock
from tests.support.processes import wait_for
from tests.support.redis_server import RedisServer
from tests.support.stack import Stack

_AFTER_A_FAIL_OVER: Final = 5.0
SHIPPED: Final[Mapping[str, str]] = {}
UNBUDGETED: Final[Mapping[str, str]] = {"KRAKEN_TIER": "none", "COINBASE_TIER": "none"}
"""What executors are told besides. As shipped they keep within the venues' budgets (for longer one call in two seconds at Kraken,
five at Coinbase): at two signals a second 500 signals would take half an hour and test the budget. Nor does the exchange count.
"""


class Run:
    """Plays one script. Use `play`, then `settle`, then `evidence`, inside the stack's context."""

    def __init__(self, stack: Stack, script: Script, budget: Mapping[str, str], log: TextIO) -> None:
        self.stack = stack
        self.script = script
        self.redis_kills = self.fail_overs = self.redeliveries = 0
        self.faults: Counter[str] = Counter()
        self.faults_at: Counter[str] = Counter()
        self._agenda = Agenda(log)
        self._budget = budget
        self._deposited: Deposits = {}
        self._signals = [act.signal for _, act in script.acts if isinstance(act, Emit)]
        self._tape = Tape(stack.redis.folder)
        servers = stack.servers
        names = [keys.SIGNALS, keys.CONTROL, keys.lease(keys.ENGINE), *map(keys.lease, script.users)]
        self._many = None if isinstance(servers, RedisServer) else ManyServers(servers, names, script.seed)
        self.refusals = Refusals(lambda: servers.port, alone=self._many is None)
        self.files = UserFiles(stack.config)
        self.persons = {venue: Person(stack, venue) for venue in script.masters}
        self._redis_down = False
        self._client = servers.client()
        self._teller: Teller = (
            Trader(self.persons, self._signals, self._agenda)
            if script.master
            else StandIn(self._client, self._signals, self._agenda)
        )

    def open(self) -> None:
        """Open the accounts, start the fleet and wait until every user is ready (or parked: that is for the check to judge)."""
        self._deposited = open_accounts(self.stack, self.script)
        if self.script.master:
            for person in self.persons.values():
                person.open()
        self.fleet = Fleet(self.stack, self._budget, masters=MASTERS if self.script.master else 0)
        for each in self.script.followers:
            for venue in each.venues:
                account = keys.account(each.user, venue)
                wait_for(lambda name=account: self._state(name) in {"ready", "parked"}, 90, f"{account} is known")  # type: ignore[misc]

    def play(self) -> None:
        """Carry out the script, each act at its time or as soon after it as this machine can."""
        start = time.monotonic()
        for at, act in self.script.acts:
            self._agenda.at(start + at, lambda act=act: self._do(act))  # type: ignore[misc]
        self._agenda.work_off(self._tend)

    def settle(self, patience: float) -> bool:
        """End the chaos, bring everything back and wait until nothing is under way; answers whether that came about."""
        for switch in self.stack.clear_faults():
            self.faults[switch["fault"]] += int(switch["fired"])
            self.faults_at[switch["venue"]] += int(switch["fired"])
        if self._redis_down:
            self._start_redis()
        self.refusals.end()
        self.files.mend_all()
        self.fleet.restore()
        self._agenda.note("the chaos is over", faults=self.faults.total())
        end = time.monotonic() + patience
        if not self._teller.finish(patience):
            self._agenda.note("not everything could be told")
            return False
        while time.monotonic() < end:
            self._tend()
            if self._many is not None:
                self._many.finish_moves()
                self._teller.tell_again()  # a busy machine can have them fail over by themselves
            with suppress(*AWAY):
                if self._quiet():
                    self._agenda.note("quiet")
                    return True
            time.sleep(0.5)  # other processes settle; nothing tells when the last of them has
        self._agenda.note("not quiet")
        return False

    @property
    def slot_moves(self) -> int:
        """How often slots of a cluster were moved."""
        return self._many.moves if self._many is not None else 0

    def evidence(self) -> Evidence:
        """Read what is left."""
        emitted = [] if self.script.master else [signal.id for signal in self._signals]
        found = read_evidence(self.stack, self._client, emitted, self._deposited)
        copies = {each.user: each.copies for each in self.script.followers}
        return replace(
            found,
            fail_overs=self.fail_overs + (self._many is not None),
            master_orders=self._master_orders(),
            copies=copies,
        )

    def audit(self) -> dict[str, Any]:
        """Run the product's own audit."""
        environment = {**self.stack.environment(), "PATH": ""}
        done = python_module.run("services.ops", ["audit", "--json", "--grace", "0"], environment, timeout=120)
        try:
            return cast("dict[str, Any]", json.loads(done.stdout.strip().splitlines()[-1]))
        except (ValueError, IndexError):
            return {"ok": False, "error": done.stderr[-2000:]}

    def close(self) -> None:
        """Close the connection, and remove what the clocks' library leaves of processes that were killed."""
        self._client.close()
        HostClock.tidy()

    def _quiet(self) -> bool:
        if (
            self.script.master
            and not compare_emissions(self._master_orders(), entries(self._client, "shoal:signals")).quiet
        ):
            return False
        told = self._client.xlen("shoal:signals") if self.script.master else len(self._signals)
        for user in self.script.users:
            if self._client.xlen(f"shoal:reports:{{{user}}}") < told:
                return False
        streams = ["shoal:signals", *(f"shoal:orders:{{{user}}}" for user in self.script.users)]
        return all(idle(self._client, stream) for stream in streams)

    def _master_orders(self) -> list[dict[str, Any]] | None:
        return self.stack.venue_orders(MASTER) if self.script.master else None

    def _state(self, account: str) -> object:
        return self._client.hget(account, "state")

    def _do(self, act: Act) -> None:
        if isinstance(act, Emit):
            self._teller.tell_next()
        elif isinstance(act, Kill):
            who = self.fleet.kill(role=act.role, which=act.which, down=act.down, hook=act.hook)
            self._agenda.note("kill", who=who)
        elif isinstance(act, Stop):
            self._stop(act)
        elif isinstance(act, KillRedis | MoveSlots):
            self._harm_redis(act)
        elif isinstance(act, Arm):
            self._arm(act)
        elif isinstance(act, Redeliver):
            self._redeliver(act, act.times)
        elif isinstance(act, StepClock):
            self._step_clock(act)
        elif isinstance(act, Refuse):
            self._refuse(act)
        elif isinstance(act, DamageFile):
            self._damage_file(act)
        else:
            self.stack.price(act.symbol, str(act.price))

    def _arm(self, act: Arm) -> None:
        """Throw a switch; of some one at a time: a key that is refused too often running is parked, as it should be."""
        fault = act.body["fault"]
        if fault in ONE_AT_A_TIME and any(
            row["fault"] == fault and row["count_left"] for row in self.stack.get("/paper/faults")
        ):
            self._agenda.note("left out", **act.body)
            return
        self.stack.post("/paper/faults", act.body)
        self._agenda.note("arm", **act.body)

    def _stop(self, act: Stop) -> None:
        member = self.fleet.stop(role=act.role, which=act.which)
        if member is None:
            return
        pid = member.service.pid
        self._agenda.note("stop", who=member.name, seconds=round(act.seconds, 1))

        def thaw() -> None:
            if self.fleet.thaw(member, pid):
                self._agenda.note("go on", who=member.name)

        self._agenda.after(act.seconds, thaw)

    def _step_clock(self, act: StepClock) -> None:
        member = self.fleet.step_clock(role=act.role, which=act.which, seconds=act.seconds)
        self._agenda.note("step clock", who=member.name, seconds=act.seconds, lasts=round(act.lasts, 1))

        def back() -> None:
            member.clock.step(0)
            self._agenda.note("clock right", who=member.name)

        self._agenda.after(act.lasts, back)

    def _refuse(self, act: Refuse) -> None:
        if self._redis_down and self._many is not None:  # a fail-over takes a large part of a short run
            self._agenda.after(_AFTER_A_FAIL_OVER, lambda: self._refuse(act))
            return
        if self._redis_down or self.refusals.standing:
            return
        what = self.refusals.begin(act.kind, act.which)
        self._agenda.note("refuse", how=what, seconds=round(act.seconds, 1))
        self._agenda.after(act.seconds, self._end_refusal)

    def _end_refusal(self) -> None:
        self.refusals.end()
        self._agenda.note("refusal over")

    def _damage_file(self, act: DamageFile) -> None:
        if self.files.damage(act.user, act.damage):
            self._agenda.note("damage file", user=act.user, damage=act.damage, seconds=round(act.seconds, 1))
            self._agenda.after(act.seconds, lambda: self.files.mend(act.user))

    def _harm_redis(self, act: KillRedis | MoveSlots) -> None:
        if self._redis_down:
            return
        if isinstance(act, MoveSlots):
            if self._many is not None:
                self._agenda.note("move slots", slots=self._many.move() or "left out")
            return
        self.refusals.end()
        if self._many is not None:
            self._fail_over(self._many, act)
            return
        self._redis_down = True
        self.stack.redis.kill()
        self.redis_kills += 1
        lost = self._tape.cut(act.lost) if act.lost else 0
        self.fail_overs += bool(lost)
        self._agenda.note("kill", who="redis", down=round(act.down, 1), lost_bytes=lost)
        self._agenda.after(act.down, self._start_redis)

    def _fail_over(self, servers: ManyServers, act: KillRedis) -> None:
        """Kill a primary; its replica, which may lack the last writes, takes over."""
        if not (victim := servers.kill()):
            self._agenda.note("left out", kill="redis")
            return
        self._redis_down = True
        self.redis_kills += 1
        self.fail_overs += 1
        self._agenda.note("kill", who=victim, down=round(act.down + PROMOTION, 1))
        self._agenda.after(act.down + PROMOTION, self._start_redis)

    def _start_redis(self) -> None:
        if self._redis_down:
            if self._many is not None:
                self._many.restart()
            else:
                self.stack.redis.start()
            self._redis_down = False
            self._agenda.note("start", who="redis")
            self._teller.tell_again()

    def _redeliver(self, act: Redeliver, times: int) -> None:
        """Set a group back by some entries, so that they are delivered once more though they were acknowledged."""
        stream = f"shoal:orders:{{{act.user}}}" if act.user else "shoal:signals"
        with suppress(*AWAY):
            group = self._client.xinfo_groups(stream)[0]
            last = group["last-delivered-id"]
            rows = cast("list[tuple[str, Any]]", self._client.xrevrange(stream, last, "-", act.back + 1))
            if len(rows) > 1:
                self._client.xgroup_setid(stream, group["name"], rows[-1][0])
                self.redeliveries += len(rows) - 1
                self._agenda.note("redeliver", stream=stream, entries=len(rows) - 1)
        if times > 1:
            self._agenda.after(0.7, lambda: self._redeliver(act, times - 1))

    def _tend(self) -> None:
        if not self._redis_down and self._many is None:
            self._tape.look()
        for name in self.fleet.tend():
            self._agenda.note("start", who=name)
