"""A user's file by the desk: shown, explained, checked as the services check it, written in one step with backups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.bus.users.settings_source import RedisUserSource
from shared.bus.users.user_settings import Author, UserSettings
from shared.config.settings import ConfigSource
from shared.config.users.loader import load_users
from shared.config.users.user_files import UserFiles
from shared.contracts import keys
from shared.domain.limits.policy import UserPolicy
from shared.operations.actions.port import Ground
from shared.operations.control_log import read_changes
from shared.operations.desk import ActionDesk
from shared.operations.errors import ActionRefused, ConsequenceChanged, UnknownTarget
from shared.operations.request import Action, ActionRequest
from shared.operations.settings.file_store import BACKUPS, backups_of
from shared.operations.settings.record_store import RecordStore
from tests.support.operating import OPERATOR, Clock, desk_of, hold, quote

LIMIT = "limits.max_order_pct"


def ask(user: str = "alice", **changes: str) -> ActionRequest:
    named = tuple((key.replace("__", "."), value) for key, value in changes.items())
    return ActionRequest(action=Action.SETTINGS, user=user, changes=named)


def file_of(config: Path, user: str = "alice") -> Path:
    return config / "users" / f"{user}.toml"


async def test_it_shows_the_difference_in_words_and_in_lines_and_writes_it(bus: Bus, config: Path) -> None:
    desk, path = desk_of(bus, config), file_of(config)
    before = path.read_text()
    request = ask(limits__max_order_pct="25", exits__stop_loss_pct="off")
    shown = await desk.preview(request, OPERATOR)
    assert path.read_text() == before
    assert "no entry above 25 % of the equity (limits.max_order_pct: 50 -> 25)" in shown.consequence.text
    assert "no stop loss: a falling position is held until the master sells" in shown.consequence.text
    removed = [line for line in shown.consequence.details if line.startswith("-max_order_pct = 50")]
    added = [line for line in shown.consequence.details if line.startswith("+max_order_pct = 25")]
    assert (len(removed), len(added)) == (1, 1)
    await desk.confirm(request, shown.token, OPERATOR, "agreed")
    policy = load_users(config)["alice"]
    assert (str(policy.limits.max_order_pct), policy.exits.stop_loss_pct, policy.fault) == ("25", None, "")
    (backup,) = backups_of(path)
    assert backup.read_text() == before
    assert sorted(load_users(config)) == ["alice", "bob", "carol"], "a backup is not a user"
    assert not [each for each in path.parent.iterdir() if each.name.startswith(".") and "alice" in each.name]
    (change,) = await read_changes(bus, 5)
    assert (change.action, change.of, change.by, change.reason) == ("settings", "alice", OPERATOR, "agreed")
    assert "limits.max_order_pct = 50" in change.before


async def test_what_a_form_repeats_unchanged_is_not_written(bus: Bus, config: Path) -> None:
    desk = desk_of(bus, config)
    with pytest.raises(ActionRefused, match="nothing of alice's settings would change"):
        await desk.preview(ask(limits__max_order_pct="50", venues="kraken", guards__max_signal_age="30s"), OPERATOR)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (LIMIT, "250", "limits.max_order_pct"),
        (LIMIT, "-1", "limits.max_order_pct"),
        (LIMIT, "many", "limits.max_order_pct"),
        (LIMIT, "1e3", "limits.max_order_pct"),
        ("venues", "binance", "venues"),
        ("sizing.mode", "fixed_quote", "quote_amount"),
        ("on_leave", "whenever", "on_leave"),
        ("symbols.map", "BTC/USD", "->"),
        ("symbols.include", "btc", "symbols.include"),
        ("exits.take_profit_pct", "0.1", "fees of buying and selling"),
        ("limits.max_order", "5", "there is no setting"),
        ("user", "bob", "there is no setting"),
        (LIMIT, "1\n[limits]", "cannot be shown"),
        (LIMIT, "5" * 5_000, "too long"),
    ],
)
async def test_what_the_loader_would_refuse_is_refused_in_plain_words(
    bus: Bus, config: Path, key: str, value: str, words: str
) -> None:
    before = file_of(config).read_text()
    with pytest.raises(ActionRefused) as refused:
        await desk_of(bus, config).preview(
            ActionRequest(action=Action.SETTINGS, user="alice", changes=((key, value),)), OPERATOR
        )
    assert words in str(refused.value)
    assert "Input should" not in str(refused.value)
    assert file_of(config).read_text() == before


@pytest.mark.parametrize("user", ["zed", "../alice", "alice/../bob", "", "alice.toml", ".hidden"])
async def test_only_the_file_of_a_user_is_edited(bus: Bus, config: Path, user: str) -> None:
    with pytest.raises(UnknownTarget):
        await desk_of(bus, config).preview(ask(user, limits__max_order_pct="25"), OPERATOR)


async def test_a_file_that_somebody_else_changed_is_not_overwritten(bus: Bus, config: Path) -> None:
    desk, path, request = desk_of(bus, config), file_of(config), ask(limits__max_order_pct="25")
    shown = await desk.preview(request, OPERATOR)
    path.write_text(path.read_text().replace("multiplier = 1.0", "multiplier = 0.5"))
    with pytest.raises(ConsequenceChanged):
        await desk.confirm(request, shown.token, OPERATOR, "test")
    assert "multiplier = 0.5" in path.read_text()
    assert "max_order_pct = 50" in path.read_text()


async def test_the_last_ten_backups_are_kept(bus: Bus, config: Path) -> None:
    clock = Clock()
    desk = desk_of(bus, config, clock)
    for percent in range(10, 24):
        clock.ahead += 1_000
        request = ask(limits__max_order_pct=str(percent))
        shown = await desk.preview(request, OPERATOR)
        await desk.confirm(request, shown.token, OPERATOR, "step")
    kept = [each.read_text() for each in backups_of(file_of(config))]
    assert len(kept) == BACKUPS == 10
    assert [f"max_order_pct = {percent} " in text for percent, text in zip(range(13, 23), kept, strict=True)] == [
        True
    ] * 10


async def test_leaving_with_close_now_says_what_it_sells(bus: Bus, config: Path) -> None:
    await hold(bus, "alice", "BTC/USD", "0.02", "1000")
    await quote(bus, "BTC/USD", "62000")
    shown = await desk_of(bus, config).preview(ask(enabled="false", on_leave="close_now"), OPERATOR)
    assert shown.consequence.text.endswith("; sells 1 position, about 1,240.00 USD at market")
    kept = await desk_of(bus, config).preview(ask(enabled="false"), OPERATOR)
    assert "sells" not in kept.consequence.text
    assert "the user follows no more (enabled: true -> false)" in kept.consequence.text


async def test_a_folder_that_cannot_be_written_is_said_so(
    bus: Bus, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, request = desk_of(bus, config), ask(limits__max_order_pct="25")
    shown = await desk.preview(request, OPERATOR)

    def refuse(*_: object, **__: object) -> int:
        raise OSError(30, "Read-only file system")

    with monkeypatch.context() as patched:
        patched.setattr("shared.operations.settings.file_store._write", refuse)
        with pytest.raises(ActionRefused, match="cannot be written here: Read-only file system"):
            await desk.confirm(request, shown.token, OPERATOR, "test")
    assert not await read_changes(bus, 5)
    await desk.confirm(request, shown.token, OPERATOR, "the folder is writable again")
    assert "max_order_pct = 25" in file_of(config).read_text()


@pytest.mark.parametrize(("price", "sold"), [("58100", True), ("59900", False), ("50000", False)])
async def test_a_tighter_stop_says_what_it_sells_at_once(bus: Bus, config: Path, price: str, sold: bool) -> None:
    """Bought at 60,000: 3 % below is beyond a stop of 2 % and not beyond one of 5 %, which would have sold at 50,000 anyway."""
    await hold(bus, "alice", "BTC/USD", "0.02", "1200")
    await quote(bus, "BTC/USD", price)
    shown = await desk_of(bus, config).preview(ask(exits__stop_loss_pct="2"), OPERATOR)
    assert shown.consequence.text.endswith("; sells 1 position, about 1,162.00 USD at market") is sold
    assert shown.consequence.text.endswith("; nothing that is held is sold now") is not sold
    assert "sells a position that has lost 2 %" in shown.consequence.text


class TestInRedis:
    """The same edit where the settings of users are in Redis."""

    async def desk(self, bus: Bus, config: Path) -> ActionDesk:
        """Return a desk, with alice's and bob's files taken over into Redis, and no folder of users any more."""
        store = RecordStore(bus)
        for path in sorted((config / "users").iterdir()):
            await store.write(path.stem, path.read_text(), Author("ops", 1), over=None)
            path.unlink()
        (config / "users").rmdir()
        source = RedisUserSource(bus, config)

        async def users() -> Mapping[str, UserPolicy | None]:
            await source.refresh()
            return dict(UserFiles(config, source).load())

        return ActionDesk(Ground(bus, config, users, Clock(), ConfigSource.REDIS))

    async def test_it_is_shown_checked_and_written_as_a_version(self, bus: Bus, config: Path) -> None:
        before = file_of(config).read_text()
        desk, request = await self.desk(bus, config), ask(limits__max_order_pct="25")
        shown = await desk.preview(request, OPERATOR)
        assert "no entry above 25 % of the equity (limits.max_order_pct: 50 -> 25)" in shown.consequence.text
        done = await desk.confirm(request, shown.token, OPERATOR, "agreed")
        assert done.text.endswith("(now version 2; the former text: version 1)")
        present, former = await UserSettings(bus).history("alice")
        assert (present.by, present.why, former.text) == (OPERATOR, "agreed", before)
        assert "max_order_pct = 25" in present.text
        (change,) = await read_changes(bus, 5)
        assert (change.action, change.of, change.by, change.reason) == ("settings", "alice", OPERATOR, "agreed")
        with pytest.raises(ActionRefused, match="max_order_pct: must be above 0 and at most 100"):
            await desk.preview(ask(limits__max_order_pct="250"), OPERATOR)
        with pytest.raises(UnknownTarget):
            await desk.preview(ask("zed", limits__max_order_pct="25"), OPERATOR)

    async def test_what_somebody_else_changed_meanwhile_is_not_overwritten(self, bus: Bus, config: Path) -> None:
        desk, request = await self.desk(bus, config), ask(limits__max_order_pct="25")
        shown = await desk.preview(request, OPERATOR)
        await bus.do("HSET", keys.user_settings("alice"), "text", "limits.max_order_pct = 7\n")
        with pytest.raises(ConsequenceChanged):
            await desk.confirm(request, shown.token, OPERATOR, "test")
        assert await bus.do("HGET", keys.user_settings("alice"), "text") == "limits.max_order_pct = 7\n"

    async def test_a_bad_record_is_repaired_and_a_reload_corrects_the_index(self, bus: Bus, config: Path) -> None:
        desk = await self.desk(bus, config)
        await bus.do("HSET", keys.user_settings("alice"), "text", "[limits]\nmax_order_pct = 700\n")
        shown = await desk.preview(ask(limits__max_order_pct="7"), OPERATOR)
        assert shown.consequence.text.startswith("repairs the settings of alice")
        await desk.confirm(ask(limits__max_order_pct="7"), shown.token, OPERATOR, "typed wrongly")
        await bus.do("HDEL", keys.USER_SETTINGS, "bob")
        reload = ActionRequest(action=Action.RELOAD)
        shown = await desk.preview(reload, OPERATOR)
        await desk.confirm(reload, shown.token, OPERATOR, "")
        assert await UserSettings(bus).names() == ["alice", "bob", "carol"]
