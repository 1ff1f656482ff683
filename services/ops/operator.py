"""The person at the keyboard: their name, and their yes before something that cannot be taken back."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]


def confirm(build_question: str, *, yes: bool) -> None:
    """Ask on stderr, so that stdout stays the answer; end with exit code 1 unless the answer is yes.

    Where nobody can answer (no terminal, and an input that is at its end), a line says what to add.
    """
    if yes:
        return
    print(f"{build_question} [y/N]:", end=" ", file=sys.stderr, flush=True)
    try:
        answer = sys.stdin.readline()
    except KeyboardInterrupt:
        answer = "\n"
    if answer.strip().lower() in {"y", "yes"}:
        return
    if not answer.endswith("\n"):
        print(file=sys.stderr)
    hint = "" if answer or sys.stdin.isatty() else ": nobody can answer here; add --yes"
    print(f"ops: not done{hint}", file=sys.stderr)
    raise typer.Exit(1)


def operator_name() -> str:
    """Name the person as the operating system does."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "ops"
