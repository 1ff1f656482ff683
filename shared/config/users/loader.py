"""Reads the users' settings: `config/users/<user>.toml`, or the same text in Redis (`source.py`). The file's name is the
user's id; secrets are never in it.

A bad file affects only its user: all others are read. The user of a bad file stays among the users, with substitute settings and
the reason in `fault`: entries are not copied for them, exits are. Files whose name begins with a dot (left by editors and file
systems) are ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from shared.config.errors import ConfigurationError
from shared.config.masters import MASTERS, load_masters
from shared.config.text_file import NotAFileError, UnreadableFileError, read_text
from shared.config.users.file import UserFile
from shared.config.users.groups import group_of, parse_user
from shared.domain.limits.policy import RESERVED_NAMES, FileState, OnLeave, UserPolicy

USERS: Final = "users"
"""The folder of the users' files, inside the configuration folder."""
SUFFIX: Final = ".toml"
GONE: Final = "the file is gone"
_USER_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that cannot be used: its user (an empty string if it has none), and why; its text is one line that names the file.

    `passing`: the system could not read the file, which may be temporary. `group` is the one that the file names, where that
    could be read. `record` is the key in Redis where the settings are kept there; then `path` is what the file would be called.
    """

    user: str
    path: Path
    why: str
    state: FileState = FileState.BAD
    passing: bool = False
    group: str = ""
    record: str = ""

    def __str__(self) -> str:
        place = self.record or str(self.path)
        return f"{place if place.isprintable() else repr(place)}: {self.why}"


ProblemOf = Callable[[str, str, FileState], FileProblem]
"""Makes the problem of a user's settings, wherever they are kept: user, why, state."""


class Users(Mapping[str, UserPolicy]):
    """The users of a configuration folder by id, in alphabetical order, and the problems of their files.

    Users with a bad file are among them: see `UserPolicy.fault`.
    """

    def __init__(self, policies: Mapping[str, UserPolicy], problems: Iterable[FileProblem] = ()) -> None:
        self._policies = dict(sorted(policies.items()))
        self.problems = tuple(problems)

    def __getitem__(self, user: str) -> UserPolicy:
        return self._policies[user]

    def __iter__(self) -> Iterator[str]:
        return iter(self._policies)

    def __len__(self) -> int:
        return len(self._policies)

    def __repr__(self) -> str:
        return f"Users({self._policies!r}, {self.problems!r})"


def users_folder(config: Path) -> Path:
    """Return the folder of the users' files. Raises ConfigurationError if there is none."""
    folder = config / USERS
    try:
        found = folder.is_dir()
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from None
    if not found:
        raise ConfigurationError(f"{folder} is not a folder: SHOAL_CONFIG must hold users/<user>.toml")
    return folder


def is_users_file(name: str) -> bool:
    """Return whether a file name is that of a user's file."""
    return name.endswith(SUFFIX) and not name.startswith(".")


def load_users(config: Path) -> Users:
    """Read all users of a configuration folder. Raises ConfigurationError only if the folder cannot be read."""
    folder = users_folder(config)
    try:
        names = sorted(name for name in (path.name for path in folder.iterdir()) if is_users_file(name))
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be read: {error.strerror}") from None
    return collect_users(config, [read_user(folder / name) for name in names], problems_of(folder))


def problems_of(folder: Path) -> ProblemOf:
    """Return what makes the problem of a user's file in this folder."""
    return lambda user, why, state: FileProblem(user, folder / f"{user}{SUFFIX}", why, state)


def collect_users(
    config: Path, read: Iterable[UserPolicy | FileProblem], problem: ProblemOf, others: Collection[str] = ()
) -> Users:
    """Return the users of whom this was read, with the problems that appear only among all of them.

    `others` are users of whom nothing was read, and who may share a key variable with one of these.
    """
    good: dict[str, UserPolicy] = {}
    problems: list[FileProblem] = []
    for found in read:
        if isinstance(found, FileProblem):
            problems.append(found)
        else:
            good[found.user] = found
    problems += _unknown_masters(config, good, problem)
    these = {each.user for each in problems if each.user} | good.keys()
    problems += [each for each in find_key_clashes(problem, these | {*others}) if each.user in these]
    policies = good | {each.user: substitute_policy(each) for each in problems if each.user}
    return Users(policies, problems)


def _unknown_masters(config: Path, policies: Mapping[str, UserPolicy], problem: ProblemOf) -> list[FileProblem]:
    """Return a problem for each user who follows a named master without a file: a misspelt name would be followed for ever."""
    following = [policy for policy in policies.values() if policy.masters]
    if not following:
        return []
    try:
        known: Collection[str] = load_masters(config)
        why = f"there is no file {MASTERS}/<name>.toml of that name"
    except ConfigurationError as error:
        known, why = (), f"the masters' files cannot be used: {error}"
    return [
        problem(policy.user, f"follow.{unknown[0]}: {why}", FileState.BAD)
        for policy in following
        if (unknown := [each.name for each in policy.masters if each.name not in known])
    ]


