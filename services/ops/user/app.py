"""The commands of `ops user` by name."""

from __future__ import annotations

import typer

from services.ops.user.add import add
from services.ops.user.listing import list_users
from services.ops.user.remove import remove
from services.ops.user.rename import rename
from services.ops.user.settings.edit import set_settings
from services.ops.user.settings.restore import restore
from services.ops.user.settings.show import history, show
from services.ops.user.settings.transfer import export, import_
from services.ops.user.switch import disable, enable


def build() -> typer.Typer:
    """Build the commands."""
    app = typer.Typer(
        no_args_is_help=True, help="Users: add, list, rename and remove them; show and change their settings."
    )
    app.callback()(lambda: None)
    for name, command in (
        ("add", add),
        ("list", list_users),
        ("disable", disable),
        ("enable", enable),
        ("rename", rename),
        ("remove", remove),
        ("show", show),
        ("set", set_settings),
        ("history", history),
        ("restore", restore),
        ("export", export),
        ("import", import_),
    ):
        app.command(name)(command)
    return app
