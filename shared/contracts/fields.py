"""Flat field/value strings, so that `redis-cli XRANGE` reads like a ledger.

Decimals are plain (no exponent), instants are integer epoch milliseconds, a value that does not apply is an empty text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.domain.values.money import plain
from shared.domain.values.numerals import DECIMAL, whole
from shared.domain.values.symbol import Symbol

VERSION: Final = "1"
_SMALLEST, _LARGEST = -100, 20
"""Powers of ten that a decimal may span: beyond them arithmetic overflows, and one number fills a screen."""
LATEST: Final = 10**14
"""Epoch ms of the year 5138: an instant in microseconds is refused, instead of keeping an entry fresh for ever."""
_CANONICAL: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
"""The spelling of our own ids; other spellings of a UUID are accepted as well."""
_SPELT: Final = re.compile(r"(?:urn:uuid:)?\{?[0-9A-Fa-f-]{32,36}\}?")
"""UUID() also accepts underscores and digits of every script: two texts that look alike would be two ids."""


class MalformedMessageError(ValueError):
    """An entry or record that does not fit its schema; the text names the field."""


def _symbol(value: object) -> object:
    return Symbol.parse(value) if isinstance(value, str) else value


def _plain(value: object) -> object:
    """Reject texts that Decimal would accept but Shoal never writes: see `numerals`."""
    numbers = isinstance(value, (Decimal, int)) and not isinstance(value, bool)
    if numbers or (isinstance(value, str) and DECIMAL.fullmatch(value)):
        return value
    raise ValueError("must be a plain decimal, like 0.0005")


def _whole(value: object) -> object:
    """Parse a whole number more strictly than `int` does: see `numerals`."""
    found = whole(value) if isinstance(value, str) else value
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    raise ValueError("must be a whole number, in plain digits")


def _countable(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not _SMALLEST <= exponent <= value.adjusted() <= _LARGEST:
        raise ValueError("is too large or too small for an amount")
    return value


def _uuid(value: str) -> str:
    if _CANONICAL.fullmatch(value):
        return value
    if not _SPELT.fullmatch(value):
        raise ValueError("must be a UUID")
    return str(UUID(value))


def _none_if_blank(value: object) -> object:
    return None if value == "" else value


Id = Annotated[str, AfterValidator(_uuid)]
SymbolField = Annotated[Symbol, BeforeValidator(_symbol)]
_Plain = Annotated[Decimal, BeforeValidator(_plain)]
Number = Annotated[_Plain, Field(allow_inf_nan=False), AfterValidator(_countable)]
Amount = Annotated[_Plain, Field(ge=0, allow_inf_nan=False), AfterValidator(_countable)]
Positive = Annotated[_Plain, Field(gt=0, allow_inf_nan=False), AfterValidator(_countable)]
Fraction = Annotated[_Plain, Field(gt=0, le=1, allow_inf_nan=False), AfterValidator(_countable)]
Instant = Annotated[int, BeforeValidator(_whole), Field(ge=0, lt=LATEST)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
type_or_blank: Final = BeforeValidator(_none_if_blank)


def _number_or_none(value: object) -> Decimal | None:
    try:
        return _countable(Decimal(str(_plain(value))))
    except (ValueError, ArithmeticError):
        return None


Noted = Annotated[Decimal | None, BeforeValidator(_number_or_none)]
"""A number that is recorded for reports alone: what cannot be read is None, because no signal or order may be lost for it."""


class Message(BaseModel):
    """Base of every stream entry and record: versioned, flat, frozen."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    demands_version: ClassVar[bool] = False
    """Whether an entry without `v` is rejected. True for streams; a hash may be repaired by hand, field by field."""

    v: Annotated[str, Field(pattern=f"^{VERSION}$")] = VERSION

    @classmethod
    def parse(cls, fields: Mapping[str, str]) -> Self:
        """Parse the fields of an entry. Raises MalformedMessageError that names the first wrong field."""
        if cls.demands_version and "v" not in fields:
            raise MalformedMessageError(f"{cls.__name__}.v: a message must have its version")
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join([cls.__name__, *(str(part) for part in first["loc"])])
            raise MalformedMessageError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Make a message of values that are right already. `model_construct` does the same at five times the cost."""
        made = cls.__new__(cls)
        object.__setattr__(made, "__dict__", {**_defaults(cls), **values})
        object.__setattr__(made, "__pydantic_fields_set__", set(values))
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made

    def fields(self) -> dict[str, str]:
        """Return the message as flat text fields, in the order of the schema."""
        values = self.__dict__
        return {name: text(values[name]) for name in _names(type(self))}


@cache
def _names(message: type[Message]) -> tuple[str, ...]:
    return tuple(message.model_fields)


@cache
def _defaults(message: type[Message]) -> Mapping[str, Any]:
    return {name: field.default for name, field in message.model_fields.items() if not field.is_required()}


def text(value: Any) -> str:  # Any: a field of a message can hold any of the types below
    """Return the text that is written to Redis for one value."""
    if value is None:
        return ""
    kind = value.__class__
    if kind is str:
        return str(value)
    if kind is Decimal:
        return plain(value)
    if isinstance(value, Enum):
        return str(value.value)
    return str(value)


def read_json_object(written: str) -> Mapping[str, str]:
    """Parse a JSON object that a hash field holds. Raises MalformedMessageError."""
    try:
        found = json.loads(written)
    except ValueError:
        raise MalformedMessageError(f"not JSON: {written[:40]!r}") from None
    if not isinstance(found, dict):
        raise MalformedMessageError(f"not an object: {written[:40]!r}")
    return found
