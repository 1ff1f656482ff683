"""`ops seal rotate`: every sealed key file is sealed for a new identity, one after another, while everything runs.

Each file is replaced in one step by one that was opened with the new identity first, so at any moment each of them can be opened
by the one or the other: services whose identity file holds both go on. What the new identity opens already is left as it is, so a
command that was interrupted is run again. Nothing that is open is ever written.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.ops.output import AsJson
from services.ops.sealing.keys import identities_at_hand, report
from services.ops.sealing.sealed_writer import write_sealed
from services.ops.user.key_files import require_secrets
from shared.config.errors import ConfigurationError
from shared.config.keys.sealed_file import IDENTITY_VARIABLE, Identities, read_identities, seal
from shared.config.keys.secrets_folder import SecretsFolder, stamp_of
from shared.config.settings import Mode, load_settings

To = Annotated[Path, typer.Option("--to", help="The file of the new identity (`ops seal identity` makes one).")]


def rotate(to: To, as_json: AsJson = False) -> None:
    """Seal all sealed key files for a new identity, which services must have beside the old one. Repeat it if interrupted."""
    settings = load_settings()
    folder = require_secrets(settings)
    new, old = read_identities(str(to), settings.shoal_mode, "--to"), identities_at_hand(settings)
    if old is None:
        raise ConfigurationError(f"{IDENTITY_VARIABLE} is not set: it names the identity that opens the files now")
    done, failed, same = [], [], 0
    for venue, owner in [each for each in folder.owners() if folder.holds_sealed(*each)]:
        try:
            if _rotate_one(folder, venue, owner, old, new, settings.shoal_mode):
                done.append(f"{venue}/{owner}")
            else:
                same += 1
        except ConfigurationError as error:
            failed.append(str(error))
    report("rotated", done, failed, as_json=as_json, same=same)


def _rotate_one(folder: SecretsFolder, venue: str, owner: str, old: Identities, new: Identities, mode: Mode) -> bool:
    """Return whether the file was not sealed for the new identity yet. Raises ConfigurationError, and changes nothing then."""
    path = folder.sealed_path(venue, owner)
    stamp = stamp_of(path)
    content = folder.read_sealed(venue, owner, mode)
    if content is None:
        return False
    if _opens(new, content, str(path)):
        return False
    pair = old.open(content, str(path))
    again = seal(*pair, new.recipients)
    if new.open(again, str(path)) != pair:
        raise ConfigurationError(f"{path} could not be sealed again; it is as it was")
    write_sealed(folder, venue, owner, again, over=stamp, like=path)
    return True


def _opens(identities: Identities, content: bytes, path: str) -> bool:
    try:
        identities.open(content, path)
    except ConfigurationError:
        return False
    return True
