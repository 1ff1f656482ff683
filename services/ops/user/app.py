"""The commands of `ops user` by name."""

from __future__ import annotations

import typer

from services.ops.user.add import add
from services.ops.user.listing import list_users
from services.ops.user.remove import remove
from services.ops.user.rename import rename
from services.ops.user.switch import disable, enable


def build() -> typer.Typer:
    """Build the commands."""
    app = typer.Typer(no_args_is_help=True, help="Users: add, list, disable, enable, rename and remove them.")
    app.callback()(lambda: None)
    for name, command in (
        ("add", add),
        ("list", list_users),
        ("disable", disable),
        ("enable", enable),
        ("rename", rename),
        ("remove", remove),
    ):
        app.command(name)(command)
    return app
