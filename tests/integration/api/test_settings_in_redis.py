"""The API where the settings of users are in Redis: it shows them, and foresees a change as with files."""

from __future__ import annotations

from pathlib import Path

from shared.bus.connection import Bus
from shared.bus.users.user_settings import Author, UserSettings
from shared.config.settings import ConfigSource, Settings
from tests.integration.api.conftest import _serving

OLGA = Author("olga", 1_700_000_000_000)


async def test_users_are_shown_and_a_change_is_foreseen(bus: Bus, tmp_path: Path) -> None:
    (tmp_path / "groups").mkdir()
    (tmp_path / "groups" / "eu-1.toml").write_text("[limits]\nmax_positions = 3\n")
    stored = UserSettings(bus)
    await stored.write("erin", 'group = "eu-1"\n', "eu-1", OLGA, over="")
    settings = Settings(shoal_config=tmp_path, shoal_config_source=ConfigSource.REDIS, api_sign_in="off")
    async with _serving(bus, settings) as (client, _):
        async with client.get("/status") as answer:
            status = await answer.json()
        assert [each["user"] for each in status["users"]] == ["erin"]
        async with client.get("/users/erin") as answer:
            page = await answer.text()
        assert answer.status == 200
        assert "limits.max_positions" in page
        async with client.get("/actions/settings?user=erin&set=limits.max_order_pct=12") as answer:
            shown = await answer.json()
        assert answer.status == 200, shown
        assert "no entry above 12 % of the equity (limits.max_order_pct: not set -> 12)" in str(shown)
        async with client.get("/actions/settings?user=erin&set=limits.max_order_pct=120") as answer:
            assert "limits.max_order_pct: must be above 0 and at most 100" in await answer.text()
        await stored.write("frank", "", "", OLGA, over="")
        async with client.get("/actions/settings?user=frank&set=enabled=false") as answer:
            assert answer.status == 200  # a user who came after the start
