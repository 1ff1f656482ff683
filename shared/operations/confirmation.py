"""Confirmations: what was shown, bound to its action, parameters and person; and that each is carried out once.

A token is no permission: roles are checked apart from it, at each request. It only holds what was shown, so that no one confirms
something else than they read, and an id, so that a repeated click or request is recognised.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.values.money import plain
from shared.operations.consequence import Consequence
from shared.operations.errors import BadConfirmation

LASTS_MS: Final = 10 * 60_000
"""How long a person may read before they confirm."""
_REMEMBERED_MS: Final = 60 * 60_000
"""How long a confirmation is recognised; longer than it lasts, so that none can be carried out twice."""
_LONGEST: Final = 4_096
_NOT_OURS: Final = "the confirmation cannot be read: ask for the consequence again"


@dataclass(frozen=True, slots=True)
class Shown:
    """What a token holds: `target` stands for action, parameters and person, `facts` and `figures` for the consequence."""

    id: str
    at: int
    target: str
    facts: str
    figures: Mapping[str, Decimal]

    def token(self) -> str:
        """Return it as one word for a URL, a form or JSON."""
        figures = {name: plain(value) for name, value in self.figures.items()}
        text = json.dumps([self.id, self.at, self.target, self.facts, figures], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def show(consequence: Consequence, target: str, at: int) -> str:
    """Return the token of a consequence that is shown at `at` (epoch ms)."""
    return Shown(secrets.token_hex(12), at, target, consequence.digest, consequence.figures).token()


def read_token(token: str) -> Shown:
    """Parse a token. Raises BadConfirmation."""
    if not token or len(token) > _LONGEST or not token.isascii():
        raise BadConfirmation("a confirmation is needed: ask for the consequence first" if not token else _NOT_OURS)
    try:
        found = json.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
        name, at, target, facts, figures = found
        numbers = {str(each): Decimal(value) for each, value in figures.items()}
    except (ValueError, TypeError, AttributeError, InvalidOperation, binascii.Error, RecursionError):
        raise BadConfirmation(_NOT_OURS) from None
    texts = all(isinstance(each, str) and each.isalnum() and len(each) <= 64 for each in (name, target, facts))
    if not (
        texts and type(at) is int and all(number.is_finite() and number.adjusted() < 30 for number in numbers.values())
    ):
        raise BadConfirmation(_NOT_OURS)
    return Shown(name, at, target, facts, numbers)


class Confirmations:
    """The confirmations that were used, in Redis, for an hour. Every method raises BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def find(self, shown: Shown) -> Mapping[str, str] | None:
        """Return what is recorded of a confirmation: `target`, and the result once it is done; None if it was not used."""
        found = await self._bus.do("GET", keys.confirmation(shown.id))
        return None if found is None else json.loads(found)

    async def begin(self, shown: Shown) -> bool:
        """Claim a confirmation; False if it was claimed before."""
        text = json.dumps({"target": shown.target})
        return bool(await self._bus.do("SET", keys.confirmation(shown.id), text, "NX", "PX", _REMEMBERED_MS))

    async def end(self, shown: Shown, result: Mapping[str, str]) -> None:
        """Record how it ended."""
        text = json.dumps({"target": shown.target, **result}, ensure_ascii=False)
        await self._bus.do("SET", keys.confirmation(shown.id), text, "PX", _REMEMBERED_MS)

    async def give_back(self, shown: Shown) -> None:
        """Forget a claim, because nothing was done."""
        await self._bus.do("DEL", keys.confirmation(shown.id))
