"""The operator: their name, and their confirmation of an action that cannot be undone."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(question: str, *, yes: bool) -> None:
    """Ask on stderr, so that stdout holds only the result; exit with code 1 unless the answer is yes.

    Without a terminal and with an empty input, a line says that --yes is needed.
    """
    if yes:
        return
    print(f"{question} [y/N]:", end=" ", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = "\n"
    if answer.strip().lower() in {"y", "yes"}:
        return
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    hint = "" if answer or sys.stdin.isatty() else ": there is no terminal to answer on; add --yes"
    print(f"ops: not done{hint}", file=sys.stderr)
    raise typer.Exit(1)


def operator_name() -> str:
    """Return the operator's name in the operating system."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "ops"
