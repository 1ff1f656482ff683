"""A script that fails leaves nothing behind. Redis does not undo what a script wrote before it failed, so it must look first.

Case R7, and its kind: every script is run with each of its keys holding something of another type, and with each of the commands
in it forbidden to this Redis user.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from shared.bus import scripts
from shared.bus.connection import Bus
from shared.bus.errors import BusForbidden, BusRefused
from shared.contracts import keys

TOKEN: Final = "7"
FENCE: Final = keys.fence("alice")
ORDER: Final = keys.order("alice", "o1")
ORDERS, REPORTS = keys.orders("alice"), keys.reports("alice")
POSITIONS, RISK = keys.positions("alice", "kraken"), keys.risk("alice", "kraken")
TOTALS: Final = keys.totals("alice", "kraken")
CORRECTIONS: Final = keys.book_corrections("alice", "kraken")
PRICES: Final = keys.prices("kraken")
ACCOUNT: Final = keys.account("alice", "kraken")
SETTINGS: Final = keys.user_settings("alice")
NONCE: Final = keys.nonce("alice", "fp")
ENTRY: Final = "5-0"
GROUP: Final = keys.EXECUTOR
BOOKS: Final = keys.books("alice", "kraken")
_FORGOTTEN: Final = [name("alice", "kraken") for name in (keys.own_exits, keys.differences, keys.account, keys.totals)]
_OF_NO_MATTER: Final = {
    *(("begin_books", key) for key in (POSITIONS, RISK)),
    *(("retire_user", key) for key in (POSITIONS, RISK, *_FORGOTTEN)),
    *((script, TOTALS) for script in ("settle", "transition")),
    *((script, PRICES) for script in ("settle", "transition")),
    ("settle", ORDERS),
    ("settle", ACCOUNT),
    ("write_user_settings", SETTINGS),
}
"""Keys that a script only deletes: they may be anything. The sums of trades can be summed up again, a price is only noted, and an
account is written again soon: no order waits for them. An order stream of another type has lost the entry that would be
acknowledged. Settings that are no hash are "broken", and replaced by the one who has seen that."""


@dataclass(frozen=True, slots=True)
class Call:
    """One way to call a script, with the commands that prepare it: `(name, args)` per key."""

    keys: Sequence[str]
    args: Sequence[str | int]
    before: Sequence[tuple[str | int, ...]] = ()


_FENCE: Final = ("SET", FENCE, TOKEN)
_STREAM: Final = (("XADD", ORDERS, ENTRY, "a", "1"), ("XGROUP", "CREATE", ORDERS, GROUP, "0"))
_SESSION: Final = (
    "SET",
    keys.session("d1"),
    '{"holder": "person:anna", "generation": "g1", "idle": 3600000, "until": 99999999999999}',
    "PX",
    60_000,
)
_GENERATION: Final = ("HSET", keys.GENERATIONS, "person:anna", "g1")
CALLS: Final[Mapping[str, Call]] = {
    "acquire": Call([keys.lease("alice"), FENCE], ["me", 12_000]),
    "append_again": Call([keys.SIGNALS], [ENTRY], [("XADD", keys.SIGNALS, ENTRY, "a", "1")]),
    "begin_books": Call([FENCE, keys.books("alice", "kraken"), POSITIONS, RISK], [TOKEN, "paper"], [_FENCE]),
    "begin_replay": Call(
        [FENCE, ORDER], [TOKEN, "c1", 5], [_FENCE, ("HSET", ORDER, "state", "unknown", "client_order_id", "c1")]
    ),
    "begin_send": Call([FENCE, ORDER, NONCE], [TOKEN, 1, 2, "leg", "1"], [_FENCE]),
    "connect": Call([keys.connects("kraken")], [120, 600_000, 20, "a name"]),
    "emit_master_order": Call([keys.MASTER_ORDERS, keys.masters_resting("kraken")], ["O1", 1, "{}", "v", "1"]),
    "emit_signal": Call([keys.SIGNALS, keys.EMITTED], ["id", 10, 5, "v", "1"]),
    "give_verdict": Call([ORDER], ["", "verdict", "none"], [("HSET", ORDER, "state", "unknown")]),
    "heartbeat": Call([keys.heartbeat("executor", "me")], [1_000, "state", "well"]),
    "next_nonce": Call([FENCE, NONCE], [TOKEN, 1, 5], [_FENCE]),
    "put_back": Call([ORDERS, keys.dead(ORDERS)], [GROUP, ENTRY, "1-0"], _STREAM),
    "move_position": Call(
        [FENCE, POSITIONS, CORRECTIONS],
        [TOKEN, "XDG/USD", "{}", "DOGE/USD", "", "{}", "XDG/USD swing", "-1"],
        [_FENCE, ("HSET", POSITIONS, "XDG/USD", "{}")],
    ),
    "put_fields": Call([FENCE, POSITIONS, RISK], [TOKEN, 1, "BTC/USD", "{}", 2, "pnl", "1"], [_FENCE]),
    "rebuild_books": Call([FENCE, BOOKS, POSITIONS], [TOKEN, "paper", "BTC/USD", "{}"], [_FENCE]),
    "retire_user": Call(
        [FENCE, keys.following("alice"), BOOKS, POSITIONS, RISK, *_FORGOTTEN],
        [TOKEN, "anna", 9, "5-0", "paper"],
        [_FENCE, ("HSET", keys.following("alice"), "from", "1-0")],
    ),
    "put_sample": Call([keys.equity("alice", "kraken", "minute")], [76, 16, "r" * 25, "hs1x8", "USD".ljust(11)]),
    "put_field": Call([FENCE, POSITIONS], [TOKEN, "BTC/USD", "{}"], [_FENCE]),
    "release": Call([keys.lease("alice"), FENCE], ["me", TOKEN], [_FENCE, ("SET", keys.lease("alice"), "me")]),
    "renew": Call([keys.lease("alice"), FENCE], ["me", TOKEN, 9], [_FENCE, ("SET", keys.lease("alice"), "me")]),
    "settle": Call(
        [FENCE, ORDER, REPORTS, ORDERS, POSITIONS, RISK, TOTALS, ACCOUNT, PRICES],
        [
            *(TOKEN, "filled", 1_000, GROUP, ENTRY),
            *("BTC/USD", "{}", "BTC/USD", "{}"),
            *("1", "", "", "", "BTC/USD"),
            *(2, "id", "o1"),
            *(2, "reason", "x"),
            *(2, "pnl", "1"),
            *(2, "equity", "1"),
            *("v", "1"),
        ],
        [_FENCE, *_STREAM, ("HSET", PRICES, "BTC/USD", "60000 1"), ("HSET", ACCOUNT, "equity", "2")],
    ),
    "transition": Call(
        [FENCE, ORDER, POSITIONS, RISK, TOTALS, PRICES],
        [TOKEN, "planned", "BTC/USD", "{}", "BTC/USD", "{}", 2, "pnl", "1", "leg", "2", "symbol", "BTC/USD"],
        [_FENCE, ("HSET", PRICES, "BTC/USD", "60000 1")],
    ),
    "count_attempt": Call([keys.attempts("name", "n1")], [60_000]),
    "find_session": Call([keys.session("d1"), keys.GENERATIONS], [], [_SESSION, _GENERATION]),
    "first_person": Call([keys.PEOPLE, keys.GENERATIONS], ["operator", "{}", "person:operator", "g1"]),
    "write_person": Call([keys.PEOPLE, keys.GENERATIONS], ["anna", "{}", "person:anna", "g2"], [_GENERATION]),
    "write_user_settings": Call(
        [SETTINGS, keys.user_settings_history("alice")], ["", "text", "anna", 9, "why", "set", 20]
    ),
    "announce_user_settings": Call([keys.USER_SETTINGS], ["alice", 1, "token", "eu-1"]),
    "write_state": Call([FENCE, RISK, keys.stopouts("alice")], [TOKEN, 2, "pnl", "1", "reason", "lost"], [_FENCE]),
}


def _commands(name: str) -> set[str]:
    """Find the commands that a script calls, with what it includes."""
    return set(re.findall(r"redis\.p?call\('(\w+)'", scripts.load(name).text))


COMMANDS: Final = [(name, command) for name in CALLS for command in sorted(_commands(name))]
CASES: Final = [(name, place) for name, call in CALLS.items() for place in range(len(call.keys))]


def test_every_script_is_among_the_cases() -> None:
    folder = Path(scripts.__file__).parent / "lua"
    assert {file.stem for file in folder.glob("[!_]*.lua")} == CALLS.keys()


@pytest.mark.parametrize("name", CALLS)
async def test_the_calls_of_this_file_are_sound(bus: Bus, name: str) -> None:
    """Otherwise the test below would see failures that are its own."""
    call = CALLS[name]
    await bus.do_all(call.before)
    before = await _all(bus)
    assert await bus.run(scripts.load(name), list(call.keys), list(call.args)) is not None
    if name not in {"renew", "find_session"}:  # which move a time to live alone
        assert await _all(bus) != before


@pytest.mark.parametrize(("name", "place"), CASES)
async def test_a_script_that_meets_a_key_of_another_type_leaves_no_half_write(bus: Bus, name: str, place: int) -> None:
    call = CALLS[name]
    key = call.keys[place]
    await bus.do_all(call.before)
    await bus.do_all([("DEL", key), ("SADD", key, "of another type")])
    before = await _all(bus)
    if (name, key) in _OF_NO_MATTER:
        await bus.run(scripts.load(name), list(call.keys), list(call.args))
        return
    if name == "rebuild_books" and key != FENCE:
        assert await bus.run(scripts.load(name), list(call.keys), list(call.args)) == "stands"
        assert await _all(bus) == before
        return
    with pytest.raises(BusRefused, match="WRONGTYPE"):
        await bus.run(scripts.load(name), list(call.keys), list(call.args))
    assert await _all(bus) == before, f"{name} failed at {key} and left half a write"


@pytest.mark.parametrize(("name", "command"), COMMANDS)
async def test_a_script_that_meets_a_command_it_may_not_run_leaves_no_half_write(
    bus: Bus, name: str, command: str
) -> None:
    """Somebody edited the rules, or a failed-over server has others: the order must not be filled without its report."""
    call = CALLS[name]
    await bus.do_all(call.before)
    before = await _all(bus)
    await bus.do("ACL", "SETUSER", "default", f"-{command}")
    try:
        refused = False
        try:
            await bus.run(scripts.load(name), list(call.keys), list(call.args))
        except BusForbidden:
            refused = True
    finally:
        await bus.do("ACL", "SETUSER", "default", f"+{command}")
    after = await _all(bus)
    for state in (before, after):
        state.pop(NONCE, None)  # a counter that only rises may have risen: nothing was sent with what it gave
    if refused:
        assert after == before, f"{name} was refused {command} and left half a write"
    else:  # this call had no use for it
        await bus.do_everywhere("FLUSHALL")
        await bus.do_all(call.before)
        await bus.run(scripts.load(name), list(call.keys), list(call.args))
        assert after.keys() == (await _all(bus)).keys() - {NONCE}


@pytest.mark.parametrize("name", ["settle", "transition"])
async def test_sums_that_cannot_be_written_hold_up_nothing_and_are_reported(bus: Bus, name: str) -> None:
    call = CALLS[name]
    await bus.do_all([*call.before, ("SET", TOTALS, "no hash")])
    assert await bus.run(scripts.load(name), list(call.keys), list(call.args)) == "unsummed"
    assert await bus.do("HGET", ORDER, "state")
    assert await bus.do("HGET", POSITIONS, "BTC/USD") == "{}"


async def test_an_account_is_changed_with_an_end_and_not_made_up_by_it(bus: Bus) -> None:
    call = CALLS["settle"]
    await bus.do_all(call.before)
    assert await bus.run(scripts.load("settle"), list(call.keys), list(call.args)) == "ok"
    assert await bus.do("HGETALL", ACCOUNT) == ["equity", "1"]
    await bus.do_all([("DEL", ACCOUNT), ("DEL", ORDER), ("DEL", RISK), ("DEL", POSITIONS), ("DEL", TOTALS)])
    assert await bus.run(scripts.load("settle"), list(call.keys), list(call.args)) == "ok"
    assert not await bus.do("EXISTS", ACCOUNT), "a part of a record would look like a whole one"


@pytest.mark.parametrize(
    ("key", "field", "value"), [(POSITIONS, "BTC/USD", "{1}"), (RISK, "pnl", "2"), (TOTALS, "BTC/USD", "{1}")]
)
async def test_an_end_is_not_written_over_books_that_are_not_as_they_were_read(
    bus: Bus, key: str, field: str, value: str
) -> None:
    call = CALLS["settle"]
    await bus.do_all([*call.before, ("HSET", key, field, value)])
    before = await _all(bus)
    assert await bus.run(scripts.load("settle"), list(call.keys), list(call.args)) == "changed"
    assert await _all(bus) == before


async def test_an_order_whose_count_of_attempts_is_damaged_is_begun_whole(bus: Bus) -> None:
    """What counts the attempts must not fail after the intent has been written."""
    call = CALLS["begin_send"]
    await bus.do_all([*call.before, ("HSET", ORDER, "state", "planned", "attempts", "many")])
    answer = await bus.run(scripts.load("begin_send"), list(call.keys), list(call.args))
    assert (answer[0], answer[2]) == ("ok", 1)
    assert await bus.do("HGET", ORDER, "attempts") == "1"


async def test_a_damaged_fence_does_not_keep_everybody_out(bus: Bus) -> None:
    call = CALLS["acquire"]
    await bus.do("SET", FENCE, "no number")
    token, _, known = await bus.run(scripts.load("acquire"), list(call.keys), list(call.args))
    assert known == "known"
    assert token == await bus.do("GET", FENCE)
    assert int(token) > 10**15


async def _all(bus: Bus) -> dict[str, object]:
    """Read everything there is, whatever type it has."""
    found: dict[str, object] = {}
    for key in sorted(await bus.scan("*")):
        kind = await bus.do("TYPE", key)
        reads = {
            "string": ("GET", key),
            "hash": ("HGETALL", key),
            "set": ("SMEMBERS", key),
            "stream": ("XRANGE", key, "-", "+"),
            "zset": ("ZRANGE", key, "0", "-1"),
        }
        found[key] = await bus.do(*reads[str(kind)])
        if kind == "stream" and key == ORDERS:
            found[f"{key} pending"] = await bus.do("XPENDING", key, GROUP)
    return found
