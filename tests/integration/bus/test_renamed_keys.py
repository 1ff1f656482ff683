"""After a renaming no key holds the old name but those that are stated here; a key that is added needs a decision."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final

import pytest

from shared.bus.connection import Bus
from shared.bus.state.records import pairs
from shared.bus.users.user_renaming import UserRenaming
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS
from shared.domain.funds import Funds
from tests.integration.bus.test_user_renaming import NEW, OLD, UNTIL, VENUES, lease_of
from tests.support.examples import NOW

HASH, STREAM, TEXT = "hash", "stream", "text"

Key = Callable[..., str]

MOVED: Final[dict[Key, str]] = {
    keys.positions: HASH,
    keys.books: HASH,  # the old one stays too, and says who the user is now
    keys.risk: HASH,
    keys.totals: HASH,
    keys.mirror_marks: HASH,
    keys.stage: HASH,
    keys.control: HASH,
    keys.following: HASH,  # the old one stays too: until when signals were due to that name
    keys.nonce: TEXT,
    keys.equity: TEXT,
}
"""What the new name has afterwards."""
MADE_AGAIN: Final[dict[Key, str]] = {
    keys.account: HASH,
    keys.differences: HASH,
    keys.reconciled: HASH,
    keys.rebuilt: HASH,
    keys.doctor: HASH,
    keys.last_settings: TEXT,
}
"""What the executor writes again under the new name: no user has it afterwards."""
STAYS: Final[dict[Key, str]] = {
    keys.orders: STREAM,
    keys.resting: STREAM,
    keys.reports: STREAM,
    keys.stopouts: STREAM,
    keys.stage_moves: STREAM,
    keys.user_settings_history: STREAM,
    keys.order: HASH,
    keys.book_corrections: HASH,  # of the books under the old name, which their reports do not cover under the new one
    keys.fence: TEXT,  # counters never fall
}
"""History: what was decided, traded and reported under the old name."""
IN_THE_WAY: Final = {keys.own_exits, keys.mirrored}
"""While one of these is there, no user is renamed (`UserRenaming.unfinished`)."""
OF_THE_MASTER: Final = {
    keys.fill_cursor,
    keys.uncopied,
    keys.holdings,
    keys.strategy,
    keys.strategy_entries,
    keys.open_orders,
}
"""Keys that only the master's account has, which is not renamed."""
NOT_OF_A_USER: Final = {keys.lease, keys.user_settings, keys.of_user}
"""Held by the command itself while it renames, moved by it like a user's file, and a pattern."""


def of_users() -> set[Key]:
    """Return every function that spells a key of a user."""
    found = inspect.getmembers(keys, inspect.isfunction)
    return {each for _, each in found if {"user", "holder"} & set(inspect.signature(each).parameters)}


def spelt(key: Key, user: str) -> list[str]:
    """Return the keys that a user can have of one kind."""
    given = {"venue": list(VENUES), "step": list(EQUITY_STEPS), "fingerprint": ["f" * 16], "order_id": ["one"]}
    names: list[list[str]] = [[]]
    for name in inspect.signature(key).parameters:
        values = [user] if name in {"user", "holder"} else given[name]
        names = [[*each, value] for each in names for value in values]
    return [key(*each) for each in names]


def test_every_key_of_a_user_has_a_decision() -> None:
    decided = {*MOVED, *MADE_AGAIN, *STAYS, *IN_THE_WAY, *OF_THE_MASTER, *NOT_OF_A_USER}
    assert of_users() == decided


@pytest.fixture
async def everything(bus: Bus) -> None:
    """Write every key that a user can have when they are renamed."""
    for key, kind in (MOVED | MADE_AGAIN | STAYS).items():
        for name in spelt(key, OLD):
            await _write(bus, name, kind)
    for name in spelt(keys.books, OLD):
        await bus.do("HSET", name, "v", "1", "funds", "live", "since", "0")
    for name in spelt(keys.order, OLD):
        await bus.do("HSET", name, "state", "filled")
    await bus.do("DEL", keys.orders(OLD), keys.lease(OLD))


async def _write(bus: Bus, name: str, kind: str) -> None:
    if kind == HASH:
        await bus.do("HSET", name, "from", "0-0", "mode", "pause")
    elif kind == STREAM:
        for entry in ("5-0", "7-0"):
            await bus.do("XADD", name, entry, "of", name)
    else:
        await bus.do("SET", name, "1800000000000000")


async def test_no_key_holds_the_old_name_but_history(bus: Bus, everything: None) -> None:
    for number, name in enumerate(spelt(keys.equity, OLD)):
        await bus.do("SET", name, f"ring {number}")
    renaming = UserRenaming(bus, await lease_of(bus, OLD), await lease_of(bus, NEW), VENUES)
    assert (await renaming.unfinished(), await renaming.occupied()) == ("", "")
    await renaming.copy(UNTIL)
    await renaming.commit(UNTIL, Funds.LIVE, NOW)
    await renaming.finish()
    left = {name for name in await bus.scan("*") if OLD in name.replace(NEW, "")}
    stays = {name for key in STAYS for name in spelt(key, OLD)} - {keys.orders(OLD)}
    forwarding = {*spelt(keys.books, OLD), keys.following(OLD)}
    assert left == stays | forwarding | {keys.lease(OLD)}
    for name in spelt(keys.books, OLD):
        assert pairs(await bus.do("HGETALL", name))["renamed_to"] == NEW
    for key in MOVED:
        for name in spelt(key, NEW):
            assert await bus.do("EXISTS", name) == 1, name
    for number, name in enumerate(spelt(keys.equity, NEW)):
        assert await bus.do("GET", name) == f"ring {number}"
    for key in MADE_AGAIN:
        for name in spelt(key, NEW):
            assert await bus.do("EXISTS", name) == 0, name
