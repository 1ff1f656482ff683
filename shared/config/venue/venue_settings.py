"""The settings of each venue: its address, its rate limits, and the names of its variables.

`VENUE_FACTS` has a row for each venue; settings, secrets and preflight use the rows, so another venue is a row here (and a field
of `Settings` for each variable that it adds). Nothing else may spell a venue's variables or its real address.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.config.keys.coinbase_key import find_secret_fault, read_key_file
from shared.config.venue.origins import read_origin
from shared.domain.account import MASTER, further_name
from shared.domain.values.venue import VENUES, VenueName


@dataclass(frozen=True, slots=True)
class VenueFacts:
    """What is the same for every process: the venue's real address and the form of its keys."""

    name: VenueName
    real_url: str
    real_domain: str
    """Every host of this domain is the real venue, never a paper exchange."""
    takes_nonces: bool
    """Whether each private call carries a nonce, of which one counter in Redis exists per key."""
    find_secret_fault: Callable[[str], str]
    """Returns why a text cannot be a secret of this venue, or an empty string."""
    read_key_file: Callable[[str], tuple[str, str] | None]
    """Returns key and secret of a text that holds both, as the venue offers it for download; None for other texts.

    Raises ValueError, whose text continues a sentence, for one that should hold both and does not."""
    real_stream_url: str
    """The real venue's private streams."""
    real_public_stream_url: str
    """The real venue's public streams."""
    stream_path: str
    """The path of both kinds of streams at every other address, such as that of a paper exchange."""

    @property
    def title(self) -> str:
        """Return the name as people write it."""
        return self.name.title()

    @property
    def prefix(self) -> str:
        """Return how the names of the venue's variables begin."""
        return f"{self.name.upper()}_"

    @property
    def url_field(self) -> str:
        """Return the field of `Settings` that holds another address; its variable is the same in capitals."""
        return f"{self.name}_url"

    @property
    def url_variable(self) -> str:
        """Return the variable that holds another address than the real one."""
        return self.url_field.upper()

    @property
    def stream_url_field(self) -> str:
        """Return the field of `Settings` that holds another address of the private streams."""
        return f"{self.name}_stream_url"

    @property
    def stream_url_variable(self) -> str:
        """Return the variable that holds another address of the private streams."""
        return self.stream_url_field.upper()

    def stream_url(self, url: str, *, public: bool = False) -> str:
        """Return the address of the streams that belong to a base URL of REST: the real ones only for the real venue.

        Anything else serves its streams itself, at the same host and port. Raises ValueError for what is not a base URL.
        """
        given, real = read_origin(url), read_origin(self.real_url)
        if (given.scheme, given.host, given.port) == (real.scheme, real.host, real.port):
            return self.real_public_stream_url if public else self.real_stream_url
        scheme, _, place = url.rstrip("/").partition("://")
        return f"{'wss' if scheme == 'https' else 'ws'}://{place}{self.stream_path}"

    def key_stem(self, owner: str) -> str:
        """Return how the key variables of `owner` (a user id, `master` or `master.<key>`) begin: `_KEY` and `_SECRET` follow."""
        who = "MASTER" if owner == MASTER else f"USER_{variable_part(owner)}"
        if further := further_name(owner):
            who = f"MASTER_{variable_part(further)}"
        return f"{self.prefix}{who}_API"


@dataclass(frozen=True, slots=True)
class VenueSettings:
    """The settings of this process for one venue."""

    name: VenueName
    url: str
    """The base URL in this mode, without a trailing slash."""
    url_is_given: bool
    """Whether the URL is from the venue's variable."""
    tier: str | None
    """The verification tier of the accounts, which sets their rate limits; None for a venue without tiers, and for accounts whose
    tier the venue is asked for."""
    stream_url: str
    """The address of the private streams in this mode."""
    stream_url_is_given: bool
    """Whether that is from the venue's variable."""


def variable_part(user: str) -> str:
    """Return the part of a variable's name that stands for a user: the whole id, upper-cased, `-` as `_`."""
    return user.upper().replace("-", "_")


def _kraken_secret_fault(secret: str) -> str:
    try:
        valid = bool(base64.b64decode(secret, validate=True))
    except (binascii.Error, ValueError):
        valid = False
    return "" if valid else "the secret is not the base64 text that Kraken shows with a new key"


def _no_key_file(text: str) -> None:
    del text


VENUE_FACTS: Final[Mapping[str, VenueFacts]] = {
    facts.name: facts
    for facts in (
        VenueFacts(
            VenueName.KRAKEN,
            "https://api.kraken.com",
            "kraken.com",
            True,
            _kraken_secret_fault,
            _no_key_file,
            "wss://ws-auth.kraken.com/v2",
            "wss://ws.kraken.com/v2",
            "/v2",
        ),
        VenueFacts(
            VenueName.COINBASE,
            "https://api.coinbase.com",
            "coinbase.com",
            False,
            find_secret_fault,
            read_key_file,
            "wss://advanced-trade-ws-user.coinbase.com",
            "wss://advanced-trade-ws.coinbase.com",
            "/",
        ),
    )
}
VENUE_PREFIXES: Final = tuple(VENUE_FACTS[venue].prefix for venue in VENUES)
VENUE_URL_FIELDS: Final = tuple(VENUE_FACTS[venue].url_field for venue in VENUES)
VENUE_STREAM_FIELDS: Final = tuple(VENUE_FACTS[venue].stream_url_field for venue in VENUES)
KEY_VARIABLE: Final = re.compile(
    rf"(?P<name>(?:{'|'.join(VENUE_PREFIXES)})(?:MASTER(?:_(?P<master>[A-Z0-9][A-Z0-9_]*?))?|USER_(?P<user>[A-Z0-9][A-Z0-9_]*))_API_(?P<part>KEY|SECRET))(?:_FILE)?"
)
"""Matches the variables of keys and secrets, and those that name a file with one."""


def venue_of(variable: str) -> VenueName:
    """Return the venue whose variable this is. Raises KeyError for any other name."""
    for venue, facts in VENUE_FACTS.items():
        if variable.startswith(facts.prefix):
            return VenueName(venue)
    raise KeyError(variable)
