"""Clocks that are wrong and clocks that step, on processes as they run: nothing is bought or sold twice, and every exit leaves.

The exchange keeps the true time, as a venue does; executors, engine and master run under a wall clock that the test sets. By the
venue's time Kraken judges the deadline of an order, and Coinbase the life of a token. Cases A1, A2, S1 and S2.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import krakenex
import pytest

from shared.contracts import keys
from tests.support.host_clock import HostClock
from tests.support.outcomes import Signalled, wait_outcomes
from tests.support.paper_control import WORDS
from tests.support.processes import wait_for
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(200)

SETTINGS: Final = '[guards]\nmax_signal_age = "2m"\n[exits]\nstop_loss_pct = 5\n'
BOUGHT: Final = Decimal("0.01")
TOKEN_LIFE_MS: Final = 8_000
"""A request's time-out and 2 s, and a second by which the estimate of the venue's time may be off."""


class Hosts:
    """A stack with one executor per user, each on a host of its own."""

    def __init__(self, stack: Stack, folder: Path, users: list[str]) -> None:
        self.stack = stack
        self.clocks = {user: HostClock(folder / f"host-of-{user}") for user in users}
        stack.price("BTC/USD", "60000")
        for user in users:
            stack.open_account(user, USD=10_000)
        for user in users:
            self.start(user)
        stack.engine()
        stack.wait_ready(*users)

    def start(self, user: str) -> None:
        """Start the executor of a user on the host of the user."""
        self.stack.start(
            f"executor-{user}", "services.executor", EXECUTOR_USERS=user, **self.clocks[user].environment()
        )

    def step(self, **seconds: float) -> None:
        """Set hosts ahead, and wait until their executors have noticed."""
        for user, ahead in seconds.items():
            self.clocks[user].step(ahead)
        for user, ahead in seconds.items():
            if abs(ahead) > 2:
                wait_for(lambda user=user: self.clock_faults(user), 30, f"{user}'s executor reports its clock")  # type: ignore[misc]

    def clock_faults(self, user: str) -> list[dict[str, Any]]:
        """Read what the executor of a user says of its clock."""
        owner = self.stack.client.get(keys.lease(user))
        written = self.stack.client.hget(keys.heartbeat("executor", str(owner)), "faults")
        return [fault for fault in json.loads(str(written or "[]")) if fault["kind"] == "clock"]

    def log(self, user: str) -> str:
        """Read what the executors of a user have written."""
        return "".join(each.log() for each in self.stack.services if each.name == f"executor-{user}")

    def sells(self, user: str) -> list[Decimal]:
        """Read what the exchange has sold for a user, order by order."""
        return [Decimal(str(row["filled_size"])) for row in self.stack.venue_orders(user) if row["side"] == "sell"]

    def buys(self, user: str) -> list[Decimal]:
        """Read what the exchange has bought for a user, order by order."""
        return [Decimal(str(row["filled_size"])) for row in self.stack.venue_orders(user) if row["side"] == "buy"]


@contextmanager
def _hosts(folder: Path, users: list[str], at_coinbase: Collection[str]) -> Iterator[Hosts]:
    try:
        venues = dict.fromkeys(at_coinbase, ("coinbase",))
        with Stack(folder, users, user_settings=SETTINGS, venues=venues) as stack:
            yield Hosts(stack, folder, users)
    finally:
        HostClock.tidy()


def _hold(hosts: Hosts, users: list[str]) -> None:
    bought = hosts.stack.signal_at_each(size=str(BOUGHT))
    wait_outcomes(hosts.stack, users, bought)
    for user in users:
        assert hosts.buys(user) == [BOUGHT], hosts.stack.reports(user)


AHEAD: Final = {
    "four": (4.0, 8.7),
    "six": (6.0, 10.0),
    "ten": (10.0, 12.0),
    "twenty": (20.0, 20.0),
    "c-four": (4.0, 8.7),
    "c-twenty": (20.0, 20.0),
}
"""How far the host of a user is ahead, and for how long the venue holds the order up."""
AHEAD_AT_COINBASE: Final = ("c-four", "c-twenty")
BELOW_THE_LIMIT: Final = ("four", "c-four")
"""Those whose clock is not so wrong that no entry is sent."""


def test_clock_ahead_of_the_venue_buys_once(tmp_path: Path) -> None:
    """Case S1: the deadline and the proof of absence are in the venue's time, so that what is sent again is sent once."""
    users = list(AHEAD)
    with _hosts(tmp_path, users, AHEAD_AT_COINBASE) as hosts:
        stack = hosts.stack
        _hold(hosts, users)
        hosts.step(**{user: ahead for user, (ahead, _) in AHEAD.items()})
        for user, (_, held_up) in AHEAD.items():
            stack.fault("delay_beyond_timeout_then_processed", user=user, count=1, seconds=held_up)
        half = stack.signal_at_each(kind="exit", fraction="0.5", size="0.005")
        assert _outcomes(stack, users, half) == dict.fromkeys(users, "filled")
        time.sleep(max(held_up for _, held_up in AHEAD.values()) - 8)  # until everything that was held up was processed
        assert {user: hosts.sells(user) for user in users} == {user: [BOUGHT / 2] for user in users}

        for user in BELOW_THE_LIMIT:
            stack.fault("delay_beyond_timeout_then_processed", user=user, count=1, seconds=8.7)
        again = stack.signal_at_each(size=str(BOUGHT))
        for user, told in wait_outcomes(stack, users, again).items():
            (report,) = told.values()
            if user in BELOW_THE_LIMIT:
                assert report["outcome"] == "filled"
            else:
                ahead = f"ahead of {report['venue']}'s" in report["reason"]
                assert (report["outcome"], ahead) == ("skipped", True)
        time.sleep(3)
        assert {user: len(hosts.buys(user)) for user in users} == {
            user: 1 + (user in BELOW_THE_LIMIT) for user in users
        }
        for user in BELOW_THE_LIMIT:
            assert not hosts.clock_faults(user)[0]["blocks"]
        assert hosts.clock_faults("six")[0]["blocks"]
        assert hosts.clock_faults("c-twenty")[0]["blocks"]
        for user in (
            AHEAD_AT_COINBASE
        ):  # what was held up came after its token's end by the venue's time, however wrong the host's
            late = [row for row in stack.requests_of(user, "CreateOrder") if row.get("fault")]
            assert {row["verdict"] for row in late} == {"401 Unauthorized"}
            assert all(row["token_expires"] * 1000 <= row["at"] + TOKEN_LIFE_MS for row in late)


