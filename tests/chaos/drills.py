"""Short runs, each of which leans on one safeguard: the fence, the resolution of lost replies, the seed of the nonce, the venue's
time; at Coinbase the replay under one id, and that success is no fill.

`python -m tests.chaos.drills fence <folder>` plays one and judges it by the conservation check; the last line is a JSON object.
They exist to show that the check sees: a build that lacks the safeguard must fail its drill (`test_mutations.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Final

from shared.contracts import keys
from tests.chaos.judging.conservation import check
from tests.chaos.judging.evidence import Evidence, idle, read_evidence
from tests.chaos.judging.nonces import count_nonces
from tests.chaos.judging.sends import judge_sends
from tests.chaos.opening import PAPER_FILE, USER_FILE
from tests.chaos.run import UNBUDGETED
from tests.support.host_clock import HostClock
from tests.support.paper_control import WORDS
from tests.support.processes import wait_for
from tests.support.stack import Stack

USER: Final = "alice"
CASH: Final = Decimal(50_000)
_PATIENCE: Final = 25.0
_AHEAD: Final = 4.8
"""Seconds by which a host's clock is ahead: nearly as much as entries are sent under."""
_PROVEN: Final = 8.0
"""Seconds after which an order that is in no list counts as never received: a time-out and a moment."""
_HELD_UP: Final = 9.2
"""Longer than that, and within one time-out of a deadline that was told by the wrong clock."""


class Drill:
    """A stack with one user and as many executors as asked for, and the signals given so far."""

    def __init__(self, stack: Stack, executors: int) -> None:
        self.stack = stack
        self.emitted: list[str] = []
        stack.open_account(USER, USD=str(CASH))
        for symbol, price in (("BTC/USD", "60000"), ("ETH/USD", "3000")):
            stack.price(symbol, price)
        self._executors = executors
        self.host: Mapping[str, str] = {}
        """What processes are told of the host that they run on."""

    def start(self) -> None:
        """Start the services and wait until the user is ready."""
        for _ in range(self._executors):
            self.stack.start("executor", "services.executor", LOG_FORMAT="json", **UNBUDGETED, **self.host)
        self.stack.start("copy-engine", "services.copy_engine", LOG_FORMAT="json")
        self.stack.wait_ready(USER)

    def entry(self, symbol: str = "BTC/USD") -> None:
        """Have the master buy."""
        size, price = ("0.001", "60000") if symbol == "BTC/USD" else ("0.02", "3000")
        self.emitted.append(self.stack.signal(symbol, size=size, price=price))

    def exit(self, symbol: str = "BTC/USD", fraction: str = "1") -> None:
        """Have the master sell."""
        price = "60000" if symbol == "BTC/USD" else "3000"
        self.emitted.append(self.stack.signal(symbol, kind="exit", size="0.001", price=price, fraction=fraction))

    def rest(self) -> bool:
        """Wait until everything that was signalled is settled; answers whether it ever was."""
        streams = (keys.SIGNALS, keys.orders(USER))
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if len(self.stack.reports(USER)) >= len(self.emitted) and all(
                idle(self.stack.client, stream) for stream in streams
            ):
                return True
            time.sleep(0.1)  # other processes settle; nothing tells when the last of them has
        return False

    def evidence(self, deposited: Mapping[str, Decimal] | None = None) -> Evidence:
        """Read what is left."""
        venue = self.stack.venue
        return read_evidence(self.stack, self.stack.client, self.emitted, {USER: {venue: deposited or {"USD": CASH}}})


def fence(drill: Drill) -> list[str]:
    """Freeze the owner until another has taken over, let it go on, and see that only one of the two trades."""
    drill.start()
    drill.entry()
    assert drill.rest()
    owner = _owner(drill)
    os.kill(owner, signal.SIGSTOP)  # one of the stack's own processes, named by its lease
    try:
        wait_for(lambda: _owner(drill) not in {0, owner}, 30, "another executor takes over")
        drill.entry()
        assert drill.rest()
    finally:
        os.kill(owner, signal.SIGCONT)
    time.sleep(1.0)  # time for the woken owner to do harm, if it can: nothing would tell when it has done none
    for _ in range(200):  # at once, so that two owners would work side by side all the time
        drill.entry()
    drill.exit(fraction="0.37")
    return breaches_of(drill.rest(), drill.evidence())


def resolve(drill: Drill) -> list[str]:
    """Lose the replies to an entry and to an exit that the exchange has filled."""
    drill.start()
    drill.entry("ETH/USD")
    assert drill.rest()
    for fault in ("502_after_accept", "processed_then_reply_dropped"):
        drill.stack.fault(fault, user=USER, method=WORDS[drill.stack.venue].places, count=1)
    drill.exit("ETH/USD", "0.5")
    drill.entry("BTC/USD")
    return breaches_of(drill.rest(), drill.evidence())


