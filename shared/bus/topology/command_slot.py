"""The slot of a command in a Redis Cluster: a hash of its keys' tag, `{alice}` in `shoal:orders:{alice}`.

A command whose keys are in several slots cannot run in one step. Reads of independent keys are split (`split_reads.py`);
everything else is refused here, before any of it is sent. A command that this file does not know is refused too: a guess could
send a write to a server where it means something else.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Sequence
from typing import AnyStr, Final

from redis.exceptions import ResponseError

from shared.bus.client.wire import Command

SLOTS: Final = 16_384
"""Slots of every cluster (redis.io/docs/reference/cluster-spec)."""
ANYWHERE: Final = -1
"""The slot of a command without a key."""

_WITHOUT_KEY: Final = frozenset({"ECHO", "PING", "TIME", "INFO", "CONFIG", "CLIENT", "FLUSHALL", "DBSIZE"})
_STRINGS: Final = {"GET", "SET", "INCR", "INCRBY", "GETDEL", "GETRANGE", "SETRANGE", "STRLEN", "MGET"}
_HASHES: Final = {"HGET", "HMGET", "HGETALL", "HKEYS", "HLEN", "HSET", "HSETNX", "HDEL", "HINCRBY", "HEXISTS"}
_STREAMS: Final = {"XADD", "XLEN", "XRANGE", "XREVRANGE", "XPENDING", "XACK", "XDEL", "XTRIM", "XCLAIM", "XSETID"}
_SETS: Final = {"ZADD", "ZCARD", "ZRANGE", "ZSCORE", "ZREMRANGEBYSCORE"}
_OF_KEY_1: Final = _STRINGS | _HASHES | _STREAMS | _SETS | {"DEL", "EXISTS", "TYPE", "PEXPIRE", "PTTL"}
_OF_KEY_2: Final = frozenset({"XGROUP", "XINFO"})
"""The first word after the command is its subcommand."""
_EVERY_WORD: Final = frozenset({"DEL", "EXISTS", "MGET"})
"""All words after the command are keys."""
OF_ONE_KEY: Final = frozenset(_OF_KEY_1 - _EVERY_WORD)
"""Commands with one key, the first word after them."""
_SCRIPT: Final = "EVALSHA"
_SCRIPTS: Final = frozenset({"EVAL", _SCRIPT})
_READS: Final = frozenset({"XREAD", "XREADGROUP"})
_BEFORE_STREAMS: Final = "STREAMS"


def slot_of_key(key: str | bytes) -> int:
    """Return the slot of a key: of its hash tag if it has one."""
    raw = key.encode() if isinstance(key, str) else key
    begin = raw.find(b"{")
    if begin >= 0:
        end = raw.find(b"}", begin + 1)
        if end > begin + 1:
            raw = raw[begin + 1 : end]
    return crc_hqx(raw, 0) % SLOTS


def slot_of(command: Command) -> int:
    """Return the slot of a command's keys; ANYWHERE if it has none. Raises ResponseError if they are in several, or not known."""
    if isinstance(command, bytes):
        return _slot_of_packed(command)
    if command[0] in OF_ONE_KEY:
        return slot_of_key(_text(command[1]))
    if command[0] == _SCRIPT:
        return _slot_of_script(command, [_text(name) for name in command[3 : 3 + int(command[2])]])
    slots = {slot_of_key(key) for key in keys_of(command)}
    if len(slots) > 1:
        raise cross_slot(command)
    return slots.pop() if slots else ANYWHERE


def keys_of(command: Sequence[str | bytes | float]) -> list[str | bytes]:
    """Return the keys of a command. Raises ResponseError for a command that is not known."""
    name = _text(command[0]).upper()
    if name in _EVERY_WORD:
        found = command[1:]
    elif name in _OF_KEY_1:
        found = command[1:2]
    elif name in _OF_KEY_2:
        found = command[2:3]
    elif name in _SCRIPTS:
        found = command[3 : 3 + int(command[2])]
    elif name in _READS:
        streams = command[_place_of_streams(command) :]
        found = streams[: len(streams) // 2]
    elif name in _WITHOUT_KEY:
        return []
    else:
        raise ResponseError(f"CROSSSLOT the keys of {name} are not known")
    return [word if isinstance(word, (str, bytes)) else str(word) for word in found]


def cross_slot(command: Command) -> ResponseError:
    """Return the error for a command whose keys are in several slots."""
    name = "a packed command" if isinstance(command, bytes) else _text(command[0])
    return ResponseError(f"CROSSSLOT the keys of {name} are in several slots")


def unpack(command: bytes) -> list[bytes]:
    """Return the words of a packed command."""
    words, rest = [], command[command.index(b"\r\n") + 2 :]
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size[1:])
        words.append(rest[:length])
        rest = rest[length + 2 :]
    return words


def _slot_of_packed(command: bytes) -> int:
    """Return the slot of a packed command: only its first words are looked at where they suffice."""
    head = command.split(b"\r\n", 7)
    name = head[2].decode().upper()
    if name in OF_ONE_KEY:
        return slot_of_key(head[4])
    if name == _SCRIPT:
        count = int(head[6])
        return _slot_of_script(command, head[7].split(b"\r\n", 2 * count)[1 : 2 * count : 2])
    return slot_of(tuple(unpack(command)))


def _slot_of_script(command: Command, names: Sequence[AnyStr]) -> int:
    """Return the slot of a script's keys. Keys that have the tag of the first one, as Shoal's do, are not looked at further."""
    if not names:
        return ANYWHERE
    first = names[0]
    slot, tag = slot_of_key(first), _tag_of(first)
    for name in names[1:]:
        if tag not in name and slot_of_key(name) != slot:
            raise cross_slot(command)
    return slot


def _tag_of(key: AnyStr) -> AnyStr:
    """Return the hash tag of a key with its brackets; the whole key if it has none."""
    begin, end = (key.find("{"), key.find("}") + 1) if isinstance(key, str) else (key.find(b"{"), key.find(b"}") + 1)
    return key[begin:end] if 0 <= begin < end - 2 else key


def _place_of_streams(command: Sequence[str | bytes | float]) -> int:
    """Return where the streams begin. A group may be named like the word before them, so the options are passed over."""
    place = 4 if _text(command[0]).upper() == "XREADGROUP" else 1  # after GROUP, group, consumer
    while _text(command[place]).upper() != _BEFORE_STREAMS:
        place += 1
    return place + 1


def _text(word: str | bytes | float) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)
