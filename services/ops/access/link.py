"""`ops link`: print a follower's one-time link, or end everything that links have opened for a user."""

from __future__ import annotations

import sys
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.users import list_users, require_known
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.config.venue.origins import read_origin
from shared.sign_in.follower_links import LIFE_MS, FollowerLinks

_MINUTES: Final = LIFE_MS // 60_000

User = Annotated[str, typer.Argument(metavar="USER", help="The user whose account the link opens.")]
Url = Annotated[str, typer.Option("--url", help="Where the page is for the follower; default API_URL.")]
Revoke = Annotated[bool, typer.Option("--revoke", help="End the user's sessions and unused links instead.")]


def link(user: User, url: Url = "", revoke: Revoke = False, as_json: AsJson = False) -> None:
    """Print a link that shows one user their own account: it works once, within 15 minutes."""

    async def work(settings: Settings, bus: Bus) -> str:
        base = _base(settings, url)
        links = FollowerLinks(bus)
        if revoke:  # of any name: a user who is gone may have sessions left
            await links.revoke(user)
            return ""
        require_known(user, await list_users(settings, bus), option="")
        return f"{base}/link/{await links.create(user)}"

    made = run_with_bus(work)
    if revoke:
        if as_json:
            print_json({"user": user, "revoked": True})
        else:
            print(f"{user}: all sessions and unused links have ended")
    elif as_json:
        print_json({"user": user, "url": made, "valid_seconds": LIFE_MS // 1000})
    else:
        print(made)
        print(
            f"ops: {user} sees their own account only; the link works once, within {_MINUTES} minutes", file=sys.stderr
        )


def _base(settings: Settings, given: str) -> str:
    """Return the address of the page. Raises ConfigurationError for an unusable --url."""
    if given:
        try:
            read_origin(given)
        except ValueError as error:
            raise ConfigurationError(f"--url {error}") from None
        if urlsplit(given).path.strip("/"):
            raise ConfigurationError("--url must end with its host or port: the page is at the root")
        return given.rstrip("/")
    return settings.api_url or f"http://127.0.0.1:{settings.api_port}"
