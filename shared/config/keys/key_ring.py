"""The keys that a process signs with, and whether their files hold others by now.

A key that is in use stays in use until its files hold another whole pair: one that is half-written, broken or removed is reported
and not used. So a person may replace the two files one after the other, in either order, while orders flow. It must never return
a key with another key's secret while it has a pair that works.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from shared.config.errors import ConfigurationError
from shared.config.keys.secrets import ApiKey, key_stamps
from shared.config.keys.secrets_folder import Stamp

_RESTS: Final = 2.0
"""Seconds for which a file must not have been written: until then it may be incomplete."""
_OTHER_FILE: Final = 10.0
"""Seconds to wait for the other file of a pair where no pair has worked yet; then only one of them needed correction."""
_AGAIN: Final = 3.0
"""Seconds until an account without a usable key is read again although its files are the same: what is wrong may be elsewhere."""

Stamps = tuple[Stamp | None, ...]
ReadKey = Callable[[], ApiKey]
"""Reads the key of an account. Raises ConfigurationError."""


class KeyPendingError(ConfigurationError):
    """The files of an account without a key in use are being written: try again in a moment."""


class KeyedAccount(NamedTuple):
    """An account that has a key. `paper`: by its user's own setting, so that a real key is never returned for paper money."""

    venue: str
    owner: str
    paper: bool = False


@dataclass(slots=True)
class _InUse:
    """A pair that is signed with, the stamps of its files, and whether the venue has accepted it."""

    key: ApiKey
    stamps: Stamps
    worked: bool = False


class KeyRing:
    """The keys in use by account. Looks run in a thread beside the event loop."""

    def __init__(
        self,
        stamps: Callable[[str, str], Stamps] = key_stamps,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wall` (epoch seconds) is compared with the times of files."""
        self._stamps = stamps
        self._wall = wall
        self._steady = steady
        self._used: dict[KeyedAccount, _InUse] = {}
        self._unusable: dict[KeyedAccount, tuple[Stamps, float]] = {}
        self._waits: dict[KeyedAccount, str] = {}
        self._lock = threading.Lock()

    def take(self, account: KeyedAccount, read: ReadKey) -> ApiKey:
        """Return the key to sign with from now on. Raises ConfigurationError if there is none that can be used."""
        with self._lock:
            used = self._used.get(account)
            try:
                taken = self._newest(account, read) or self._require(account)
            except ConfigurationError as error:
                stamps = self._stamps(account.venue, account.owner)
                if used is not None and used.stamps != stamps:  # broken since: the pair in use is still whole
                    self._waits[account] = str(error)
                    return used.key
                self._unusable[account] = stamps, self._steady()
                raise
            self._unusable.pop(account, None)
            self._used[account] = taken
            return taken.key

    def hold(self, account: KeyedAccount, key: ApiKey) -> None:
        """Note a key that was read before, and is signed with."""
        with self._lock:
            self._used[account] = _InUse(key, self._stamps(account.venue, account.owner))

    def is_outdated(self, account: KeyedAccount, read: ReadKey, *, works: bool) -> bool:
        """Return whether `take` would return another key by now. `works`: the venue accepts the one in use."""
        with self._lock:
            used = self._used.get(account)
            if used is not None and works:
                used.worked = True
            if (refused := self._unusable.get(account)) is not None:
                return self._is_usable_now(account, read, refused)
            if used is None or used.stamps == self._stamps(account.venue, account.owner):
                self._waits.pop(account, None)
                return False
            try:
                return self._newest(account, read) is not None
            except ConfigurationError as error:
                self._waits[account] = str(error)
                return False

    def why_waiting(self, account: KeyedAccount) -> str:
        """Return why changed files are not used yet; an empty string if nothing is waited for."""
        return self._waits.get(account, "")

    def _require(self, account: KeyedAccount) -> _InUse:
        if account not in self._used:
            raise KeyPendingError(f"the key of {account.owner} at {account.venue}: {self._waits[account]}")
        return self._used[account]

    def _is_usable_now(self, account: KeyedAccount, read: ReadKey, refused: tuple[Stamps, float]) -> bool:
        stamps, tried = refused
        now = self._stamps(account.venue, account.owner)
        if stamps == now and self._steady() < tried + _AGAIN:
            return False
        try:
            return self._newest(account, read) is not None or account in self._used
        except ConfigurationError:
            self._unusable[account] = now, self._steady()
            return False

    def _newest(self, account: KeyedAccount, read: ReadKey) -> _InUse | None:
        """Return a pair that replaces the one in use; None if there is none, or not yet. Raises ConfigurationError."""
        stamps = self._stamps(account.venue, account.owner)
        used = self._used.get(account)
        found = read()
        if used is not None and found == used.key:
            used.stamps = stamps
            self._waits.pop(account, None)
            return None
        if wait := self._reason_to_wait(stamps, used, found, same=stamps == self._stamps(account.venue, account.owner)):
            self._waits[account] = wait
            return None
        self._waits.pop(account, None)
        return _InUse(found, stamps)

    def _reason_to_wait(self, stamps: Stamps, used: _InUse | None, found: ApiKey, *, same: bool) -> str:
        ages = [self._wall() - stamp[0] / 1e9 for stamp in stamps if stamp is not None]
        if not same or (ages and abs(min(ages)) < _RESTS):
            return "its files are being written; they are used once they rest for a moment"
        if used is None:
            apart = len(ages) > 1 and max(ages) - min(ages) > _OTHER_FILE
            return "only one of its two files is new; waiting for the other" if apart and _young(ages) else ""
        if found.key != used.key.key and found.secret != used.key.secret:
            return ""
        if used.worked or _young(ages):
            changed, other = ("secret", "key") if found.key == used.key.key else ("key", "secret")
            return f"its {changed} has changed and its {other} has not: the former pair stays in use until both have"
        return ""


def _young(ages: list[float]) -> bool:
    return bool(ages) and abs(min(ages)) < _OTHER_FILE
