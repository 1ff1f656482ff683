"""On which of a user's venues a master's signals are copied (`[follow]`)."""

from __future__ import annotations

import pytest

from tests.support.examples import a_policy

KRAKEN, COINBASE = ("kraken",), ("coinbase",)
BOTH = ("kraken", "coinbase")


@pytest.mark.parametrize(
    ("venues", "follow", "kraken", "coinbase", "idle"),
    [
        pytest.param(KRAKEN, {}, "kraken", None, (), id="the same venue by default"),
        pytest.param(COINBASE, {}, None, "coinbase", (), id="no other venue by default"),
        pytest.param(BOTH, {}, "kraken", "coinbase", (), id="each master on its own venue"),
        pytest.param(
            COINBASE, {"kraken": "coinbase"}, "coinbase", None, (), id="across, and the venue's own master not"
        ),
        pytest.param(
            BOTH, {"kraken": "coinbase"}, "coinbase", None, ("kraken",), id="one venue is left without a master"
        ),
        pytest.param(BOTH, {"kraken": "coinbase", "coinbase": "kraken"}, "coinbase", "kraken", (), id="crossed"),
        pytest.param(BOTH, {"coinbase": ""}, "kraken", None, ("coinbase",), id="one master not followed"),
        pytest.param(KRAKEN, {"kraken": ""}, None, None, ("kraken",), id="none followed"),
    ],
)
def test_where_a_master_is_copied(
    venues: tuple[str, ...],
    follow: dict[str, str],
    kraken: str | None,
    coinbase: str | None,
    idle: tuple[str, ...],
) -> None:
    policy = a_policy(venues=venues, follow=tuple(follow.items()))
    assert (policy.venue_for("kraken"), policy.venue_for("coinbase")) == (kraken, coinbase)
    assert policy.idle_venues == idle