def read_user(path: Path, read: Callable[[], str] | None = None, record: str = "") -> UserPolicy | FileProblem:
    """Read one user's settings; return a FileProblem for any error in them, never raise one.

    `read` returns the text (by default that of the file) or raises what `read_text` raises; `record` is where in Redis it is.
    """
    user = path.name.removesuffix(SUFFIX)

    def problem(why: str, *, nameless: bool = False, passing: bool = False, group: str = "") -> FileProblem:
        return FileProblem("" if nameless else user, path, why, passing=passing, group=group, record=record)

    if why := why_no_user_id(user):
        return problem(why, nameless=True)
    text = ""
    try:
        text = read_text(path) if read is None else read()
        return policy_of(text, path)
    except UnreadableFileError as error:
        return problem(str(error), passing=True, group=group_of(text))
    except NotAFileError as error:
        return problem(str(error), nameless=True)
    except ConfigurationError as error:
        return problem(str(error), group=group_of(text))
    except Exception as error:  # noqa: BLE001  # an unexpected error in one file must not affect other users
        return problem(f"cannot be used: {type(error).__name__}")


def why_no_user_id(name: str) -> str:
    """Return why no user can have this name; an empty string if one can."""
    if not _USER_ID.fullmatch(name):
        return "a user id has up to 32 of a-z, 0-9, - and _, and begins with a letter or digit"
    if name in RESERVED_NAMES or name.startswith("prices-"):
        return f"{name} is reserved; choose another user id"
    return ""


def policy_of(text: str, path: Path) -> UserPolicy:
    """Return the settings that a text would be at this path of a user's file, with those of the user's group.

    Raises ConfigurationError with the reason, which does not name the user's file.
    """
    return parse_user(text, path.parent.parent).policy(path.name.removesuffix(SUFFIX))


def find_key_clashes(problem: ProblemOf, users: Iterable[str]) -> list[FileProblem]:
    """Return a problem for each user whose key variable would be another user's too, since `-` is spelt `_` in it."""
    spelt: dict[str, list[str]] = {}
    for user in sorted(users):
        spelt.setdefault(user.replace("-", "_"), []).append(user)
    found = []
    for names in spelt.values():
        why = f"the users {' and '.join(names)} would share one key variable; rename one"
        found += [problem(user, why, FileState.SHARED) for user in names if len(names) > 1]
    return found


def substitute_policy(problem: FileProblem, last: UserPolicy | None = None) -> UserPolicy:
    """Return the settings for the user of a bad file: the last known ones or the defaults, with exits only."""
    by = last or UserFile(group=problem.group).policy(problem.user)
    whose = "the last settings known" if last else "the default settings"
    return replace(by, file=problem.state, fault=f"{problem}; no entries are copied, exits go on by {whose}")


def policy_after_removal(last: UserPolicy, problem: ProblemOf, *, known: bool = True) -> UserPolicy | None:
    """Return the settings for a user whose file is gone while they hold something; None if they had left before that.

    `known`: `last` are settings that were really set, not the defaults. A missing file is not a decision, since it may have been
    renamed: no entries, but the master's exits and the user's own go on until all is sold. To keep the holdings, set
    `enabled = false` and `on_leave = "keep"` before removing the file.
    """
    if not last.enabled and last.on_leave is OnLeave.KEEP:
        return None
    on_leave = OnLeave.EXITS_ONLY if last.on_leave is OnLeave.KEEP else last.on_leave
    gone = problem(last.user, GONE, FileState.GONE)
    return replace(substitute_policy(gone, last if known else None), enabled=False, on_leave=on_leave)


def complete_users(users: Users, last: Mapping[str, UserPolicy], holders: Iterable[str], problem: ProblemOf) -> Users:
    """Return users completed by earlier records: last settings for a bad file, and users without a file who hold something.

    A holder whose settings are unknown gets the defaults: the master's exits, and the default stop loss.
    """
    problems = {each.user: each for each in users.problems if each.user}
    policies = dict(users) | {user: substitute_policy(each, last.get(user)) for user, each in problems.items()}
    found = list(users.problems)
    for user in sorted({*holders} - policies.keys()):
        if not _USER_ID.fullmatch(user):
            continue
        policy = policy_after_removal(last.get(user) or UserFile().policy(user), problem, known=user in last)
        if policy is not None:
            policies[user] = policy
            found.append(problem(user, GONE, FileState.GONE))
    return Users(policies, found)
