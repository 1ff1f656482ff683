"""Every answer that a venue gives when it should not, each during an entry and during an exit, on one running system.

The day that all of them share, and how one user's part of it is judged, is in `venue_day`.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import pytest

from tests.scenarios.venue_day import (
    CASES,
    MARKETS,
    UNKNOWN,
    Day,
    arm,
    check_condition,
    check_parked,
    disarm,
    look,
    of_pair,
    pair_of,
    parked,
    requests_of,
    user_of,
    wait,
)
from tests.support.outcomes import comes_true, legs_at_venue
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(240)  # the first test waits for the whole day

BOTH: Final = pytest.mark.parametrize("kind", ["entry", "exit"])
SETTINGS: Final = '[guards]\nmax_signal_age = "10m"\n[symbols]\ninclude = ["{symbol}"]\n'


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """Live through the day; what goes wrong is left for the test that it belongs to."""
    everybody = [(name, kind) for name in CASES for kind in ("entry", "exit")]
    users = [user_of(name, kind) for name, kind in everybody]
    parking = [user_of(name, kind) for name, kind in everybody if CASES[name].parks]
    with Stack(tmp_path_factory.mktemp("venue-answers"), users) as stack:
        for name, kind in everybody:
            stack.write_user(user_of(name, kind), SETTINGS.format(symbol=pair_of(name, kind)))
            stack.open_account(user_of(name, kind), USD=1000)
        for symbol, size in MARKETS.items():
            stack.price(symbol, str(60 / Decimal(size)))
        stack.executor([user for user in users if user not in parking])
        stoppable = stack.executor(parking)
        stack.engine()
        stack.wait_ready(*users)
        day = Day(stack)

        arm(day, "entry")
        day.give("entry", "entry")
        wait(day, "entry", but=[user_of(UNKNOWN, "entry")])
        look(day, user_of(UNKNOWN, "entry"))
        disarm(day)
        wait(day, "entry")

        arm(day, "exit")
        day.give("exit", "exit")
        waiting = [user_of(UNKNOWN, "exit"), user_of("pair_halted", "exit"), *parking]
        wait(day, "exit", but=waiting)
        comes_true(lambda: all(parked(stack, user) for user in parking), 30)
        for user in waiting:
            look(day, user)
        disarm(day)
        stoppable.stop()  # the operator has put the keys right and does not want to wait for the next try
        stack.executor(parking)
        stack.wait_ready(*parking)
        wait(day, "exit")

        day.give("entry again", "entry")
        day.give("exit again", "exit")
        wait(day, "entry again", "exit again")
        yield day


@BOTH
def test_processed_then_reply_dropped(day: Day, kind: str) -> None:
    day.check("processed_then_reply_dropped", kind)


@BOTH
def test_502_after_accept(day: Day, kind: str) -> None:
    day.check("502_after_accept", kind)


@BOTH
def test_html_error_page(day: Day, kind: str) -> None:
    day.check("html_error_page", kind)


@BOTH
def test_truncated_json(day: Day, kind: str) -> None:
    day.check("truncated_json", kind)


@BOTH
def test_delay_beyond_timeout_then_processed(day: Day, kind: str) -> None:
    struck = day.check("delay_beyond_timeout_then_processed", kind)
    # The exchange came to it after its deadline and refused it, so it was sent anew: once, and not before that was certain.
    sent = [row for row in requests_of(day, "delay_beyond_timeout_then_processed", kind) if row["method"] == "AddOrder"]
    late = next(row for row in sent if row.get("fault"))
    assert "Deadline elapsed" in late["verdict"]
    assert int(struck["accepted_at"]) - late["at"] > 5_000


@BOTH
def test_unavailable_before_accept(day: Day, kind: str) -> None:
    day.check("unavailable_before_accept", kind)


@BOTH
def test_unavailable_after_accept(day: Day, kind: str) -> None:
    day.check("unavailable_after_accept", kind)


@BOTH
def test_order_invisible_for_3s(day: Day, kind: str) -> None:
    day.check("order_invisible_for_3s", kind)


@BOTH
def test_partial_fill_then_cancel(day: Day, kind: str) -> None:
    struck = day.check("partial_fill_then_cancel", kind)
    assert Decimal(struck["filled_size"]) == Decimal("0.0004" if kind == "entry" else "0.001")


@BOTH
def test_fill_during_cancel(day: Day, kind: str) -> None:
    """Shoal's orders end by themselves: it never cancels one, so that no fill can slip in between."""
    day.check("fill_during_cancel", kind, strikes=False)
    assert {row["method"] for row in day.stack.get("/paper/requests")}.isdisjoint({"CancelOrder", "CancelAll"})


