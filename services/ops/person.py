"""The person at the keyboard: his name, and his yes before something that cannot be taken back."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask on stderr, so that stdout stays the answer; end with exit code 1 unless the answer is yes."""
    if not yes:
        typer.confirm(question, abort=True, err=True)


def operator_name() -> str:
    """Name the person as the operating system does."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "ops"
