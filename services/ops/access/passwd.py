"""`ops passwd`: set the password of a person who signs in to the page, create or remove such a person, list them.

A new password ends every session of that person. A password is read from the terminal or from stdin, never from the command line,
where every user of the machine could read it.
"""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterable
from typing import Annotated

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.sign_in.attempts import Attempts
from shared.sign_in.passwords import hash_password, new_password, objection
from shared.sign_in.people import FIRST, NAME, People, Person
from shared.sign_in.role import Role

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="Who signs in under this name.")]
AsRole = Annotated[
    Role | None, typer.Option("--role", help="viewer or operator; needed for a new person, kept for one who exists.")
]
Generate = Annotated[bool, typer.Option("--generate", help="Make a password and print it, instead of asking for one.")]
Remove = Annotated[bool, typer.Option("--remove", help="Remove the person; their sessions end.")]
ListAll = Annotated[bool, typer.Option("--list", help="List who can sign in.")]


def passwd(
    name: Name = FIRST,
    role: AsRole = None,
    generate: Generate = False,
    remove: Remove = False,
    list_all: ListAll = False,
    as_json: AsJson = False,
) -> None:
    """Set a person's password, which ends their sessions; create, remove or list people."""
    if list_all:
        _list(run_with_bus(lambda _, bus: People(bus).all()), as_json=as_json)
        return
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name}: a name has up to 32 of a-z, 0-9, - _ and ., and begins with a letter or digit"
        )
    if role is Role.FOLLOWER:
        raise ConfigurationError("--role follower: followers sign in by a link: ops link NAME")
    if remove:
        run_with_bus(lambda _, bus: _remove(bus, name))
        _report({"name": name, "removed": True}, f"{name} is removed; their sessions have ended", as_json=as_json)
        return
    granted = run_with_bus(lambda _, bus: _decide(bus, name, role))
    password = new_password() if generate else _ask(name)
    run_with_bus(lambda _, bus: _write(bus, name, granted, password))
    answer: dict[str, object] = {"name": name, "role": granted.value}
    line = f"{name} ({granted}): the password is set; earlier sessions have ended"
    if generate:
        answer["password"] = password
        line += f"\npassword: {password}"
    _report(answer, line, as_json=as_json)


async def _decide(bus: Bus, name: str, role: Role | None) -> Role:
    """Return the role that the person will have. Raises ConfigurationError if it is missing, or no operator would remain."""
    people = {person.name: person for person in await People(bus).all()}
    known = people.get(name)
    if known is None and role is None and name != FIRST:
        raise ConfigurationError(
            f"{name}: there is no such person; give --role viewer or --role operator to create one"
        )
    wanted = role or (known.role if known else Role.OPERATOR)
    if wanted is not Role.OPERATOR:
        _require_another_operator(people.values(), name)
    return wanted


async def _remove(bus: Bus, name: str) -> None:
    people = await People(bus).all()
    if name not in {person.name for person in people}:
        known = ", ".join(person.name for person in people) or "none"
        raise ConfigurationError(f"{name}: there is no such person (known: {known})")
    _require_another_operator(people, name)
    await People(bus).remove(name)


def _require_another_operator(people: Iterable[Person], name: str) -> None:
    """Raise ConfigurationError if there is no other operator: the next start of the api would not create one."""
    if not any(each.role is Role.OPERATOR and each.name != name for each in people):
        raise ConfigurationError(f"{name} is the only operator; create another one first (--role operator)")


async def _write(bus: Bus, name: str, role: Role, password: str) -> None:
    await People(bus).write(name, role, hash_password(password), time.time_ns() // 1_000_000)
    await Attempts(bus).forget(name)


def _ask(name: str) -> str:
    """Ask for the new password: twice on a terminal, else the first line of stdin. Raises ConfigurationError."""
    if sys.stdin.isatty():
        password = getpass.getpass(f"new password of {name}: ")
        if getpass.getpass("the same again: ") != password:
            raise ConfigurationError("the two were not the same; nothing was changed")
    else:
        password = sys.stdin.readline().rstrip("\r\n")
    if why := objection(password):
        raise ConfigurationError(f"{why}; nothing was changed (--generate makes one)")
    return password


def _list(people: list[Person], *, as_json: bool) -> None:
    if as_json:
        rows = [{"name": each.name, "role": each.role.value, "changed_at": each.changed_at} for each in people]
        print_json({"people": rows})
        return
    shown = [(each.name, each.role, clock(each.changed_at)) for each in people]
    console().print(table("People", ["name", "role", "password of (UTC)"], shown, empty="no one can sign in yet"))


def _report(answer: dict[str, object], line: str, *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
    else:
        print(line)
