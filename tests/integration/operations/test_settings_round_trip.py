"""Whatever a user's settings say, and however they are written: through a folder and through Redis they come back unchanged."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from services.ops.user.settings.transfer import _read_all, _write_all
from shared.bus.connection import open_bus
from shared.bus.users.settings_source import RedisUserSource
from shared.bus.users.user_settings import Author
from shared.config.users.loader import load_users
from shared.config.users.user_files import UserFiles
from shared.operations.settings.file_store import FileStore
from shared.operations.settings.record_store import RecordStore
from shared.operations.settings.user_store import UserStore
from tests.support.property_examples import scaled
from tests.support.redis_server import RedisServer

AUTHOR = Author("olga", 1_700_000_000_000, "x")
NAMES = st.from_regex(r"[a-z0-9][a-z0-9_]{0,8}", fullmatch=True).map("u{}".format)
LINES = st.sampled_from(
    [
        "enabled = false", 'venues = ["kraken", "coinbase"]', "sizing.multiplier = 0.25", "limits.max_order_pct = 12.50",
        'exits.stop_loss_pct = "off"', 'symbols.include = [ "BTC/USD",\n  "ETH/USD" ]', 'on_leave = "close_now"',
        'stage = "shadow"', "guards.max_signal_age = '45s'",
    ]
)  # fmt: skip
COMMENTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map("# {}".format)
TEXTS = st.tuples(
    st.sampled_from(["", "\ufeff"]),
    st.lists(COMMENTS, max_size=3),
    st.lists(LINES, unique=True, max_size=9),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\n\n\n", "  "]),
).map(lambda each: each[0] + each[3].join([*each[1], *(line.replace("\n", each[3]) for line in each[2])]) + each[4])


@settings(max_examples=scaled(40), deadline=None)
@given(texts=st.dictionaries(NAMES, TEXTS, min_size=1, max_size=5))
def test_nothing_is_lost_on_the_way(
    texts: dict[str, str], redis_server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    asyncio.run(_round(texts, redis_server, tmp_path_factory.mktemp("trip")))


async def _round(texts: dict[str, str], server: RedisServer, base: Path) -> None:
    async with open_bus(server.url, "test") as bus:
        await bus.do("FLUSHALL")
        _write_all(base / "a" / "users", texts)
        assert _read_all(base / "a" / "users") == texts
        records = RecordStore(bus)
        await _fill(records, _read_all(base / "a" / "users"))
        out = {user: found.text for user in await records.names() if (found := await records.read(user))}
        assert out == texts
        (base / "b" / "users").mkdir(parents=True)
        files = FileStore(base / "b")
        await _fill(files, out)
        for user, text in texts.items():
            assert (base / "b" / "users" / f"{user}.toml").read_bytes() == text.encode()
        read = UserFiles(base / "b", RedisUserSource(bus, base / "b"))
        await read.source.refresh()
        assert dict(read.load()) == dict(load_users(base / "a")) == dict(load_users(base / "b"))


async def _fill(store: UserStore, texts: dict[str, str]) -> None:
    for user, text in texts.items():
        await store.write(user, text, AUTHOR, over=None)
