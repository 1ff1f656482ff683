"""The users' settings in Redis as every process reads them, behind the same port as files.

A look costs one round trip: the token of the last change, and the records of a few users in turn. Only a new token has the index
read, and then only the records that it says are new are read. So a change that was announced is in force within seconds, and one
that was not (somebody wrote with redis-cli, or died in between) once its user's turn has come. No keyspace is ever scanned here.
An index that is suddenly missing is an outage, not the end of all users; nor is a record taken that is older than the index says.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import BusError, BusForbidden
from shared.bus.state.records import pairs
from shared.bus.users.user_settings import LAST_CHANGE, READ_ALL
from shared.config.errors import ConfigurationError
from shared.config.settings import ConfigSource, Settings
from shared.config.text_file import MOST_BYTES, UnreadableFileError
from shared.config.users.file import UserFile
from shared.config.users.loader import GONE, SUFFIX, USERS, FileProblem, read_user
from shared.config.users.source import FileSource, Stamp, UserSource, name_of
from shared.contracts import keys
from shared.domain.limits.policy import FileState, UserPolicy
from shared.domain.values.numerals import whole

_PAGE: Final = 256
"""Records in one round trip."""
_IN_TURN: Final = 10
"""Records that each look reads although nothing was announced: ten thousand users in 17 minutes, a few in a second."""
_HIDDEN: Final = "this process's Redis user may not read it: `ops acl --apply` after a change of groups"
_WORDS: Final = {GONE: "the record is gone"}

log = structlog.get_logger()


def user_source(
    settings: Settings, bus: Bus, groups: Collection[str] | None = None, only: Collection[str] | None = None
) -> UserSource:
    """Return where the settings of users are kept. `groups`, `only`: others are not read where reading costs (None: all are)."""
    if settings.shoal_config_source is ConfigSource.REDIS:
        return RedisUserSource(bus, settings.shoal_config, groups, only)
    return FileSource(settings.shoal_config)


@dataclass(frozen=True, slots=True)
class _Record:
    """A record as it was read: its text, or why it has none."""

    version: str = ""
    text: str = ""
    why: str = ""


class RedisUserSource:
    """The records `shoal:user_settings:{<user>}`. Names are those that files would have: `alice.toml`."""

    def __init__(
        self, bus: Bus, config: Path, groups: Collection[str] | None = None, only: Collection[str] | None = None
    ) -> None:
        """`config` is the folder with the groups' files. `groups`: of other users only the group is known here.

        `only`: the records of other users are not read; they have a name and no stamp here.
        """
        self._only = only
        self._bus = bus
        self._config = config
        self._mine = None if groups is None else frozenset(groups or [""])
        self._mark: tuple[str | None, str | None] | None = None
        self._index: dict[str, str] = {}
        self._records: dict[str, _Record] = {}
        self._policies: dict[str, UserPolicy] = {}
        self._stamps: dict[str, Stamp] = {}
        """By name; kept up to date, since thousands of texts are not compared at each look."""
        self._due: set[str] = set()
        """Users whose records have changed and were not read yet: reading may fail half way."""
        self._hidden: set[str] = set()
        """Users whose records this process's Redis user may not read yet."""
        self._mine_now: list[str] = []
        self._turn = 0

    async def refresh(self) -> None:
        """Read what has changed. Raises ConfigurationError if Redis does not answer, or has lost the settings."""
        try:
            await self._refresh()
        except BusError as error:
            raise ConfigurationError(f"the users' settings in Redis cannot be read: {error}") from None

    async def load(self) -> None:
        """Read everything for the first time. Raises BusError, also for what `refresh` would report."""
        await self._refresh()
        if not self._index:
            log.warning("Redis has no users' settings: import them with `ops user import FOLDER`, or add users")

    def names(self) -> list[str]:
        """Return the name of every user of the index."""
        return sorted(map(name_of, self._index))

    def stamps(self) -> dict[str, Stamp]:
        """Return what stands for each user's text."""
        return dict(self._stamps)

    def read(self, name: str) -> UserPolicy | FileProblem:
        """Read one user's settings."""
        user = name.removesuffix(SUFFIX)
        group = self._group(user)
        if not self._is_mine(user):
            return replace(self._policies.get(user) or UserFile().policy(user), group=group, user=user)
        place, record = keys.user_settings(user), self._records.get(user, _Record(why=GONE))
        found = read_user(self._path(user), partial(_text, record), place)
        if isinstance(found, FileProblem):
            return replace(found, group=group)  # whatever the text says: executors of this group go on with the exits
        if lost := self._lost(user, record):
            return FileProblem(user, self._path(user), lost, group=group, record=place)
        if found.group != group:
            why = f"group is {found.group or 'none'}, but the index says {group or 'none'}: `ops reload` corrects the index"
            return FileProblem(user, self._path(user), why, group=group, record=place)
        self._policies[user] = found
        return found

    def problem(self, user: str, why: str, state: FileState) -> FileProblem:
        """Return a problem of a user's record."""
        return FileProblem(user, self._path(user), _WORDS.get(why, why), state, record=keys.user_settings(user))

    async def _refresh(self) -> None:
        mark = await self._look(self._next())
        if isinstance(mark, Exception):
            raise ConfigurationError(f"{keys.USER_SETTINGS} cannot be read: {mark}")
        if tuple(mark) != self._mark:
            await self._follow()

    async def _look(self, users: Sequence[str]) -> Any:
        """Read the tokens of the last change, and the records of these users."""
        look = ("HMGET", keys.USER_SETTINGS, LAST_CHANGE, READ_ALL)
        hidden = [user for user in users if user in self._hidden]
        shown = [user for user in users if user not in self._hidden]
        try:
            mark, *rows = await self._bus.do_all([look, *map(_read_command, shown)])
            self._take(shown, rows)
        except BusForbidden:
            (mark,) = await self._bus.do_all([look])
            hidden = list(users)
        for user in hidden:
            await self._read_hidden(user)
        return mark

    async def _follow(self) -> None:
        """Read the index, and the records that it says are new."""
        index = pairs(await self._bus.do("HGETALL", keys.USER_SETTINGS))
        if not index and self._index:
            raise ConfigurationError(
                f"{keys.USER_SETTINGS} is gone, so all users keep their settings: `ops reload` makes it again from the records"
            )
        mark = index.pop(LAST_CHANGE, None), index.pop(READ_ALL, None)
        again = self._mark is None or mark[1] != self._mark[1]
        before, self._index = self._index, index
        self._due |= {user for user, said in index.items() if again or before.get(user) != said}
        self._due &= index.keys() if self._only is None else index.keys() & {*self._only}
        for user in before.keys() - index.keys():
            self._note(user, None)
        self._mine_now = [user for user in index if self._is_mine(user)]
        await self._read_due()
        self._mark = mark  # last: what failed is tried again at the next look

    async def _read_due(self) -> None:
        due = sorted(self._due)
        for first in range(0, len(due), _PAGE):
            page = due[first : first + _PAGE]
            mine = [user for user in page if self._is_mine(user)]
            for user in set(page).difference(mine):
                self._note(user, None)
            try:
                self._take(mine, await self._bus.do_all(list(map(_read_command, mine))))
            except BusForbidden:
                for user in mine:
                    await self._read_hidden(user)
            self._due.difference_update(page)

    async def _read_hidden(self, user: str) -> None:
        """Read the record of one user, who may be of a group that this process's Redis user was not extended to yet."""
        try:
            self._take([user], await self._bus.do_all([_read_command(user)]))
            self._hidden.discard(user)
        except BusForbidden:
            self._hidden.add(user)
            self._note(user, _Record(why=_HIDDEN))

    def _take(self, users: Sequence[str], rows: Sequence[Any]) -> None:
        for user, row in zip(users, rows, strict=True):
            if not isinstance(row, list):
                self._note(user, _Record(why=f"is not a hash with settings: {row}"))
            elif row == [None, None]:
                self._note(user, None)
            else:
                version, text = row
                self._note(user, _Record(version or "", text or "", "" if text is not None else "has no text"))

    def _note(self, user: str, record: _Record | None) -> None:
        """Keep a record as it was read (None: there is none), and what stands for it."""
        if record is None:
            self._records.pop(user, None)
        else:
            self._records[user] = record
        stamp = self._stamp(user) if user in self._index else None
        if stamp is None:
            self._stamps.pop(name_of(user), None)
        else:
            self._stamps[name_of(user)] = stamp

    def _next(self) -> list[str]:
        """Return the users whose records are read in turn at this look."""
        mine, count = self._mine_now, min(_IN_TURN, len(self._mine_now))
        first, self._turn = self._turn, self._turn + count
        return [mine[(first + number) % len(mine)] for number in range(count)]

    def _stamp(self, user: str) -> Stamp | None:
        """Return what stands for a user's record; None if there is none."""
        group = zlib.crc32(self._group(user).encode())
        if not self._is_mine(user):
            return 0, 1, group
        record = self._records.get(user)
        if record is None:
            return None
        text = f"{record.version} {record.why} {self._lost(user, record)} {record.text}".encode()
        return zlib.crc32(text), len(text) + 2, group

    def _lost(self, user: str, record: _Record) -> str:
        """Return why an older version than the index names cannot be used; an empty string if the record has that one.

        The record is written first: if it is behind, its server has lost its last writes, such as a limit that somebody set.
        """
        noted = self._index.get(user, "").partition(" ")[0]
        if (whole(noted) or 0) <= (whole(record.version) or 0):
            return ""
        return (
            f"Redis has lost version {noted} of these settings (version {record.version[:20] or 'none'} is left): write them "
            "again, then `ops reload`; or only that, to go on with what is left"
        )

    def _group(self, user: str) -> str:
        """Return a user's group as the index has it."""
        return self._index.get(user, "").partition(" ")[2].partition(" ")[2]

    def _is_mine(self, user: str) -> bool:
        return self._mine is None or self._group(user) in self._mine

    def _path(self, user: str) -> Path:
        return self._config / USERS / name_of(user)


def _read_command(user: str) -> tuple[str, ...]:
    return "HMGET", keys.user_settings(user), "version", "text"


def _text(record: _Record) -> str:
    """Return a record's text. Raises what reading a file would raise."""
    if record.why == _HIDDEN:
        raise UnreadableFileError(record.why)
    if record.why:
        raise ConfigurationError(record.why)
    if len(record.text.encode()) > MOST_BYTES:
        raise ConfigurationError(f"has more than {MOST_BYTES // 1024} KiB, too much for settings")
    return record.text.removeprefix("\ufeff")
