"""The day that every fault of a venue strikes somebody: how all of them live through it, and how one user's part is judged.

One user per venue, fault and kind lives through the same day, side by side with the users of the other venue: an entry, an exit,
an entry, an exit; the fault strikes once, the later signals must flow. Judged by what the exchange saw: each decision exactly
once, and nothing booked that it does not have.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tests.scenarios.venue_cases import MARKETS, UNKNOWN, Struck, everybody
from tests.support.outcomes import (
    Report,
    assert_books_match,
    legs_at_venue,
    missing,
    nonces_refused,
    outcomes,
)
from tests.support.processes import Service, comes_true
from tests.support.stack import Stack

SETTINGS: Final = '[guards]\nmax_signal_age = "10m"\n[symbols]\ninclude = ["{symbol}"]\n'


@dataclass(slots=True)
class Day:
    """The day that everybody lived through. `seen` is what stood there while the venue knew no better."""

    stack: Stack
    signals: dict[str, dict[tuple[str, str], str]] = field(default_factory=dict)
    """Ids by what they are called, by venue and pair."""
    fired: dict[str, int] = field(default_factory=dict)
    seen: dict[str, tuple[list[Report], dict[str, str]]] = field(default_factory=dict)

    def report(self, who: Struck, signal: str = "") -> Report:
        """Read the one outcome of a user's signal; by default of the one that the fault struck."""
        found = outcomes(self.stack, who.user, self.signals[signal or who.kind][who.venue, who.pair])
        assert len(found) == 1, f"outcomes of {signal or who.kind} for {who.user}: {found}"
        return found[0]

    def give(self, called: str, kind: str) -> None:
        """Have a master at each venue trade every pair."""
        self.signals[called] = {
            (venue, symbol): self.stack.signal(
                symbol,
                kind=kind,
                size=f"{10 * Decimal(size):f}",
                price=f"{60 / Decimal(size):f}",
                fraction="1" if kind == "exit" else "",
                venue=venue,
            )
            for venue, markets in MARKETS.items()
            for symbol, size in markets.items()
        }

    def check(self, who: Struck) -> Report:
        """Judge one user's day; answers the outcome of the signal that the fault struck."""
        case = who.case
        assert bool(self.fired.get(who.user)) == case.strikes, f"the fault struck {self.fired.get(who.user)} times"
        return self.judge(who)

    def judge(self, who: Struck) -> Report:
        """Judge the same, whether or not the fault struck."""
        case, user, kind = who.case, who.user, who.kind
        struck = self.report(who)
        legs = legs_at_venue(self.stack, user, struck["order_id"])
        outcome = (
            "turned down" if kind == "entry" and struck["outcome"] in {"rejected", "skipped"} else struck["outcome"]
        )
        wanted = case.entry if kind == "entry" else case.exit
        assert (outcome, len(legs)) == wanted, struck
        if outcome == "filled":
            assert Decimal(struck["filled_size"]) == who.size
        if outcome not in {"filled", "partial"}:
            assert re.search(case.words, struck["reason"], re.IGNORECASE), struck
        if outcome == "turned down":
            assert self.report(who, "exit")["reason"] == "nothing is held from copying"
        for later in ("entry again", "exit again"):
            told = self.report(who, later)
            # The list of pairs is ten minutes old at most: a minimum that was raised is believed for so long.
            believed = who.name == "ordermin_raised_mid_run" and "minimum" in told["reason"]
            assert told["outcome"] == ("skipped" if believed else "filled"), told
        assert_books_match(self.stack, user)
        assert nonces_refused(self.stack, user) == []
        return struck

    def requests(self, who: Struck) -> list[dict[str, Any]]:
        """Read what a user has asked of the exchange."""
        return self.stack.requests_of(who.user)

    def sent(self, who: Struck) -> list[dict[str, Any]]:
        """Read the orders that a user has sent, as often as they came."""
        return self.stack.requests_of(who.user, who.places)


