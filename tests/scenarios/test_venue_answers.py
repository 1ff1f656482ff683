"""Every answer that a venue gives when it should not, each during an entry and during an exit, on one running system.

Users of both venues live through the same day, side by side. The faults are in `venue_cases`; the day that all share, and how one
user's part of it is judged, in `venue_day`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

import pytest

from tests.scenarios.venue_cases import CASES, KINDS, UNKNOWN, Struck, everybody
from tests.scenarios.venue_day import Day, check_condition, check_parked, live_through, of_signal
from tests.support.outcomes import legs_at_venue
from tests.support.paper_control import WORDS
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(300)  # the first test waits for the whole day


def at(*venues: str) -> pytest.MarkDecorator:
    """Run a test for an entry and for an exit at each of these venues."""
    return pytest.mark.parametrize(("venue", "kind"), [(venue, kind) for venue in venues for kind in KINDS])


BOTH_VENUES: Final = at("kraken", "coinbase")
KRAKEN: Final = at("kraken")
COINBASE: Final = at("coinbase")
_CLOCK_MS: Final = 1_000
"""How far an instant of a report may be from the venue's own: the venue's time is estimated from headers in whole seconds."""


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """Live through the day; what goes wrong is left for the test that it belongs to."""
    venues = {who.user: (who.venue,) for who in everybody()}
    with Stack(tmp_path_factory.mktemp("venue-answers"), list(venues), venues=venues, streams=False) as stack:
        day = Day(stack)
        live_through(day)
        yield day


def test_nobody_of_the_day_shares_an_id_and_no_case_is_left_out() -> None:
    users = [who.user for who in everybody()]
    assert len(users) == len(set(users)) == 2 * sum(len(cases) for cases in CASES.values())


@BOTH_VENUES
def test_processed_then_reply_dropped(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "processed_then_reply_dropped", kind))


@BOTH_VENUES
def test_502_after_accept(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "502_after_accept", kind))


@BOTH_VENUES
def test_html_error_page(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "html_error_page", kind))


@BOTH_VENUES
def test_truncated_json(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "truncated_json", kind))


@BOTH_VENUES
def test_delay_beyond_timeout_then_processed(day: Day, venue: str, kind: str) -> None:
    who = Struck(venue, "delay_beyond_timeout_then_processed", kind)
    struck = day.check(who)
    late = next(row for row in day.sent(who) if row.get("fault"))
    if venue == "kraken":
        # The exchange came to it after its deadline and refused it, so it was sent anew: once, and not before that was certain.
        assert "Deadline elapsed" in late["verdict"]
    else:
        # Sent again at once: whichever of the two came first made the order, and the other one nothing.
        ids = [row["client_order_id"] for row in day.sent(who)]
        assert ids.count(late["client_order_id"]) >= 2
        (order,) = legs_at_venue(day.stack, who.user, struck["order_id"])
        assert order["client_order_id"] == late["client_order_id"]


@COINBASE
def test_token_expires_on_the_way(day: Day, venue: str, kind: str) -> None:
    """The token's end is the order's deadline: what comes later is refused, and the replay that came meanwhile stands."""
    who = Struck(venue, "token_expires_on_the_way", kind)
    struck = day.check(who)
    late = next(row for row in day.sent(who) if row.get("fault"))
    assert late["verdict"] == "401 Unauthorized"
    assert int(struck["settled_at"]) < late["at"] + 8_500, "the replay did not wait for the first request"


@BOTH_VENUES
def test_unavailable_before_accept(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "unavailable_before_accept", kind))


@BOTH_VENUES
def test_unavailable_after_accept(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "unavailable_after_accept", kind))


@BOTH_VENUES
def test_520_before_accept(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "520_before_accept", kind))


@COINBASE
def test_unavailable_with_a_bare_text(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "unavailable_with_a_bare_text", kind))


@BOTH_VENUES
def test_order_invisible_for_3s(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "order_invisible_for_3s", kind))


@BOTH_VENUES
def test_partial_fill_then_cancel(day: Day, venue: str, kind: str) -> None:
    struck = day.check(Struck(venue, "partial_fill_then_cancel", kind))
    assert Decimal(struck["filled_size"]) == Decimal("0.0004" if kind == "entry" else "0.001")


@BOTH_VENUES
def test_fill_during_cancel(day: Day, venue: str, kind: str) -> None:
    """Shoal's orders end by themselves: it never cancels one, so that no fill can slip in between."""
    day.check(Struck(venue, "fill_during_cancel", kind))
    assert {row["method"] for row in day.stack.get("/paper/requests")}.isdisjoint(WORDS[venue].cancels)


@BOTH_VENUES
def test_rate_limited(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "rate_limited", kind))


@COINBASE
def test_rate_limited_with_a_page(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "rate_limited_with_a_page", kind))


@COINBASE
def test_unauthorized_burst(day: Day, venue: str, kind: str) -> None:
    """A valid token is refused now and then: the order goes again under a fresh one, and the account stays."""
    who = Struck(venue, "unauthorized_burst", kind)
    struck = day.check(who)
    (order,) = legs_at_venue(day.stack, who.user, struck["order_id"])
    sent = [row for row in day.sent(who) if row["client_order_id"] == order["client_order_id"]]
    assert [row["verdict"] for row in sent] == ["401 Unauthorized"] * 3 + ["ok"]
    assert len({row["token_expires"] for row in sent}) == 1, "a fresh token ends when the recorded one did"


@KRAKEN
@pytest.mark.parametrize("lasts", [False, True], ids=["once", "for good"])
def test_invalid_nonce_burst(day: Day, venue: str, kind: str, lasts: bool) -> None:
    if lasts:
        check_parked(day, Struck(venue, "invalid_nonce_for_good", kind))
    else:
        day.check(Struck(venue, "invalid_nonce_burst", kind))


