"""On which of a user's venues a master's signals are copied (`[follow]`), and how a change takes effect."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from shared.domain.limits.policy import UserPolicy
from shared.domain.routes import MASTERS, Routes, advance, initial, routed
from tests.support.examples import a_policy

KRAKEN, COINBASE = ("kraken",), ("coinbase",)
BOTH = ("kraken", "coinbase")


@pytest.mark.parametrize(
    ("venues", "follow", "kraken", "coinbase", "former"),
    [
        pytest.param(KRAKEN, {}, "kraken", None, {}, id="the same venue by default"),
        pytest.param(COINBASE, {}, None, "coinbase", {}, id="no other venue by default"),
        pytest.param(BOTH, {}, "kraken", "coinbase", {}, id="each master on its own venue"),
        pytest.param(
            COINBASE, {"kraken": "coinbase"}, "coinbase", None, {}, id="across, and the venue's own master not"
        ),
        pytest.param(
            BOTH,
            {"kraken": "coinbase"},
            "coinbase",
            None,
            {"kraken": ("kraken",)},
            id="one venue is left without a master",
        ),
        pytest.param(BOTH, {"kraken": "coinbase", "coinbase": "kraken"}, "coinbase", "kraken", {}, id="crossed"),
        pytest.param(BOTH, {"coinbase": ""}, "kraken", None, {"coinbase": ("coinbase",)}, id="one master not followed"),
        pytest.param(KRAKEN, {"kraken": ""}, None, None, {"kraken": ("kraken",)}, id="none followed"),
    ],
)
def test_where_a_master_is_copied(
    venues: tuple[str, ...],
    follow: dict[str, str],
    kraken: str | None,
    coinbase: str | None,
    former: dict[str, tuple[str, ...]],
) -> None:
    policy = a_policy(venues=venues, follow=tuple(follow.items()))
    assert (policy.venue_for("kraken"), policy.venue_for("coinbase")) == (kraken, coinbase)
    assert {master: there for master in BOTH if (there := policy.former_venues(master))} == former


maps = st.dictionaries(st.sampled_from(BOTH), st.sampled_from(["", *BOTH]), max_size=2).filter(
    lambda lines: len([venue for venue in lines.values() if venue]) == len({venue for venue in lines.values() if venue})
)


@st.composite
def policies(draw: st.DrawFn) -> UserPolicy:
    """Draw a user with a `[follow]` that the file may have."""
    venues = draw(st.sampled_from([KRAKEN, COINBASE, BOTH]))
    lines = {master: venue for master, venue in draw(maps).items() if venue in {"", *venues}}
    return a_policy(venues=venues, follow=tuple(lines.items()))


steps = st.tuples(policies(), st.frozensets(st.sampled_from(BOTH)), st.booleans())
"""A change of the file, the venues at which nothing is held, and whether every decision has ended."""


@given(policies(), st.lists(steps, max_size=8))
def test_however_follow_changes_an_account_with_copies_keeps_its_master_and_has_one(
    first: UserPolicy, changes: list[tuple[UserPolicy, frozenset[str], bool]]
) -> None:
    now = initial(first)
    for policy, flat, ended in changes:
        before = now
        if ended:
            now = advance(now, policy, flat.__contains__)
        effective = routed(policy, now)
        for venue in policy.venues:
            assert effective.master_at(venue) == now.master_at(venue)
            if venue not in flat:
                assert now.master_at(venue) == before.master_at(venue)
        targets = []
        for master in MASTERS:
            entries = effective.venue_for(master)
            if entries is None or effective.waits(master):
                continue
            targets.append(entries)
            assert effective.master_at(entries) == master  # entries go to an account of this master alone
        assert len(targets) == len(set(targets))
        owned = [(master, venue) for master in MASTERS for venue in effective.former_venues(master)]
        assert len({venue for _, venue in owned}) == len(owned)  # an exit sells nothing of another master's
        assert not {venue for _, venue in owned} & set(targets)
        if ended and flat == {*BOTH}:
            assert effective.waiting == ()


@given(policies())
def test_a_new_user_waits_for_nothing(policy: UserPolicy) -> None:
    assert routed(policy, initial(policy)).waiting == ()


def test_a_user_without_follow_has_no_record_and_all_copies_in_one_account_of_each_master() -> None:
    for venues in (KRAKEN, COINBASE, BOTH):
        policy = a_policy(venues=venues)
        assert initial(policy) == Routes()
        assert routed(policy, Routes()) is policy
        assert [policy.former_venues(master) for master in MASTERS] == [(), ()]
