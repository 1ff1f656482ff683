"""A Shoal whose keys are in a folder of secrets, where a test writes them as a person does: one file after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from shared.config.keys.sealed_file import seal
from tests.support.paper_control import WORDS
from tests.support.stack import Stack

Pair = tuple[str, str]


class SecretStack(Stack):
    """The folder is named to every service and command; an account that has files there has no variables."""

    def __init__(self, folder: Path, users: Sequence[str] = (), **more: Any) -> None:
        super().__init__(folder, users, **more)
        self.secrets = folder / "secrets"
        self.used: dict[tuple[str, str], list[Pair]] = {}
        """Every pair that an account ever had, by user and venue."""

    def environment(self) -> dict[str, str]:
        """What every service of this stack is told."""
        found = {**super().environment(), "SHOAL_SECRETS": str(self.secrets)}
        for user, venue in self._in_folder():
            who = "MASTER" if user == "master" else f"USER_{user.upper().replace('-', '_')}"
            for part in ("KEY", "SECRET"):
                found.pop(f"{venue.upper()}_{who}_API_{part}", None)
        return found

    def new_pair(self, user: str) -> Pair:
        """Return a further key of a user's account."""
        (venue,) = self.venues_of(user)
        made = self.post("/paper/accounts", {"user": user, "venue": venue})
        return made["api_key"], made["api_secret"]

    def write_key(self, user: str, pair: Pair, *parts: str) -> None:
        """Write one of a user's two files, or both; what was there is replaced at once."""
        (venue,) = self.venues_of(user)
        home = self.secrets / venue / user
        for each in (self.secrets, home.parent, home):
            each.mkdir(mode=0o700, exist_ok=True)
        for part in parts or ("secret", "key"):
            new = home / f".{part}.new"
            new.touch(mode=0o600)
            new.write_text(pair[0 if part == "key" else 1] + "\n")
            new.replace(home / part)
        known = self.used.setdefault((user, venue), [])
        if pair not in known:
            known.append(pair)

    def seal_key(self, user: str, pair: Pair, recipient: str) -> None:
        """Write a user's sealed file instead of two plain ones; what was there is replaced at once."""
        (venue,) = self.venues_of(user)
        home = self.secrets / venue
        for each in (self.secrets, home):
            each.mkdir(mode=0o700, exist_ok=True)
        new = home / f".{user}.new"
        new.touch(mode=0o600)
        new.write_bytes(seal(*pair, [recipient]))
        new.replace(home / f"{user}.age")
        known = self.used.setdefault((user, venue), [])
        if pair not in known:
            known.append(pair)

    def move_keys(self, *users: str) -> None:
        """Put the first key of each user into the folder instead of a variable."""
        for user in users:
            (venue,) = self.venues_of(user)
            self.write_key(user, self.keys_at[venue][user])

    def adopt(self, user: str, venue: str) -> None:
        """Note a user whom a command has added, with the key that it has written."""
        home = self.secrets / venue / user
        self.keys_at[venue][user] = (home / "key").read_text().strip(), (home / "secret").read_text().strip()

    def pairs_of(self, user: str) -> list[Pair]:
        """Return every pair that a user ever had, in order."""
        (venue,) = self.venues_of(user)
        return self.used[user, venue]

    def requests_with(self, pair: Pair) -> list[dict[str, Any]]:
        """Read what was asked with a key, in order of arrival."""
        return list(self.get(f"/paper/requests?api_key={pair[0]}"))

    def all_that_was_written(self) -> str:
        """Return every log line of the services, and all that Redis holds."""
        seen = "".join(service.log() for service in self.services)
        for name in self.client.scan_iter("*"):
            kind = self.client.type(name)
            read = {"hash": self.client.hgetall, "stream": self.client.xrange, "string": self.client.get}
            seen += f"{name} {read[kind](name) if kind in read else ''}"  # type: ignore[operator]  # redis-py has unions
        return seen

    def assert_no_key_in(self, text: str) -> None:
        """Fail if a key or a line of a secret stands in a text."""
        pairs = [pair for each in self.used.values() for pair in each]
        pairs += [pair for venue in WORDS for pair in self.keys_at[venue].values()]
        for key, secret in pairs:
            assert key not in text
            assert [line for line in secret.splitlines() if not line.startswith("-----") and line in text] == []

    def _in_folder(self) -> Iterator[tuple[str, str]]:
        if self.secrets.is_dir():
            for venue in os.listdir(self.secrets):  # noqa: PTH208  # names, not paths
                for user in os.listdir(self.secrets / venue):  # noqa: PTH208
                    yield user.removesuffix(".age"), venue