BEHIND: Final = {"seven": -7.0, "eight": -8.0, "ninety": -90.0, "c-ninety": -90.0}
BEHIND_AT_COINBASE: Final = ("c-ninety",)


def test_clock_behind_the_venue_still_exits(tmp_path: Path) -> None:
    """Cases A1 and S2: an exit and a stop loss leave, at once and after a restart under that clock, and the skew is reported."""
    users = list(BEHIND)
    with _hosts(tmp_path, users, BEHIND_AT_COINBASE) as hosts:
        stack = hosts.stack
        _hold(hosts, users)
        hosts.step(**BEHIND)
        half = stack.signal_at_each(kind="exit", fraction="0.5", size="0.005")
        assert _outcomes(stack, users, half) == dict.fromkeys(users, "filled")
        for service in [each for each in stack.services if each.name.startswith("executor-")]:
            service.kill()
        for user in users:
            hosts.start(user)
        quarter = stack.signal_at_each(kind="exit", fraction="0.5", size="0.0025")
        assert _outcomes(stack, users, quarter) == dict.fromkeys(users, "filled")
        stack.price("BTC/USD", "54000")
        for user in users:
            wait_for(lambda user=user: len(hosts.sells(user)) == 3, 30, f"the stop loss of {user} sells")  # type: ignore[misc]
            assert sum(hosts.sells(user)) == BOUGHT
            assert "this host's clock is" in hosts.log(user)
            (fault,) = hosts.clock_faults(user)
            assert f"behind {stack.venues_of(user)[0]}'s" in fault["reason"]


def _outcomes(stack: Stack, users: list[str], signalled: Signalled) -> dict[str, str]:
    found = wait_outcomes(stack, users, signalled)
    return {user: next(iter(told.values()))["outcome"] for user, told in found.items()}


