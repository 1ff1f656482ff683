"""The commands of `ops seal` by name."""

from __future__ import annotations

import typer

from services.ops.sealing.identity import identity
from services.ops.sealing.keys import keys
from services.ops.sealing.rotate import rotate


def build() -> typer.Typer:
    """Build the commands."""
    app = typer.Typer(no_args_is_help=True, help="Key files: seal them for an identity (age), and rotate it.")
    app.callback()(lambda: None)
    for name, command in (("identity", identity), ("keys", keys), ("rotate", rotate)):
        app.command(name)(command)
    return app
