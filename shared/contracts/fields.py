"""Flat field/value strings, so that `redis-cli XRANGE` reads like a ledger.

Decimals are plain (no exponent), instants are integer epoch milliseconds, what does not apply is an empty text.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from shared.domain.values.money import plain
from shared.domain.values.numerals import DECIMAL, whole
from shared.domain.values.symbol import Symbol

VERSION: Final = "1"
_SMALLEST, _LARGEST = -100, 20
"""Powers of ten that decimals may span: beyond them arithmetic overflows, and the plain text of one number fills a screen."""
_LATEST: Final = 10**14
"""Epoch ms of the year 5138: an instant in microseconds is refused, instead of making an entry fresh for ever."""


class MalformedMessageError(ValueError):
    """An entry that is not what its stream holds; the text names the field."""


def _symbol(value: object) -> object:
    return Symbol.parse(value) if isinstance(value, str) else value


def _plain(value: object) -> object:
    """Refuse a text that Decimal would read and the wire does not have: see `numerals`."""
    numbers = isinstance(value, (Decimal, int)) and not isinstance(value, bool)
    if numbers or (isinstance(value, str) and DECIMAL.fullmatch(value)):
        return value
    raise ValueError("must be a plain decimal, like 0.0005")


def _whole(value: object) -> object:
    """Read a text as a whole number, which `int` would do for too many of them."""
    found = whole(value) if isinstance(value, str) else value
    if isinstance(found, int) and not isinstance(found, bool):
        return found
    raise ValueError("must be a whole number, in plain digits")


def _countable(value: Decimal) -> Decimal:
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or not _SMALLEST <= exponent <= value.adjusted() <= _LARGEST:
        raise ValueError("is not an amount of anything")
    return value


def _none_if_blank(value: object) -> object:
    return None if value == "" else value


SymbolField = Annotated[Symbol, BeforeValidator(_symbol)]
_Plain = Annotated[Decimal, BeforeValidator(_plain)]
Number = Annotated[_Plain, Field(allow_inf_nan=False), AfterValidator(_countable)]
Amount = Annotated[_Plain, Field(ge=0, allow_inf_nan=False), AfterValidator(_countable)]
Positive = Annotated[_Plain, Field(gt=0, allow_inf_nan=False), AfterValidator(_countable)]
Fraction = Annotated[_Plain, Field(gt=0, le=1, allow_inf_nan=False), AfterValidator(_countable)]
Instant = Annotated[int, BeforeValidator(_whole), Field(ge=0, lt=_LATEST)]
Count = Annotated[int, BeforeValidator(_whole), Field(ge=0)]
type_or_blank: Final = BeforeValidator(_none_if_blank)


class Message(BaseModel):
    """Base of everything that is written to a stream or a record: versioned, flat, frozen."""

    model_config = ConfigDict(frozen=True, extra="ignore", arbitrary_types_allowed=True)

    demands_version: ClassVar[bool] = False
    """Whether what has no `v` is refused. So it is in streams; a hash may be put right by hand, field by field."""

    v: Annotated[str, Field(pattern=f"^{VERSION}$")] = VERSION

    @classmethod
    def parse(cls, fields: Mapping[str, str]) -> Self:
        """Read the fields of an entry; raises MalformedMessageError that names the first wrong field."""
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
        """Write the message as flat text fields, in the order of the schema."""
        values = self.__dict__
        return {name: text(values[name]) for name in _names(type(self))}


@cache
def _names(message: type[Message]) -> tuple[str, ...]:
    return tuple(message.model_fields)


@cache
def _defaults(message: type[Message]) -> Mapping[str, Any]:
    return {name: field.default for name, field in message.model_fields.items() if not field.is_required()}


def text(value: Any) -> str:  # whatever a field of a message can hold
    """Write one value as the text that stands in Redis."""
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
