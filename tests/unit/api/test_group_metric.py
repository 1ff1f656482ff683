"""How many users executors are to serve, by group: what an autoscaler counts; and that series do not grow with the users."""

from __future__ import annotations

from dataclasses import replace

from services.api.metrics import Metrics
from shared.contracts import keys
from shared.domain.control import Control
from shared.ledger.backlog import Backlog
from shared.ledger.outcomes import Outcome
from shared.ledger.status import SystemStatus
from shared.ledger.user_states.user_status import UserStatus
from tests.support.examples import a_policy, an_account


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


def test_the_series_do_not_grow_with_the_users_unless_that_is_asked_for() -> None:
    def lines(users: int, *, per_user: bool) -> int:
        metrics = Metrics(per_user=per_user)
        names = [f"user-{number}" for number in range(users)]
        for name in names:
            metrics.count(Outcome(name, "filled", 200))
        statuses = tuple(UserStatus(a_policy(name), (("kraken", an_account(name)),), "", Control()) for name in names)
        backlog = [Backlog(keys.orders(name), keys.EXECUTOR, 1, 1, 0, 0, "1-0", 0) for name in names]
        return metrics.render(SystemStatus((), (), statuses, "", Control()), backlog).count(b"\n")

    assert lines(40, per_user=False) == lines(4, per_user=False)
    assert lines(40, per_user=True) > lines(4, per_user=True) + 36 * 20
