"""How many users executors are to serve, by group: what an autoscaler counts."""

from __future__ import annotations

from dataclasses import replace

from services.api.metrics import Metrics
from shared.domain.control import Control
from shared.ledger.status import SystemStatus
from shared.ledger.user_states.user_status import UserStatus
from tests.support.examples import a_policy


def test_users_are_counted_by_group_and_disabled_ones_are_not() -> None:
    policies = [
        a_policy("alice"),
        a_policy("bob", group="eu-1"),
        a_policy("carol", group="eu-1"),
        a_policy("dave", group="us", enabled=False),
    ]
    users = tuple(UserStatus(policy, (("kraken", None),), "", Control()) for policy in policies)
    status = SystemStatus((), (), users, "", Control())
    metrics = Metrics()
    text = metrics.render(status, []).decode()
    assert 'shoal_group_users{group=""} 1.0' in text
    assert 'shoal_group_users{group="eu-1"} 2.0' in text
    assert 'group="us"' not in text
    assert 'group="eu-1"' not in metrics.render(replace(status, users=users[:1]), []).decode()
