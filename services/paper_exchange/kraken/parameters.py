"""The parameters of a request: a form or a JSON body, parsed into texts. Nothing here knows what a parameter means.

python-kraken-sdk sends `validate=False` with real orders, so the text of a boolean is parsed as one. Amounts are plain
decimals: an exponent, a sign or a NaN is an invalid argument, never a number.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qsl

from services.paper_exchange.kraken.errors import INVALID_ARGUMENTS, KrakenRefusal, bad_argument

# Price times volume has at most 22 digits before the point, within the precision of Decimal.
PLAIN: Final = re.compile(r"\d{1,11}(\.\d{0,20})?|\.\d{1,20}", re.ASCII)
TRUE: Final = frozenset({"true", "1", "yes"})
FALSE: Final = frozenset({"", "false", "0", "no", "none"})


class Parameters:
    """The parameters of one request."""

    __slots__ = ("_lists", "_texts")

    def __init__(self, texts: dict[str, str], lists: dict[str, list[object]] | None = None) -> None:
        self._texts = texts
        self._lists = lists or {}

    @classmethod
    def of_query(cls, query: bytes) -> Parameters:
        """Parse a query string."""
        return cls(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))

    @classmethod
    def of_body(cls, body: bytes, content_type: bytes) -> Parameters:
        """Parse a form or a JSON object. Raises KrakenRefusal if it is neither."""
        try:
            if b"json" in content_type:
                return cls.of_object(json.loads(body or b"{}", parse_float=str, parse_int=str))
            return cls(dict(parse_qsl(body.decode(), keep_blank_values=True)))
        except (ValueError, RecursionError):
            raise KrakenRefusal(INVALID_ARGUMENTS) from None

    @classmethod
    def of_object(cls, values: object) -> Parameters:
        """Convert a JSON object: nested ones become `outer[inner]`, lists stay lists."""
        if not isinstance(values, dict):
            raise KrakenRefusal(INVALID_ARGUMENTS)
        texts: dict[str, str] = {}
        lists: dict[str, list[object]] = {}
        for name, value in values.items():
            if isinstance(value, dict):
                texts.update({f"{name}[{inner}]": _text(item) for inner, item in value.items()})
            elif isinstance(value, list):
                lists[name] = value
            elif value is not None:
                texts[name] = _text(value)
        return cls(texts, lists)

    def text(self, name: str) -> str:
        """Return a parameter's text, empty if it is absent."""
        return self._texts.get(name, "")

    def need(self, name: str) -> str:
        """Return a required parameter. Raises KrakenRefusal if it is absent."""
        value = self._texts.get(name, "")
        if not value:
            raise bad_argument(name)
        return value

    def flag(self, name: str) -> bool:
        """Parse a boolean; absent is False."""
        value = self._texts.get(name)
        if value is None:
            return False
        lowered = value.lower()
        if lowered in TRUE:
            return True
        if lowered in FALSE:
            return False
        raise bad_argument(name)

    def amount(self, name: str) -> Decimal | None:
        """Parse a plain non-negative decimal; None if it is absent."""
        value = self._texts.get(name, "")
        return decimal_of(value, name) if value else None

    def integer(self, name: str, default: int = 0) -> int:
        """Parse an integer."""
        value = self._texts.get(name, "")
        if not value:
            return default
        try:
            return int(value)
        except ValueError:
            raise bad_argument(name) from None

    def items(self, name: str) -> list[object]:
        """Return a list: from JSON, from JSON inside a form field, or from a comma list."""
        if name in self._lists:
            return self._lists[name]
        value = self._texts.get(name, "")
        if value.startswith("["):
            try:
                found = json.loads(value, parse_float=str, parse_int=str)
            except ValueError:
                raise bad_argument(name) from None
            return list(found)
        return list(value.split(",")) if value else []


def decimal_of(text: str, name: str) -> Decimal:
    """Parse a plain non-negative decimal."""
    if not PLAIN.fullmatch(text):
        raise bad_argument(name)
    return Decimal(text)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else "" if value is None else str(value)
