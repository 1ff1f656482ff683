"""The requests of the control plane. Unknown fields are rejected: a misspelt one must not be a silent no-op."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Callable
from decimal import Decimal
from ipaddress import ip_network
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from services.paper_exchange.coinbase.keys import parse_secret
from services.paper_exchange.control.fault_options import FaultOptions, refusal_of
from services.paper_exchange.core.account import DEFAULT_PERMISSIONS, Permission
from services.paper_exchange.core.fault_table import FAULTS, WITH_ERROR_TEXT, WITHOUT_USER

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")]
LARGEST = Decimal(10**15)
Amount = Annotated[Decimal, Field(ge=0, le=LARGEST, allow_inf_nan=False)]


Venue = Literal["kraken", "coinbase"]
OTHER_VENUES_FIELDS: Final = {
    "kraken": {"key_type", "portfolio"},
    "coinbase": {"nonce_window", "margin", "ip_allowlist", "valid_until"},
}
"""The fields of a new account that a venue does not have."""


def _check_base64(secret: str) -> None:
    try:
        decoded = b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        decoded = b""
    if not decoded:
        raise ValueError("must be base64")


def _check_private_key(secret: str) -> None:
    parse_secret(secret)


def _check_address(text: str) -> str:
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("must be an IP address, or a range such as 198.51.100.0/24") from None
    return text


SECRET_CHECKS: Final[dict[str, Callable[[str], None]]] = {"coinbase": _check_private_key}
"""What a caller's own secret must be; base64 where nothing is named."""


class StrictModel(BaseModel):
    """The base of all requests."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class NewAccount(StrictModel):
    """`POST /paper/accounts`."""

    user: Name
    venue: Venue
    api_key: Annotated[str, Field(min_length=4, max_length=128, pattern=r"^[!-~]+$")] | None = None
    api_secret: str | None = Field(default=None, repr=False)
    balances: dict[str, Amount] = Field(default_factory=dict)
    permissions: frozenset[Permission] = DEFAULT_PERMISSIONS
    ip_allowlist: tuple[Annotated[str, AfterValidator(_check_address)], ...] = Field(default=(), max_length=32)
    valid_until: int = Field(default=0, ge=0, le=10**11)
    """Epoch seconds at which the key expires."""
    tier: Literal["starter", "intermediate", "pro", "unlimited"] = "pro"
    nonce_window: int = Field(default=0, ge=0)
    margin: bool = False
    key_type: Literal["ecdsa", "ed25519"] | None = None
    portfolio: Name | None = None

    @field_validator("api_secret")
    @classmethod
    def _well_formed(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None:
            SECRET_CHECKS.get(info.data.get("venue", ""), _check_base64)(value)
        return value

    @model_validator(mode="after")
    def _both_or_none(self) -> NewAccount:
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("give both api_key and api_secret, or neither")
        return self

    @model_validator(mode="after")
    def _fields_of_the_venue(self) -> NewAccount:
        for field in OTHER_VENUES_FIELDS[self.venue] & self.model_fields_set:
            raise ValueError(f"{field} does not apply to {self.venue}")
        if self.key_type is not None and self.api_secret is not None:
            raise ValueError("key_type is of a new key; a secret has its own")
        return self


class NewFault(StrictModel):
    """`POST /paper/faults`."""

    fault: str
    user: str = ""
    venue: Venue | Literal[""] = ""
    method: str = ""
    symbol: str = ""
    count: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, gt=0, le=1)
    seconds: float | None = Field(default=None, ge=0)
    fraction: float = Field(default=0.4, gt=0, lt=1)
    seed: int = 0
    error: str = Field(default="", max_length=200)

    @field_validator("user", "venue", "method", "symbol", mode="before")
    @classmethod
    def _null_is_any(cls, value: object) -> object:
        return "" if value is None else value

    @field_validator("fault")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in FAULTS:
            raise ValueError(f"unknown fault {value!r}; allowed: {', '.join(sorted(FAULTS))}")
        return value

    @model_validator(mode="after")
    def _at_its_venue(self) -> NewFault:
        only = FAULTS[self.fault].venue
        if only and self.venue not in {"", only}:
            raise ValueError(f"{self.fault} is a fault of {only} only")
        return self

    @model_validator(mode="after")
    def _options_that_it_honours(self) -> NewFault:
        fraction = "fraction" in self.model_fields_set
        named = (self.fault, self.user, self.venue, self.method, self.symbol, self.count, self.probability)
        if refusal := refusal_of(FaultOptions(*named, fraction)):
            raise ValueError(refusal)
        return self

    @model_validator(mode="after")
    def _user_where_there_is_one(self) -> NewFault:
        if self.user and self.fault in WITHOUT_USER:
            raise ValueError(f"{self.fault} strikes before the user is known: arm it without a user")
        return self

    @model_validator(mode="after")
    def _error_where_it_is_used(self) -> NewFault:
        if bool(self.error) != (self.fault in WITH_ERROR_TEXT):
            raise ValueError(
                f"error: the string to answer with; only, and always, for {', '.join(sorted(WITH_ERROR_TEXT))}"
            )
        return self


class NewPrice(StrictModel):
    """`POST /paper/price`."""

    symbol: str
    price: Annotated[Decimal, Field(gt=0, le=10**9, allow_inf_nan=False)]


class NewName(StrictModel):
    """`POST /paper/rename`: 1 of the old asset becomes `ratio` of the new one."""

    old: Annotated[str, Field(alias="from", pattern=r"^[A-Z0-9]{2,16}$")]
    new: Annotated[str, Field(alias="to", pattern=r"^[A-Z0-9]{2,16}$")]
    ratio: Annotated[Decimal, Field(gt=0, le=10**9, allow_inf_nan=False)] = Decimal(1)


class NewSpeed(StrictModel):
    """`POST /paper/clock`."""

    speed: float = Field(ge=0, le=100_000, allow_inf_nan=False)


class NewTransfer(StrictModel):
    """`POST /paper/deposit` and `/paper/withdraw`."""

    user: Name
    venue: Venue
    portfolio: Name | None = None
    asset: Annotated[str, Field(min_length=2, max_length=16)]
    amount: Annotated[Decimal, Field(gt=0, le=LARGEST, allow_inf_nan=False)]