@BOTH
def test_rate_limited(day: Day, kind: str) -> None:
    day.check("rate_limited", kind)


@BOTH
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "for good"])
def test_invalid_nonce_burst(day: Day, kind: str, lasts: bool) -> None:
    if lasts:
        check_parked(day, "invalid_nonce_for_good", kind)
    else:
        day.check("invalid_nonce_burst", kind)


@BOTH
def test_temporary_lockout(day: Day, kind: str) -> None:
    check_parked(day, "temporary_lockout", kind)
    # Every call restarts the venue's count: two at most were under way.
    refused = [row for row in requests_of(day, "temporary_lockout", kind) if "lockout" in row["verdict"]]
    assert len(refused) <= 2


@BOTH
def test_permission_denied(day: Day, kind: str) -> None:
    check_parked(day, "permission_denied", kind)


@BOTH
def test_key_revoked_mid_run(day: Day, kind: str) -> None:
    check_parked(day, "key_revoked_mid_run", kind)


@BOTH
def test_ordermin_raised_mid_run(day: Day, kind: str) -> None:
    """A close below the new minimum is dust for now: a visible skip, and what is held goes with the next close."""
    check_condition(day, "ordermin_raised_mid_run", kind)
    bought = [day.report("ordermin_raised_mid_run", kind, called) for called in ("entry", "entry again")]
    sold = day.report("ordermin_raised_mid_run", kind, "exit again")
    if sold["outcome"] == "filled":
        assert Decimal(sold["filled_size"]) == sum(Decimal(row["filled_size"]) for row in bought)


@BOTH
def test_pair_halted(day: Day, kind: str) -> None:
    check_condition(day, "pair_halted", kind)
    if kind == "exit":
        reports, _ = day.seen[user_of("pair_halted", kind)]
        assert of_pair(day, reports, pair_of("pair_halted", kind), "exit") == []  # it waits for the market


@BOTH
def test_cancel_only_mode(day: Day, kind: str) -> None:
    day.check("cancel_only_mode", kind)


@BOTH
def test_balance_lags_fill(day: Day, kind: str) -> None:
    day.check("balance_lags_fill", kind)


@BOTH
def test_response_moves_order_id(day: Day, kind: str) -> None:
    day.check("response_moves_order_id", kind)


@BOTH
def test_status_unknown_is_not_filled(day: Day, kind: str) -> None:
    struck = day.check(UNKNOWN, kind)
    reports, _ = day.seen[user_of(UNKNOWN, kind)]
    assert of_pair(day, reports, "BTC/USD", kind) == []  # nothing was told until it was known
    assert Decimal(struck["filled_size"]) == Decimal("0.0004" if kind == "entry" else "0.001")


@BOTH
def test_market_order_resolved_after_it_filled(day: Day, kind: str) -> None:
    """A list of open orders cannot tell a filled order from one that never was: the closed ones are asked."""
    name = "market_order_resolved_after_it_filled"
    struck = day.check(name, kind)
    (order,) = legs_at_venue(day.stack, user_of(name, kind), struck["order_id"])
    lookups = [row for row in requests_of(day, name, kind) if row["at"] >= order["closed_at"]]
    assert order["closed_at"] <= int(struck["settled_at"])
    assert lookups[0]["at"] >= order["closed_at"]
    assert "ClosedOrders" in {row["method"] for row in lookups}