def live_through(day: Day) -> None:
    """Let the day pass; what goes wrong is left for the test that it belongs to."""
    stack, all_of_them = day.stack, list(everybody())
    parking = [who.user for who in all_of_them if who.case.parks]
    stoppable = _begin(stack, parking)

    arm(day, "entry")
    day.give("entry", "entry")
    unknown = [who for who in all_of_them if who.name == UNKNOWN]
    entering = [who for who in unknown if who.kind == "entry"]
    wait(day, "entry", but=entering)
    for who in entering:
        look(day, who)
    disarm(day)
    wait(day, "entry")

    arm(day, "exit")
    day.give("exit", "exit")
    waiting = [
        who for who in all_of_them if who.case.parks or (who.kind == "exit" and who.name in {UNKNOWN, "pair_halted"})
    ]
    wait(day, "exit", but=waiting)
    comes_true(lambda: all(stack.account(user)["state"] == "parked" for user in parking), 30)
    for who in waiting:
        look(day, who)
    disarm(day)
    stoppable.stop()  # the operator has put the keys right and does not want to wait for the next try
    stack.executor(parking)
    stack.wait_ready(*parking)
    wait(day, "exit")

    day.give("entry again", "entry")
    day.give("exit again", "exit")
    wait(day, "entry again", "exit again")


def _begin(stack: Stack, parking: Collection[str]) -> Service:
    """Open all accounts and start all services; answers the executor of those whom the day parks."""
    for who in everybody():
        stack.write_user(who.user, SETTINGS.format(symbol=who.pair))
        stack.open_account(who.user, USD=1000)
    for markets in MARKETS.values():
        for symbol, size in markets.items():
            stack.price(symbol, str(60 / Decimal(size)))
    stack.executor([user for user in stack.users if user not in parking])
    stoppable = stack.executor(list(parking))
    stack.engine()
    stack.wait_ready(*stack.users)
    return stoppable


def arm(day: Day, kind: str) -> None:
    """Turn on every fault for those whose signal of this kind it strikes."""
    for who in everybody():
        if who.kind != kind:
            continue
        case, armed = who.case, dict(who.case.armed)
        if not (case.parks or who.name == UNKNOWN or who.pair != "BTC/USD"):
            armed["count"] = case.count if kind == "entry" else case.again
        if who.pair == "BTC/USD":
            armed["user"] = who.user
        else:
            armed["symbol"] = who.pair
        if case.before is not None:
            day.stack.fault(**case.before, user=who.user)
        day.stack.fault(**armed)
        if who.name == UNKNOWN and kind == "entry":  # what the unknown status hides is not what was asked for
            day.stack.fault("partial_fill_then_cancel", user=who.user, count=1, fraction=0.4)


def disarm(day: Day) -> None:
    """Turn all faults off, and note how often each has struck."""
    ahead = {(who.user, who.case.before["fault"]) for who in everybody() if who.case.before is not None}
    for switch in day.stack.clear_faults():
        who = switch["user"] or switch["symbol"]
        if (who, switch["fault"]) not in ahead:
            day.fired[who] = day.fired.get(who, 0) + int(switch["fired"])


def wait(day: Day, *called: str, but: Collection[Struck] = ()) -> None:
    """Wait for the outcomes of signals for everybody but some."""
    for venue, markets in MARKETS.items():
        others = [who.user for who in everybody() if who.venue == venue and who not in but]
        for pair in ("BTC/USD", *markets):
            ids = [day.signals[each][venue, pair] for each in called]
            comes_true(lambda ids=ids, others=others: not missing(day.stack, others, ids), 60)  # type: ignore[misc]  # its defaults are bound


def look(day: Day, who: Struck) -> None:
    """Keep what is told of a user now."""
    day.seen[who.user] = (day.stack.reports(who.user), day.stack.account(who.user))


def check_condition(day: Day, who: Struck) -> None:
    """It holds for the pair: the exchange refuses in its words, or the engine has seen it first."""
    struck = day.judge(who)
    if who.kind == "exit" and not struck["reason"].startswith("dust: "):  # by the venue's list, read since
        assert day.fired.get(who.pair), "the condition refused nothing"


def check_parked(day: Day, who: Struck) -> None:
    """The account is parked in the venue's own words; an entry is over with that, an exit of what is held waits for the key."""
    day.check(who)
    reports, account = day.seen[who.user]
    assert len(of_signal(day, reports, who, "entry")) == 1
    exits = of_signal(day, reports, who, "exit")
    if who.kind == "exit":
        assert exits == []  # something is held: the exit waits
    else:
        assert [row["outcome"] for row in exits] == ["skipped"]  # nothing was bought: it has nothing to wait for
    assert account["state"] == "parked"
    assert re.search(who.case.words, account["reason"], re.IGNORECASE), account


def of_signal(day: Day, reports: list[Report], who: Struck, called: str) -> list[Report]:
    """Pick the reports about a user's signal."""
    return [row for row in reports if row["signal_id"] == day.signals[called][who.venue, who.pair]]
