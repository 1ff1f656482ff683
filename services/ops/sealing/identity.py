"""`ops seal identity`: a new identity in a file of its own. It is never printed; its recipient is, which is not a secret."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from services.ops.output import AsJson, print_json
from shared.config.errors import ConfigurationError
from shared.config.keys.sealed_file import IDENTITY_VARIABLE, new_identity

To = Annotated[Path, typer.Option("--to", help="The new file; it must not exist.")]


def identity(to: To, as_json: AsJson = False) -> None:
    """Make an identity, which opens what is sealed for its recipient."""
    secret, recipient = new_identity()
    try:
        number = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.write(f"# recipient: {recipient}\n{secret}\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise ConfigurationError(f"--to {to}: {error.strerror}") from None
    if as_json:
        print_json({"file": str(to), "recipient": recipient})
    else:
        print(f"the identity is in {to}; {IDENTITY_VARIABLE} names it to executors, the master and ops")
        print(f"recipient: {recipient}")
