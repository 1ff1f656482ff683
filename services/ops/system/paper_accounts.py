"""`ops paper-accounts`: create the accounts of the paper exchange, with the keys that the services use. Repeating it is harmless.

In live mode only users with `paper = true` get one, and only paper keys are sent to it, never a real key.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from services.ops.output import AsJson, print_json
from services.ops.system.paper_exchange import PaperExchange, open_paper_exchange
from services.ops.users import warn
from shared.config.errors import ConfigurationError
from shared.config.keys.paper_token import read_paper_token
from shared.config.keys.secrets import ApiKey, read_api_key
from shared.config.settings import ConfigSource, Mode, Settings, load_settings
from shared.config.toml_file import read_toml
from shared.config.users.loader import load_users
from shared.domain.limits.policy import UserPolicy
from shared.domain.values.money import plain

_PATIENCE: Final = 30.0
ACCOUNTS_FILE: Final = "paper_accounts.toml"

Balances = dict[str, Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]]
Accounts = Mapping[tuple[str, str], Balances]
"""Initial balances, by user and venue."""


class AccountsFile(BaseModel):
    """The file with the initial balances."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts: dict[str, dict[str, Balances]]


def paper_accounts(as_json: AsJson = False) -> None:
    """Create the accounts of config/paper_accounts.toml at the paper exchange; repeating it is harmless."""
    settings = load_settings()
    accounts = load_accounts(settings.shoal_config)
    # Where the settings of users are in Redis, which this command may not reach, all of them get their accounts.
    if settings.shoal_mode is Mode.LIVE and settings.shoal_config_source is ConfigSource.FILES:
        users = load_users(settings.shoal_config)
        for problem in users.problems:
            warn(problem)
        accounts = _select_paper_users(accounts, users)
        if not accounts:
            print(
                "SHOAL_MODE is live and no user with paper = true has an account in the file: nothing to do",
                file=sys.stderr,
            )
            return
    lines = asyncio.run(_create(settings, accounts, quiet=as_json))
    if as_json:
        print_json({"accounts": lines})


def load_accounts(config: Path) -> Accounts:
    """Read balances by (user, venue). Raises ConfigurationError that names the file and the key."""
    path = config / ACCOUNTS_FILE
    read = read_toml(path, AccountsFile)
    return {(user, venue): balances for user, venues in read.accounts.items() for venue, balances in venues.items()}


def _select_paper_users(accounts: Accounts, users: Mapping[str, UserPolicy]) -> Accounts:
    return {(user, venue): held for (user, venue), held in accounts.items() if user in users and users[user].paper}


async def _create(settings: Settings, accounts: Accounts, *, quiet: bool) -> list[dict[str, str]]:
    lines = []
    async with open_paper_exchange(settings.paper_url, read_paper_token(settings)) as exchange:
        await exchange.wait(_PATIENCE)
        for (user, venue), balances in accounts.items():
            line = await _create_one(exchange, settings.shoal_mode, user, venue, balances)
            if not quiet:
                print(f"{user} at {venue}: {line}")
            lines.append({"user": user, "venue": venue, "result": line})
    return lines


async def _create_one(exchange: PaperExchange, mode: Mode, user: str, venue: str, balances: Balances) -> str:
    try:
        key: ApiKey = read_api_key(venue, user, mode, paper=True)
    except ConfigurationError as error:
        return f"skipped: {error}"
    amounts = {asset: plain(amount) for asset, amount in balances.items()}
    await exchange.create_account(
        {"user": user, "venue": venue, "api_key": key.key, "api_secret": key.secret, "balances": amounts}
    )
    held = ", ".join(f"{amount} {asset}" for asset, amount in amounts.items())
    return f"ready with {held} (key {key.fingerprint})"
