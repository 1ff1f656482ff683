"""What became of one signal for many users, and whether what was booked is what the exchange has.

Users of a shared stack get every signal, so outcomes are looked up by the signal and never by their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from shared.domain.order import leg_id
from tests.support.paper_control import WORDS
from tests.support.processes import comes_true
from tests.support.stack import Stack

Report = dict[str, str]
Signalled = str | Mapping[str, str]
"""A signal's id; or, of one that was given at each venue, its ids by venue."""
_POLL: Final = 0.1
_LEGS: Final = 9


def outcomes(stack: Stack, user: str, signal_id: str) -> list[Report]:
    """Read every outcome that a signal has for a user: one, or the test has found something."""
    return [row for row in stack.reports(user) if row["signal_id"] == signal_id]


def ids_for(stack: Stack, user: str, signals: Iterable[Signalled]) -> list[str]:
    """Return the ids of signals: of one that was given at each venue, that of the venue where the user trades."""
    (venue, *_) = stack.venues_of(user)
    return [each if isinstance(each, str) else each[venue] for each in signals]


def missing(stack: Stack, users: Iterable[str], signals: Collection[Signalled]) -> dict[str, int]:
    """Name the users who lack outcomes of these signals, and how many."""
    lacking = {
        user: len(set(ids_for(stack, user, signals)) - {row["signal_id"] for row in stack.reports(user)})
        for user in users
    }
    return {user: count for user, count in lacking.items() if count}


def wait_outcomes(
    stack: Stack, users: Collection[str], *signals: Signalled, seconds: float = 60
) -> dict[str, dict[str, Report]]:
    """Wait until every user has exactly one outcome of each signal; answers them by user and the signal's id."""
    came = comes_true(lambda: not missing(stack, users, signals), seconds, pause=_POLL)
    assert came, f"not within {seconds} s, of {len(signals)} outcomes each: {missing(stack, users, signals)}"
    found: dict[str, dict[str, Report]] = {}
    for user in users:
        ids = ids_for(stack, user, signals)
        rows = [row for row in stack.reports(user) if row["signal_id"] in ids]
        assert len(rows) == len(signals), f"{user} has an outcome twice: {rows}"
        found[user] = {row["signal_id"]: row for row in rows}
    return found


def legs_at_venue(stack: Stack, user: str, order_id: str) -> list[dict[str, Any]]:
    """Read the orders that the exchange accepted of one decision."""
    ids = {leg_id(order_id, number) for number in range(1, _LEGS + 1)}
    return [row for row in stack.venue_orders(user) if row["client_order_id"] in ids]


def assert_books_match(stack: Stack, user: str) -> None:
    """Every order at the exchange has a decision and is there once; every report and position is what the exchange has."""
    orders = stack.venue_orders(user)
    seen = Counter(str(row["client_order_id"]) for row in orders)
    assert all(count == 1 for count in seen.values()), f"{user} traded twice: {seen}"
    left, held = set(seen), dict.fromkeys(stack.venues_of(user), Decimal(0))
    for report in stack.reports(user):
        legs = legs_at_venue(stack, user, report["order_id"])
        left -= {row["client_order_id"] for row in legs}
        filled = sum((Decimal(row["filled_size"]) for row in legs), Decimal(0))
        assert Decimal(report["filled_size"]) == filled, f"{user} booked {report}, the exchange has {legs}"
        assert {row["venue"] for row in legs} <= {report["venue"]}, f"{user} booked {report}, the exchange has {legs}"
        if filled:
            held[report["venue"]] += filled if report["kind"] == "entry" else -filled
    assert not left, f"{user} has orders that nobody reported: {left}"
    for venue, booked in held.items():
        balances = stack.get(f"/paper/accounts/{user}/{venue}")["balances"]
        coins = [Decimal(amount) for asset, amount in balances.items() if asset not in WORDS[venue].cash]
        assert booked == sum(coins, Decimal(0)), f"{user} booked {booked} at {venue}, the account has {balances}"
        if booked == 0:
            assert stack.held(user, venue) == {}


def nonces_refused(stack: Stack, user: str) -> list[dict[str, Any]]:
    """Read the requests of a user that were refused for their nonce, but for those that the exchange made up."""
    return [row for row in stack.invalid_nonces() if row["user"] == user and row.get("fault") != "invalid_nonce_burst"]
