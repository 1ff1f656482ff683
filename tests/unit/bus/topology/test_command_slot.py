"""The slot of every command that Shoal sends, from its words and from its bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from redis.crc import key_slot
from redis.exceptions import ResponseError

from shared.bus.client.wire import Command, Words, pack
from shared.bus.topology import command_slot as subject
from shared.bus.topology.command_slot import ANYWHERE, slot_of, slot_of_key, unpack
from shared.contracts import keys

_OF_ONE_NODE = {"SCAN", "CLUSTER", "SENTINEL", "ASKING", "WAIT", "HELLO", "ACL"}
"""Sent to a node by its name, never by a key."""
_KEY = keys.orders("alice")
_ONE_SLOT: list[Words] = [
    ("HGETALL", _KEY),
    ("XADD", _KEY, "*", "{bob}", "{carol}"),
    ("XINFO", "GROUPS", _KEY),
    ("XGROUP", "CREATE", _KEY, "executor", "0", "MKSTREAM"),
    ("EVALSHA", "f" * 40, 2, _KEY, keys.fence("alice"), "{bob}", "{carol}"),
    ("EVAL", "return {bob}", "1", _KEY, "{carol}"),
    (
        "XREADGROUP",
        "GROUP",
        "STREAMS",
        "streams",
        "COUNT",
        10,
        "BLOCK",
        1,
        "STREAMS",
        _KEY,
        keys.resting("alice"),
        ">",
        ">",
    ),
    ("XREAD", "COUNT", 10, "STREAMS", _KEY, "0-0"),
    ("DEL", _KEY, keys.reports("alice")),
    ("EXISTS", _KEY),
    ("MGET", keys.lease("alice"), keys.fence("alice")),
    ("hget", _KEY, "field"),
]
_SEVERAL: list[Words] = [
    ("DEL", _KEY, keys.orders("bob")),
    ("MGET", keys.lease("alice"), keys.lease("bob")),
    ("EVALSHA", "f" * 40, 2, _KEY, keys.CONTROL),
    ("XREADGROUP", "GROUP", "executor", "executor", "STREAMS", _KEY, keys.orders("bob"), ">", ">"),
]


@pytest.mark.parametrize("command", _ONE_SLOT, ids=lambda command: str(command[0]))
def test_the_keys_of_a_command_give_its_slot(command: Words) -> None:
    assert slot_of(command) == slot_of(pack(command)) == slot_of_key("{alice}")


@pytest.mark.parametrize("command", _SEVERAL, ids=lambda command: str(command[0]))
def test_a_command_on_several_slots_is_refused(command: Words) -> None:
    packed: list[Command] = [command, pack(command)]
    for each in packed:
        with pytest.raises(ResponseError, match="CROSSSLOT"):
            slot_of(each)


@pytest.mark.parametrize("command", [("COPY", "a", "b"), ("KEYS", "*"), ("OBJECT", "HELP")])
def test_a_command_that_is_not_known_is_refused_and_not_guessed(command: Words) -> None:
    with pytest.raises(ResponseError, match="not known"):
        slot_of(command)


def test_every_command_that_the_code_names_is_known() -> None:
    root = Path(subject.__file__).parents[3]
    sent = re.compile(r'''(?:\bdo\(|\bread\(|\bdo_everywhere\(|[\[(]\()"([A-Z]{3,})"''')
    found = {
        (name, path.name)
        for folder in ("shared", "services")
        for path in (root / folder).rglob("*.py")
        if "shared.bus" in (text := path.read_text(encoding="utf-8"))
        for name in sent.findall(text)
    }
    assert {"HGETALL", "XADD", "INFO"} <= {name for name, _ in found}
    assert not [each for each in found if not _is_known(each[0]) and each[0] not in _OF_ONE_NODE]


def _is_known(name: str) -> bool:
    try:
        slot_of((name, "GROUPS", "1", "key", "5", "STREAMS", "key", "0"))
    except ResponseError as error:
        return "not known" not in str(error)
    return True


@pytest.mark.parametrize("command", [("TIME",), ("INFO", "memory"), ("ECHO", "owed")])
def test_a_command_without_a_key_has_no_slot(command: Words) -> None:
    assert slot_of(command) == slot_of(pack(command)) == ANYWHERE


@given(st.text())
def test_slots_are_those_of_redis_py(key: str) -> None:
    if any("\ud800" <= letter <= "\udfff" for letter in key):
        return
    assert slot_of_key(key) == key_slot(key.encode())


@given(st.lists(st.binary(), min_size=1))
def test_what_is_packed_is_unpacked(words: list[bytes]) -> None:
    assert unpack(pack(tuple(words))) == words


def test_every_key_of_a_user_is_in_the_slot_of_their_lease() -> None:
    names = [
        keys.orders("alice"),
        keys.resting("alice"),
        keys.mirrored("alice", "kraken"),
        keys.mirror_marks("alice", "kraken"),
        keys.reports("alice"),
        keys.dead(keys.orders("alice")),
        keys.nonce("alice", "f"),
        keys.order("alice", "id"),
        keys.account("alice", "kraken"),
        keys.positions("alice", "kraken"),
        keys.books("alice", "kraken"),
        keys.own_exits("alice", "kraken"),
        keys.stopouts("alice"),
        keys.stage("alice"),
        keys.stage_moves("alice"),
        keys.following("alice"),
        keys.fence("alice"),
        keys.control("alice"),
        keys.risk("alice", "kraken"),
        keys.totals("alice", "kraken"),
        keys.equity("alice", "kraken", "hour"),
    ]
    assert {slot_of_key(name) for name in names} == {slot_of_key(keys.lease("alice"))}


def test_what_a_script_writes_together_is_in_one_slot() -> None:
    pairs = [
        (keys.SIGNALS, keys.EMITTED),
        (keys.MASTER_ORDERS, keys.masters_resting("kraken")),
        (keys.PEOPLE, keys.GENERATIONS),
        (keys.session("x"), keys.GENERATIONS),
        (keys.NOTICES, keys.fence(keys.NOTIFIER)),
    ]
    for one, other in pairs:
        assert slot_of_key(one) == slot_of_key(other)
