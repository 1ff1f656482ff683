"""`ops token`: tokens with which programs read metrics and JSON, or act: create, list, revoke. A token is printed once."""

from __future__ import annotations

import sys
import time
from typing import Annotated

import typer

from services.ops.operator import operator_name
from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.sign_in.access_tokens import AccessToken, AccessTokens
from shared.sign_in.people import NAME
from shared.sign_in.role import Role

Name = Annotated[str, typer.Argument(metavar="[NAME]", help="What the token is for; without it tokens are listed.")]
AsRole = Annotated[Role, typer.Option("--role", help="viewer reads everything, operator also acts.")]
Revoke = Annotated[bool, typer.Option("--revoke", help="Revoke the token of this name.")]


def token(name: Name = "", role: AsRole = Role.VIEWER, revoke: Revoke = False, as_json: AsJson = False) -> None:
    """Create a token for a program (Authorization: Bearer ...), list tokens, or revoke one."""
    if not name:
        _list(run_with_bus(lambda _, bus: AccessTokens(bus).all()), as_json=as_json)
        return
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name}: a name has up to 32 of a-z, 0-9, - _ and ., and begins with a letter or digit"
        )
    if role is Role.FOLLOWER:
        raise ConfigurationError("--role follower: a follower signs in by a link: ops link NAME")
    if revoke:
        run_with_bus(lambda _, bus: _revoke(bus, name))
        if as_json:
            print_json({"name": name, "revoked": True})
        else:
            print(f"{name}: the token is revoked")
        return
    made = run_with_bus(lambda _, bus: _create(bus, name, role))
    if as_json:
        print_json({"name": name, "role": role.value, "token": made})
    else:
        print(made)
        print(f"ops: {name} ({role}): send it as Authorization: Bearer; it is shown only once", file=sys.stderr)


async def _create(bus: Bus, name: str, role: Role) -> str:
    made = await AccessTokens(bus).create(AccessToken(name, role, operator_name(), time.time_ns() // 1_000_000))
    if made is None:
        raise ConfigurationError(f"{name}: there is a token of this name; revoke it first (--revoke)")
    return made


async def _revoke(bus: Bus, name: str) -> None:
    if not await AccessTokens(bus).revoke(name):
        known = ", ".join(each.name for each in await AccessTokens(bus).all()) or "none"
        raise ConfigurationError(f"{name}: there is no such token (known: {known})")


def _list(tokens: list[AccessToken], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {"name": each.name, "role": each.role.value, "made_by": each.made_by, "made_at": each.made_at}
            for each in tokens
        ]
        print_json({"tokens": rows})
        return
    shown = [(each.name, each.role, each.made_by, clock(each.made_at)) for each in tokens]
    console().print(table("Tokens", ["name", "role", "made by", "made at (UTC)"], shown, empty="there are none"))