def nonce(drill: Drill) -> list[str]:
    """Have Redis lose everything in mid-run, on a key whose last nonce at the exchange was high."""
    fingerprint = sha256(drill.stack.keys[USER][0].encode()).hexdigest()[:16]
    drill.stack.client.set(keys.nonce(USER, fingerprint), time.time_ns() // 1000)
    drill.start()
    drill.entry()
    drill.exit()
    assert drill.rest()
    drill.stack.client.flushall()
    flushed = time.time() * 1000
    balances = _balances(drill)
    drill.emitted.clear()
    known = ("ready", "parked")
    wait_for(lambda: drill.stack.client.hget(keys.account(USER, "kraken"), "state") in known, 30, "the account is back")
    drill.entry()
    drill.exit(fraction="0.5")
    quiet = drill.rest()
    evidence = drill.evidence(balances)
    (user,) = evidence.users
    (account,) = user.accounts
    since = replace(account, orders=[row for row in account.orders if row["accepted_at"] > flushed])
    return breaches_of(quiet, replace(evidence, users=[replace(user, accounts=[since])]))


def clock(drill: Drill) -> list[str]:
    """Hold an order up on its way while the host's clock is ahead: it must be past its deadline when it is processed at last."""
    with HostClock(drill.stack.folder / "host", _AHEAD) as host:
        drill.host = host.environment()
        drill.start()
        drill.entry("ETH/USD")
        assert drill.rest()
        drill.stack.fault(
            "delay_beyond_timeout_then_processed", user=USER, method="AddOrder", count=1, seconds=_HELD_UP
        )
        drill.entry("BTC/USD")
        quiet = drill.rest()
        time.sleep(_HELD_UP - _PROVEN)  # what was held up is processed after the second send, if it is at all
        return breaches_of(quiet, drill.evidence())


def success(drill: Drill) -> list[str]:
    """Have orders accepted that then fail, fill in part, or fill late."""
    drill.start()
    drill.entry("ETH/USD")
    assert drill.rest()
    for fault in ("accepted_then_failed", "partial_fill_then_cancel", "pending_for"):
        drill.stack.fault(fault, user=USER, method=WORDS[drill.stack.venue].places, count=1)
        drill.entry("BTC/USD")
        assert drill.rest()
    drill.stack.fault("accepted_then_failed", user=USER, count=1)
    drill.exit("ETH/USD", "0.5")
    return breaches_of(drill.rest(), drill.evidence())


@dataclass(frozen=True, slots=True)
class DrillPlan:
    """What a drill does, and the number of executors and the venue that it needs."""

    play: Callable[[Drill], list[str]]
    executors: int = 1
    venue: str = "kraken"


DRILLS: Final[Mapping[str, DrillPlan]] = {
    "fence": DrillPlan(fence, executors=2),
    "resolve": DrillPlan(resolve),
    "nonce": DrillPlan(nonce),
    "clock": DrillPlan(clock),
    "replay": DrillPlan(resolve, venue="coinbase"),
    "success": DrillPlan(success, venue="coinbase"),
}


def play(name: str, folder: Path) -> list[str]:
    """Play a drill in a new folder; answers what broke."""
    plan = DRILLS[name]
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "paper.toml").write_text(PAPER_FILE)
    # Without streams: what a lost answer hides they would show, whatever was cut out of the questions.
    with Stack(folder, [USER], user_settings=USER_FILE, venue=plan.venue, streams=False) as stack:
        return plan.play(Drill(stack, plan.executors))


def breaches_of(quiet: bool, evidence: Evidence) -> list[str]:
    """Return what broke, by all checks."""
    found = [*check(evidence).all, *judge_sends(evidence.requests).altered]
    nonces = count_nonces(evidence)
    if nonces.visible or nonces.unexplained:
        found.append(f"{nonces.visible} visible and {nonces.unexplained} unexplained refusals of a nonce")
    return found if quiet else ["the system did not come to rest", *found]


def _owner(drill: Drill) -> int:
    """Return the pid of the user's executor: an owner is named host-pid-random. 0 while there is none."""
    owner = drill.stack.client.get(keys.lease(USER))
    return int(str(owner).rsplit("-", 2)[1]) if owner else 0


def _balances(drill: Drill) -> dict[str, Decimal]:
    account = drill.stack.get(f"/paper/accounts/{USER}/kraken")
    return {asset: Decimal(amount) for asset, amount in account["balances"].items()}


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="drill")
    parser.add_argument("name", choices=list(DRILLS))
    parser.add_argument("folder", type=Path)
    told = parser.parse_args()
    breaches = play(told.name, told.folder)
    print(json.dumps({"ok": not breaches, "drill": told.name, "breaches": breaches[:20]}))  # noqa: T201  # a command line prints
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