@KRAKEN
def test_temporary_lockout(day: Day, venue: str, kind: str) -> None:
    who = Struck(venue, "temporary_lockout", kind)
    check_parked(day, who)
    # Every call restarts the venue's count: two at most were under way.
    refused = [row for row in day.requests(who) if "lockout" in row["verdict"]]
    assert len(refused) <= 2, refused


@BOTH_VENUES
def test_permission_denied(day: Day, venue: str, kind: str) -> None:
    check_parked(day, Struck(venue, "permission_denied", kind))


@COINBASE
@pytest.mark.parametrize("name", ["trade_permission_lost", "portfolio_switched"])
def test_key_sees_or_may_do_less_than_before(day: Day, venue: str, kind: str, name: str) -> None:
    check_parked(day, Struck(venue, name, kind))


@BOTH_VENUES
def test_key_revoked_mid_run(day: Day, venue: str, kind: str) -> None:
    check_parked(day, Struck(venue, "key_revoked_mid_run", kind))


@BOTH_VENUES
def test_ordermin_raised_mid_run(day: Day, venue: str, kind: str) -> None:
    """A close below the new minimum is dust for now: a visible skip, and what is held goes with the next close."""
    who = Struck(venue, "ordermin_raised_mid_run", kind)
    check_condition(day, who)
    bought = [day.report(who, called) for called in ("entry", "entry again")]
    sold = day.report(who, "exit again")
    if sold["outcome"] == "filled":
        assert Decimal(sold["filled_size"]) == sum(Decimal(row["filled_size"]) for row in bought)


@BOTH_VENUES
def test_pair_halted(day: Day, venue: str, kind: str) -> None:
    who = Struck(venue, "pair_halted", kind)
    check_condition(day, who)
    if kind == "exit":
        reports, _ = day.seen[who.user]
        assert of_signal(day, reports, who, "exit") == []  # it waits for the market


@COINBASE
def test_limit_only(day: Day, venue: str, kind: str) -> None:
    """A product that takes limits only takes all that Shoal sends first, which are limits."""
    who = Struck(venue, "limit_only", kind)
    day.check(who)
    assert not day.fired.get(who.pair)


@BOTH_VENUES
def test_cancel_only_mode(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "cancel_only_mode", kind))


@BOTH_VENUES
def test_balance_lags_fill(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "balance_lags_fill", kind))


@BOTH_VENUES
def test_response_moves_order_id(day: Day, venue: str, kind: str) -> None:
    day.check(Struck(venue, "response_moves_order_id", kind))


@BOTH_VENUES
def test_status_unknown_is_not_filled(day: Day, venue: str, kind: str) -> None:
    who = Struck(venue, UNKNOWN, kind)
    struck = day.check(who)
    reports, _ = day.seen[who.user]
    assert of_signal(day, reports, who, kind) == []  # nothing was told until it was known
    assert Decimal(struck["filled_size"]) == Decimal("0.0004" if kind == "entry" else "0.001")


@COINBASE
def test_success_is_not_a_fill(day: Day, venue: str, kind: str) -> None:
    """The venue said `success: true` and then failed the order: nothing was traded by it, and nothing is booked of it."""
    who = Struck(venue, "accepted_then_failed", kind)
    struck = day.check(who)
    failed, *later = legs_at_venue(day.stack, who.user, struck["order_id"])
    assert Decimal(failed["filled_size"]) == 0
    assert day.sent(who)[0]["verdict"] == "ok"
    assert len(later) == (kind == "exit")  # an exit goes on until what is held is sold; an entry is over


@COINBASE
@pytest.mark.parametrize("name", ["pending_for", "fills_late"])
def test_venue_fills_later_than_it_says(day: Day, venue: str, kind: str, name: str) -> None:
    who = Struck(venue, name, kind)
    struck = day.check(who)
    (order,) = legs_at_venue(day.stack, who.user, struck["order_id"])
    assert order["closed_at"] <= int(struck["settled_at"]) + _CLOCK_MS, "it was booked before it had filled"


@COINBASE
def test_replay_says_duplicate(day: Day, venue: str, kind: str) -> None:
    """`DUPLICATE_CLIENT_ORDER_ID` is not the documented answer: it says that there is an order, which the lists show."""
    day.check(Struck(venue, "replay_says_duplicate", kind))


@COINBASE
def test_replay_creates_nothing(day: Day, venue: str, kind: str) -> None:
    """Whatever was sent more than once, in the whole day: it was taken under one id, and there is one order with that id."""
    replayed = set()
    for who in everybody():
        if (who.venue, who.kind) != (venue, kind):
            continue
        taken = Counter(row["client_order_id"] for row in day.sent(who) if row["verdict"] == "ok")
        made = Counter(row["client_order_id"] for row in day.stack.venue_orders(who.user))
        assert made == dict.fromkeys(taken, 1), who
        if max(taken.values()) > 1:
            replayed.add(who.name)
    assert replayed >= {"processed_then_reply_dropped", "502_after_accept", "truncated_json"}


@BOTH_VENUES
def test_market_order_resolved_after_it_filled(day: Day, venue: str, kind: str) -> None:
    """A list of open orders cannot tell a filled order from one that never was: what has ended is asked for."""
    who = Struck(venue, "market_order_resolved_after_it_filled", kind)
    struck = day.check(who)
    (order,) = legs_at_venue(day.stack, who.user, struck["order_id"])
    lookups = [row for row in day.requests(who) if row["at"] >= order["closed_at"]]
    assert order["closed_at"] <= int(struck["settled_at"]) + _CLOCK_MS
    assert lookups[0]["at"] >= order["closed_at"]
    assert {row["method"] for row in lookups} & WORDS[venue].finds_ended
