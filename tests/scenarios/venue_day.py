"""The day that every fault of the venue strikes somebody: who is struck and how, what it must come to, and what was seen.

One user per fault and kind lives through the same day: an entry, an exit, an entry, an exit; his fault strikes once, his later
signals must flow. Judged by what the exchange saw: each decision exactly once, and nothing booked that it does not have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, cast

from shared.contracts import keys
from tests.support.outcomes import (
    Report,
    assert_books_match,
    comes_true,
    legs_at_venue,
    missing,
    nonces_refused,
    outcomes,
)
from tests.support.stack import Stack

MARKETS: Final = {"BTC/USD": "0.001", "ETH/USD": "0.01", "BCH/USD": "0.1", "LTC/USD": "1", "AAVE/USD": "0.5"}
"""What each user buys of it, for 60 USD. The pairs beside BTC/USD are for conditions that hold for whoever trades them."""
FILLED: Final = ("filled", 1)


@dataclass(frozen=True, slots=True)
class Case:
    """How a fault is armed, and the outcome and the number of orders at the exchange that it must lead to."""

    armed: Mapping[str, Any]
    entry: tuple[str, int] = FILLED
    exit: tuple[str, int] = FILLED
    again: int = 1
    """How often it strikes an exit; 0: until it is turned off."""
    parks: bool = False
    words: str = ""
    pairs: tuple[str, str] = ("BTC/USD", "BTC/USD")
    """What is traded by the user whose entry is struck, and by the one whose exit is."""


def _refused(fault: str, words: str) -> Case:
    return Case({"fault": fault}, entry=("turned down", 0), again=3, words=words)


def _parks(fault: str, words: str, **more: Any) -> Case:
    return Case({"fault": fault, **more}, entry=("turned down", 0), again=0, parks=True, words=words)


CASES: Final[Mapping[str, Case]] = {
    "processed_then_reply_dropped": Case({"fault": "processed_then_reply_dropped"}),
    "502_after_accept": Case({"fault": "502_after_accept"}),
    "html_error_page": Case({"fault": "html_error_page"}),
    "truncated_json": Case({"fault": "truncated_json"}),
    "delay_beyond_timeout_then_processed": Case({"fault": "delay_beyond_timeout_then_processed", "seconds": 5.5}),
    "unavailable_before_accept": Case({"fault": "unavailable_before_accept", "method": "AddOrder"}),
    "unavailable_after_accept": Case({"fault": "unavailable_after_accept"}),
    "order_invisible_for_3s": Case({"fault": "order_invisible_for_3s"}),
    "partial_fill_then_cancel": Case(
        {"fault": "partial_fill_then_cancel", "fraction": 0.4}, entry=("partial", 1), exit=("filled", 2)
    ),
    "fill_during_cancel": Case({"fault": "fill_during_cancel"}),
    "rate_limited": Case({"fault": "rate_limited", "method": "AddOrder"}),
    "temporary_lockout": _parks("temporary_lockout", "Temporary lockout"),
    "invalid_nonce_burst": Case({"fault": "invalid_nonce_burst", "method": "AddOrder"}),
    "invalid_nonce_for_good": _parks("invalid_nonce_burst", "used by another program"),
    "permission_denied": _parks("permission_denied", "Permission denied", method="AddOrder"),
    "key_revoked_mid_run": _parks("key_revoked_mid_run", "Invalid key"),
    "ordermin_raised_mid_run": Case(
        {"fault": "ordermin_raised_mid_run"},
        entry=("turned down", 0),
        exit=("skipped", 0),
        again=0,
        words="minimum",
        pairs=("ETH/USD", "BCH/USD"),
    ),
    "pair_halted": Case(
        {"fault": "pair_halted"}, entry=("turned down", 0), again=0, words="cancel_only", pairs=("LTC/USD", "AAVE/USD")
    ),
    "cancel_only_mode": _refused("cancel_only_mode", "cancel_only"),
    "balance_lags_fill": Case({"fault": "balance_lags_fill"}),
    "response_moves_order_id": Case({"fault": "response_moves_order_id"}),
    "status_unknown_is_not_filled": Case({"fault": "order_status_unknown"}, entry=("partial", 1), exit=FILLED, again=0),
    "market_order_resolved_after_it_filled": Case({"fault": "processed_then_reply_dropped"}),
}
UNKNOWN: Final = "status_unknown_is_not_filled"


def user_of(name: str, kind: str) -> str:
    """Name the user who lives through a fault; ids have 32 characters at most."""
    return f"{kind}-{name}"[:32]


def pair_of(name: str, kind: str) -> str:
    """Name the pair that this user trades."""
    return CASES[name].pairs[kind == "exit"]


def size_of(name: str, kind: str) -> Decimal:
    """Return what this user buys and sells at a time."""
    return Decimal(MARKETS[pair_of(name, kind)])


@dataclass(slots=True)
class Day:
    """The day that everybody lived through. `seen` is what stood there while the venue knew no better."""

    stack: Stack
    signals: dict[str, dict[str, str]] = field(default_factory=dict)
    """Ids by what they are called and by pair."""
    fired: dict[str, int] = field(default_factory=dict)
    seen: dict[str, tuple[list[Report], dict[str, str]]] = field(default_factory=dict)

    def report(self, name: str, kind: str, signal: str = "") -> Report:
        """Read the one outcome of a user's signal; by default of the one that his fault struck."""
        user = user_of(name, kind)
        found = outcomes(self.stack, user, self.signals[signal or kind][pair_of(name, kind)])
        assert len(found) == 1, f"outcomes of {signal or kind} for {user}: {found}"
        return found[0]

    def give(self, called: str, kind: str) -> None:
        """Have the master trade every pair."""
        self.signals[called] = {
            symbol: self.stack.signal(
                symbol,
                kind=kind,
                size=f"{10 * Decimal(size):f}",
                price=f"{60 / Decimal(size):f}",
                fraction="1" if kind == "exit" else "",
            )
            for symbol, size in MARKETS.items()
        }

    def check(self, name: str, kind: str, *, strikes: bool = True) -> Report:
        """Judge one user's day; answers the outcome of the signal that his fault struck."""
        case, user = CASES[name], user_of(name, kind)
        assert bool(self.fired.get(user)) == strikes, f"the fault struck {self.fired.get(user)} times"
        struck = self.report(name, kind)
        legs = legs_at_venue(self.stack, user, struck["order_id"])
        outcome = (
            "turned down" if kind == "entry" and struck["outcome"] in {"rejected", "skipped"} else struck["outcome"]
        )
        wanted = case.entry if kind == "entry" else case.exit
        assert (outcome, len(legs)) == wanted, struck
        if outcome == "filled":
            assert Decimal(struck["filled_size"]) == size_of(name, kind)
        if outcome in {"turned down", "skipped"}:
            assert case.words.lower() in struck["reason"].lower()
        if outcome == "turned down":
            assert self.report(name, kind, "exit")["reason"] == "nothing is held from copying"
        for later in ("entry again", "exit again"):
            told = self.report(name, kind, later)
            # The list of pairs is ten minutes old at most: a minimum that was raised is believed for so long.
            believed = name == "ordermin_raised_mid_run" and "minimum" in told["reason"]
            assert told["outcome"] == ("skipped" if believed else "filled"), told
        assert_books_match(self.stack, user)
        assert nonces_refused(self.stack, user) == []
        return struck


