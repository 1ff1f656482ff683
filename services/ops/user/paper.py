"""A user's accounts at the paper exchange: created with a key of the exchange's, and noted in `paper_accounts.toml`.

The paper exchange keeps its accounts in memory: by that file `ops paper-accounts` creates them again at the next start.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from services.ops.system.paper_accounts import ACCOUNTS_FILE, AccountsFile, load_accounts
from services.ops.system.paper_exchange import PaperExchange, open_paper_exchange
from services.ops.user.key_files import require_secrets, write_key
from services.ops.user.user_file import replace_text
from shared.config.errors import ConfigurationError
from shared.config.keys.paper_token import read_paper_token
from shared.config.keys.secrets import ApiKey, key_sources, read_api_key
from shared.config.keys.secrets_folder import Part
from shared.config.settings import Settings
from shared.config.text_file import read_text
from shared.config.toml_file import parse_toml
from shared.domain.values.money import plain

ASSET: Final = "USD"
"""The asset of a new account's balance."""
_PATIENCE: Final = 10.0
_HEADER: Final = "# The paper exchange's accounts at the start: [accounts.<user>.<venue>], amounts by asset.\n"


@dataclass(frozen=True, slots=True)
class PaperAccount:
    """An account at the paper exchange. `is_new`: it did not exist before, so it holds the balance that was asked for."""

    venue: str
    place: str
    """Where its key is, for people."""
    fingerprint: str
    is_new: bool


async def open_accounts(settings: Settings, user: str, venues: Sequence[str], balance: Decimal) -> list[PaperAccount]:
    """Create the accounts of a user, with a new key where the user has none. Raises ConfigurationError.

    Can be repeated: an existing account keeps its balance, an existing key is used.
    """
    async with open_paper_exchange(settings.paper_url, read_paper_token(settings)) as exchange:
        await exchange.wait(_PATIENCE)
        return [await _open_one(exchange, settings, user, venue, balance) for venue in venues]


def note_balances(config: Path, user: str, venues: Sequence[str], balance: Decimal) -> None:
    """Add the user's accounts to `paper_accounts.toml`; those that are in it stay. Raises ConfigurationError."""
    path = config / ACCOUNTS_FILE
    known = load_accounts(config) if path.exists() else {}
    text = read_text(path) if path.exists() else _HEADER
    new = [
        f'\n[accounts.{user}.{venue}]\n{ASSET} = "{plain(balance)}"\n' for venue in venues if (user, venue) not in known
    ]
    if new:
        _replace(path, text.rstrip("\n") + "\n" + "".join(new))


def forget_balances(config: Path, user: str) -> None:
    """Remove the user's accounts from `paper_accounts.toml`. Raises ConfigurationError."""
    path = config / ACCOUNTS_FILE
    if not path.exists():
        return
    text = read_text(path)
    left = re.sub(rf"^\[accounts\.{re.escape(user)}\.[^\n]*\n(?:(?!\[)[^\n]*(?:\n|\Z))*", "", text, flags=re.MULTILINE)
    if left != text:
        none_left = not re.search(r"^\[accounts", left, flags=re.MULTILINE)
        _replace(path, left.rstrip("\n") + ("\n[accounts]\n" if none_left else "\n"))


async def _open_one(
    exchange: PaperExchange, settings: Settings, user: str, venue: str, balance: Decimal
) -> PaperAccount:
    is_new = not await exchange.has_account(user, venue)
    asked = {"user": user, "venue": venue, "balances": {ASSET: plain(balance)}}
    sources = [source for source in key_sources(venue, user) if source.given()]
    if sources:
        key = read_api_key(venue, user, settings.shoal_mode, paper=True)
        if not key.is_paper:
            raise ConfigurationError(f"{sources[0].name(Part.KEY)} is not a paper key; nothing is created with it")
        await exchange.create_account({**asked, "api_key": key.key, "api_secret": key.secret})
        place = sources[-1].name(Part.KEY)
    else:
        folder = require_secrets(settings)
        key = ApiKey(*await exchange.create_account(asked))
        place = write_key(folder, venue, user, key, settings)
    return PaperAccount(venue, place, key.fingerprint, is_new)


def _replace(path: Path, text: str) -> None:
    try:
        parse_toml(text, AccountsFile)
    except ConfigurationError as error:
        raise ConfigurationError(f"{path} is not changed, since it could not be read any more: {error}") from None
    replace_text(path, text)
