"""`ops seal keys`: plain key files of the folder of secrets become sealed ones.

A plain file is removed only after its sealed one is on the disk and, where an identity is at hand, was opened with it. A command
that is interrupted leaves both, which is permitted while they say the same: it goes on where it is run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.ops.output import AsJson, print_json
from services.ops.sealing.sealed_writer import write_sealed
from services.ops.user.key_files import finish_removals, remove_plain_key, require_secrets
from shared.config.errors import ConfigurationError
from shared.config.keys.key_sources import FolderSource, read_pair
from shared.config.keys.sealed_file import IDENTITY_VARIABLE, Identities, read_identities, seal
from shared.config.keys.secrets_folder import Part, SecretsFolder
from shared.config.settings import Settings, load_settings

User = Annotated[str, typer.Option("--user", help="Only this user's (or `master`); all that are plain if not given.")]
Recipients = Annotated[
    list[str] | None,
    typer.Option("--recipient", help="Whom to seal for (age1...), may be repeated; the identity at hand if not given."),
]


def keys(user: User = "", recipient: Recipients = None, as_json: AsJson = False) -> None:
    """Seal plain key files, and remove them."""
    settings = load_settings()
    folder = require_secrets(settings)
    identities = identities_at_hand(settings)
    recipients = recipient or (identities.recipients if identities else [])
    if not recipients:
        raise ConfigurationError(
            f"whom to seal for? --recipient age1..., or {IDENTITY_VARIABLE}: `ops seal identity` makes one"
        )
    finish_removals(folder)
    done, failed = [], []
    for venue, owner in [each for each in folder.owners() if folder.holds_plain(*each) and user in {"", each[1]}]:
        try:
            _seal_one(settings, folder, venue, owner, recipients, identities)
            done.append(f"{venue}/{owner}")
        except ConfigurationError as error:
            failed.append(str(error))
    report("sealed", done, failed, as_json=as_json)


def identities_at_hand(settings: Settings) -> Identities | None:
    """Return the identities that the settings name; None if they name none. Raises ConfigurationError for an unusable file."""
    if not settings.shoal_identity_file:
        return None
    return read_identities(settings.shoal_identity_file, settings.shoal_mode)


def report(what: str, done: Sequence[str], failed: Sequence[str], *, as_json: bool, same: int = 0) -> None:
    """Print what was done, one line for each account that was not, and exit with 1 if there is one."""
    if as_json:
        print_json({what: list(done), "already": same, "failed": list(failed)})
    else:
        print(f"{len(done)} keys {what}" + (f", {same} were already" if same else ""))
        for line in failed:
            print(f"  not {what}: {line}")
    raise typer.Exit(1 if failed else 0)


def _seal_one(
    settings: Settings,
    folder: SecretsFolder,
    venue: str,
    owner: str,
    recipients: Sequence[str],
    identities: Identities | None,
) -> None:
    pair = read_pair(FolderSource(folder, venue, owner), venue, settings.shoal_mode)
    path = folder.sealed_path(venue, owner)
    present = folder.read_sealed(venue, owner)
    if present is None:
        content = seal(*pair, recipients)
        if identities is not None:
            _require_same(identities, content, pair, path)
        write_sealed(folder, venue, owner, content, over=None, like=folder.path(venue, owner, Part.KEY))
    elif identities is None:
        raise ConfigurationError(f"{path} is there already, and without {IDENTITY_VARIABLE} it cannot be compared")
    else:
        _require_same(identities, present, pair, path)
    remove_plain_key(folder, venue, owner)


def _require_same(identities: Identities, content: bytes, pair: tuple[str, str], path: Path) -> None:
    if identities.open(content, str(path)) != pair:
        raise ConfigurationError(
            f"{path} holds another key than the plain files beside it: remove the one that is outdated"
        )