def arm(day: Day, kind: str) -> None:
    """Turn on every fault for those whose signal of this kind it strikes."""
    for name, case in CASES.items():
        pair, armed = pair_of(name, kind), dict(case.armed)
        if not (case.parks or name == UNKNOWN or pair != "BTC/USD"):
            armed["count"] = 1 if kind == "entry" else case.again
        if pair == "BTC/USD":
            armed["user"] = user_of(name, kind)
        else:
            armed["symbol"] = pair
        day.stack.fault(**armed)
    if kind == "entry":  # what the unknown status hides is not what was asked for
        day.stack.fault("partial_fill_then_cancel", user=user_of(UNKNOWN, kind), count=1, fraction=0.4)


def disarm(day: Day) -> None:
    """Turn all faults off, and note how often each has struck."""
    for switch in day.stack.clear_faults():
        who = switch["user"] or switch["symbol"]
        day.fired[who] = day.fired.get(who, 0) + int(switch["fired"])


def wait(day: Day, *called: str, but: Collection[str] = ()) -> None:
    """Wait for the outcomes of signals for everybody but some."""
    ids = [day.signals[each]["BTC/USD"] for each in called]
    others = [user for user in day.stack.users if user not in but]
    comes_true(lambda: not missing(day.stack, others, ids), 60)
    for pair in MARKETS:
        ids = [day.signals[each][pair] for each in called]
        comes_true(lambda ids=ids: not missing(day.stack, others, ids), 60)  # type: ignore[misc]  # its default is bound


def parked(stack: Stack, user: str) -> bool:
    """Tell whether a user's account is parked."""
    return stack.client.hget(keys.account(user, "kraken"), "state") == "parked"


def look(day: Day, user: str) -> None:
    """Keep what is told of a user now."""
    account = cast("dict[str, str]", day.stack.client.hgetall(keys.account(user, "kraken")))
    day.seen[user] = (day.stack.reports(user), account)


def check_condition(day: Day, name: str, kind: str) -> None:
    """It holds for the pair: the exchange refuses in its words, or the engine has seen it first."""
    user = user_of(name, kind)
    day.fired[user] = day.fired.get(pair_of(name, kind), 0)
    day.check(name, kind, strikes=bool(day.fired[user]))
    if kind == "exit":
        assert day.fired[user], "the condition refused nothing"


def check_parked(day: Day, name: str, kind: str) -> None:
    """The account is parked in the venue's own words; an entry is over with that, an exit of what is held waits for the key."""
    day.check(name, kind)
    user, words = user_of(name, kind), CASES[name].words
    reports, account = day.seen[user]
    assert len(of_pair(day, reports, "BTC/USD", "entry")) == 1
    exits = of_pair(day, reports, "BTC/USD", "exit")
    if kind == "exit":
        assert exits == []  # something is held: the exit waits
    else:
        assert [row["outcome"] for row in exits] == ["skipped"]  # nothing was bought: it has nothing to wait for
    assert account["state"] == "parked"
    assert words.lower() in account["reason"].lower()


def of_pair(day: Day, reports: list[Report], pair: str, called: str) -> list[Report]:
    """Pick the reports about the signal of a pair."""
    return [row for row in reports if row["signal_id"] == day.signals[called][pair]]


def requests_of(day: Day, name: str, kind: str) -> list[dict[str, Any]]:
    """Read what the user of a fault has asked of the exchange."""
    return [row for row in day.stack.get("/paper/requests") if row["user"] == user_of(name, kind)]
