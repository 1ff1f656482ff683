"""`ops paper-accounts`: gives the paper exchange its accounts, with the keys that the services hold. Repeating it is harmless."""

from __future__ import annotations

import asyncio
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.ops.output import AsJson, print_json
from services.ops.paper_exchange import PaperExchange, open_paper_exchange
from shared.config.errors import ConfigurationError
from shared.config.secrets import ApiKey, read_api_key
from shared.config.settings import Mode, load_settings
from shared.config.users import in_one_line
from shared.domain.money import plain

_PATIENCE: Final = 30.0
_FILE: Final = "paper_accounts.toml"

Balances = dict[str, Annotated[Decimal, Field(ge=0, allow_inf_nan=False)]]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    accounts: dict[str, dict[str, Balances]]


def paper_accounts(as_json: AsJson = False) -> None:
    """Create the accounts of config/paper_accounts.toml at the paper exchange; repeating it is harmless."""
    settings = load_settings()
    if settings.shoal_mode is not Mode.PAPER:
        raise ConfigurationError("SHOAL_MODE is live: paper-accounts works on the paper exchange only")
    accounts = load_accounts(settings.shoal_config)
    lines = asyncio.run(_create(settings.paper_url, accounts, quiet=as_json))
    if as_json:
        print_json({"accounts": lines})


def load_accounts(config: Path) -> dict[tuple[str, str], Balances]:
    """Read balances by (user, venue). Raises ConfigurationError that names the file and the key."""
    path = config / _FILE
    try:
        read = _File.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from None
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {in_one_line(error)}") from None
    return {(user, venue): balances for user, venues in read.accounts.items() for venue, balances in venues.items()}


async def _create(url: str, accounts: dict[tuple[str, str], Balances], *, quiet: bool) -> list[dict[str, str]]:
    lines = []
    async with open_paper_exchange(url) as exchange:
        await exchange.wait(_PATIENCE)
        for (user, venue), balances in accounts.items():
            line = await _create_one(exchange, user, venue, balances)
            if not quiet:
                print(f"{user} at {venue}: {line}")
            lines.append({"user": user, "venue": venue, "result": line})
    return lines


async def _create_one(exchange: PaperExchange, user: str, venue: str, balances: Balances) -> str:
    try:
        key: ApiKey = read_api_key(venue, user, Mode.PAPER)
    except ConfigurationError as error:
        return f"skipped: {error}"
    amounts = {asset: plain(amount) for asset, amount in balances.items()}
    await exchange.create_account(
        {"user": user, "venue": venue, "api_key": key.key, "api_secret": key.secret, "balances": amounts}
    )
    held = ", ".join(f"{amount} {asset}" for asset, amount in amounts.items())
    return f"ready with {held} (key {key.fingerprint})"
