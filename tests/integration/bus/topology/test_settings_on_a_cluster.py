"""Users' settings on a cluster: records in the slots of their users, the index in another one, a scan only by `ops reload`."""

from __future__ import annotations

from pathlib import Path

from shared.bus.connection import Bus
from shared.bus.users.user_settings import UserSettings
from shared.config.users.groups import group_of
from shared.config.users.watch import UsersWatch
from shared.contracts import keys
from tests.integration.bus.settings.places import Records

USERS = [f"u{number}" for number in range(12)]


async def test_settings_are_written_read_changed_and_repaired(cluster_bus: Bus, tmp_path: Path) -> None:
    place = Records(tmp_path, cluster_bus)
    for user in USERS:
        await place.put(user, "sizing.multiplier = 1\n")
    assert len({cluster_bus.node_of(keys.user_settings(user)) for user in USERS}) == 3
    await place.source.refresh()
    watch = UsersWatch(tmp_path, source=place.source)
    assert sorted(watch.users) == sorted(USERS)
    await place.put("u3", "sizing.multiplier = 2\n")
    await place.damage("u7", "sizing.multiplier = 3\n")
    await cluster_bus.do("HDEL", keys.USER_SETTINGS, "u9")
    assert await UserSettings(cluster_bus).repair_index(group_of) == sorted(USERS)
    for _ in range(2):
        await place.source.refresh()
        watch.look()
    found = {user: str(policy.sizing.multiplier) for user, policy in watch.users.items()}
    assert found == dict.fromkeys(USERS, "1") | {"u3": "2", "u7": "3"}
    await place.drop("u3")
    assert "u3" not in await UserSettings(cluster_bus).names()