def test_clock_steps_while_holding(tmp_path: Path) -> None:
    """Case S2: executor and engine on one host whose clock is set back and ahead, and right again; a user at each venue."""
    users = ["alice", "cole"]
    with (
        HostClock(tmp_path / "host") as clock,
        Stack(tmp_path, users, user_settings=SETTINGS, venues={"cole": ("coinbase",)}) as stack,
    ):
        stack.price("BTC/USD", "60000")
        for user in users:
            stack.open_account(user, USD=10_000)
        on_host = {"EXECUTOR_USERS": ",".join(users), "EXECUTOR_CAPACITY": "2", **clock.environment()}
        stack.start("executor", "services.executor", **on_host)
        engine = stack.start("copy-engine", "services.copy_engine", **clock.environment())
        stack.wait_ready(*users)
        times = [keys.clock(venue) for venue in WORDS]
        wait_for(lambda: stack.client.exists(*times) == len(times), 30, "the venues' times are published")
        wait_outcomes(stack, users, stack.signal_at_each(size=str(BOUGHT)))
        for ahead in (-90, 90):
            before = engine.log()
            clock.step(ahead)
            wait_for(
                lambda before=before: "clock is" in engine.log()[len(before) :],  # type: ignore[misc]
                40,
                "the engine has noticed",
            )
            bought = stack.signal_at_each(size=str(BOUGHT))
            sold = stack.signal_at_each(kind="exit", fraction="0.25", size="0.0025")
            assert _outcomes(stack, users, sold) == dict.fromkeys(users, "filled")
            for told in wait_outcomes(stack, users, bought).values():
                (entry,) = told.values()
                assert entry["outcome"] == "skipped"
                assert any(f"{venue}'s time" in entry["reason"] for venue in WORDS), entry
            clock.step(0)
            wait_for(lambda: "right again" in engine.log()[-2000:], 40, "the engine's clock is right again")
        time.sleep(6)  # until the executor has looked at its clock as well
        assert _outcomes(stack, users, stack.signal_at_each(size=str(BOUGHT))) == dict.fromkeys(users, "filled")


class _Person:
    """Somebody who trades on the master's account with a second key."""

    def __init__(self, stack: Stack) -> None:
        made = stack.post("/paper/accounts", {"user": "master", "venue": "kraken", "balances": {}})
        self._api = krakenex.API(made["api_key"], made["api_secret"])
        self._api.uri = f"http://127.0.0.1:{stack.paper_port}"

    def trade(self, side: str, size: str) -> None:
        """Trade BTC at market."""
        order = {"pair": "XBTUSD", "type": side, "ordertype": "market", "volume": size}
        answer = self._api.query_private("AddOrder", order)
        assert not answer["error"], answer

    def close(self) -> None:
        """Let go of the connection."""
        self._api.close()


def test_an_exit_that_was_made_while_the_masters_clock_was_ahead_is_copied(tmp_path: Path) -> None:
    """Case A2: host 90 s ahead for a while, then right again; the master sells meanwhile."""
    with HostClock(tmp_path / "host") as clock, Stack(tmp_path, ["alice"], user_settings=SETTINGS) as stack:
        (stack.config / "strategy.toml").write_text('symbols = ["ETH/USD"]\n')
        stack.price("BTC/USD", "60000")
        stack.open_account("master", USD=100_000)
        stack.open_account("alice", USD=50_000)
        person = _Person(stack)
        for name in ("master_strategy", "copy_engine", "executor"):
            stack.start(name, f"services.{name}", **clock.environment())
        stack.wait_ready("master", "alice")

        def outcomes() -> list[str]:
            return [row["outcome"] for row in stack.reports("alice") if row["symbol"] == "BTC/USD"]

        person.trade("buy", "0.02")
        wait_for(lambda: outcomes() == ["filled"], 40, "the purchase is copied")
        clock.step(90)
        time.sleep(14)  # a scan of the master's fills under the wrong clock
        person.trade("sell", "0.02")
        time.sleep(14)
        clock.step(0)
        wait_for(lambda: outcomes() == ["filled", "filled"], 45, "the sale is copied")
        rows = [row for row in stack.venue_orders("alice") if row["symbol"] == "BTC/USD"]
        (bought, sold) = (Decimal(str(row["filled_size"])) for row in sorted(rows, key=lambda row: str(row["side"])))
        assert bought == sold > 0
        person.close()
