"""The records of an account in hashes: its state and amounts, and the kind of money that its records are about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Final

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from shared.contracts.fields import (
    LATEST,
    VERSION,
    Amount,
    Instant,
    Message,
    type_or_blank,
)
from shared.domain.account import Account, AccountState
from shared.domain.funds import Funds, FundsMark
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.money import Money
from shared.domain.values.numerals import whole

_AMOUNT: Final[TypeAdapter[Decimal]] = TypeAdapter(Amount)
_NUMBER: Final = r"[0-9]{1,18}(?:\.[0-9]{1,40})?"
_PLAIN_AMOUNT: Final = re.compile(_NUMBER)
_PLAIN_NUMBERS: Final = re.compile(f"{_NUMBER} {_NUMBER} {_NUMBER} [0-9]{{1,13}} [0-9]{{0,13}}")
_READY: Final = AccountState.READY
ACCOUNT_FIELDS: Final = ("v", "state", "reason", "currency", "equity", "cash", "taker_fee", "as_of", "doctor_until")
"""The fields that are read of an account's hash; its user and venue are in the key."""


def _instant_or_zero(value: object) -> object:
    """Read what is not an instant as one that has long passed: an unreadable pass of the key allows nothing."""
    if value is None or value == "":
        return None
    found = whole(value) if isinstance(value, str) else value
    return found if isinstance(found, int) and 0 <= found < LATEST else 0


class AccountRecord(Message):
    """The hash `shoal:account:{user}:<venue>`. Amounts in `currency`; a blank amount is unknown, not zero.

    `doctor_until` is only read here: it is written with the rest of the check of the key (`doctor.py`).
    """

    user: str = ""
    venue: str = ""
    state: AccountState = AccountState.CONNECTING
    reason: str = ""
    currency: str = "USD"
    equity: Annotated[Amount | None, type_or_blank] = None
    cash: Annotated[Amount | None, type_or_blank] = None
    taker_fee: Annotated[Amount | None, type_or_blank] = None
    as_of: Annotated[Instant | None, type_or_blank] = None
    doctor_until: Annotated[int | None, BeforeValidator(_instant_or_zero)] = None
    served: str = ""

    def fields(self) -> dict[str, str]:
        """Return the fields that are written with an account."""
        return {name: value for name, value in super().fields().items() if name != "doctor_until"}

    def to_domain(self, user: str, venue: str) -> Account:
        """Return the account, with units; an unknown fee is taken as that of the venue's highest tier."""
        return Account(
            user=user,
            venue=venue,
            state=self.state,
            reason=self.reason,
            equity=None if self.equity is None else Money(self.equity, self.currency),
            cash=None if self.cash is None else Money(self.cash, self.currency),
            taker_fee=dearest_taker_fee(venue) if self.taker_fee is None else self.taker_fee,
            as_of=self.as_of or 0,
            entries_until=self.doctor_until,
            served=self.served,
        )

    @staticmethod
    def from_domain(account: Account) -> AccountRecord:
        """Return the record of an account, without units."""
        known = account.equity or account.cash
        return AccountRecord(
            user=account.user,
            venue=account.venue,
            state=account.state,
            reason=account.reason,
            currency=known.currency if known else "USD",
            equity=account.equity.amount if account.equity else None,
            cash=account.cash.amount if account.cash else None,
            taker_fee=account.taker_fee,
            as_of=account.as_of,
            served=account.served,
        )


class FundsMarkRecord(Message):
    """The hash `shoal:books:{user}:<venue>`: which money the account's other records are of, and since when (0: ever)."""

    funds: Funds
    since: Instant = 0
    renamed_to: str = ""
    renamed_at: Instant = 0
    taken_from: str = ""
    formerly: str = ""
    key: str = ""
    other_key: str = ""

    def to_domain(self) -> FundsMark:
        """Return it as a domain value."""
        return FundsMark(
            funds=self.funds,
            since=self.since,
            renamed_to=self.renamed_to,
            renamed_at=self.renamed_at,
            taken_from=self.taken_from,
            formerly=self.formerly,
            key=self.key,
            other_key=self.other_key,
        )


def read_account_values(user: str, venue: str, values: Sequence[str | None]) -> Account | None:
    """Parse the values of ACCOUNT_FIELDS; None if nothing was recorded. Raises MalformedMessageError.

    The engine reads one account per user and entry, and nearly every account is ready and has plain numbers as Shoal writes them:
    those skip the schema.
    """
    v, state, reason, currency, equity, cash, taker_fee, as_of, until = values
    if (
        state == _READY
        and v == VERSION
        and currency is not None
        and reason is not None
        and _PLAIN_NUMBERS.fullmatch(f"{equity} {cash} {taker_fee} {as_of} {until or ''}")
    ):
        fee, instant = Decimal(str(taker_fee)), int(str(as_of))
        return Account(
            user,
            venue,
            _READY,
            reason,
            Money(Decimal(str(equity)), currency),
            Money(Decimal(str(cash)), currency),
            fee,
            instant,
            int(until) if until else None,
        )
    known = {name: value for name, value in zip(ACCOUNT_FIELDS, values, strict=True) if value is not None}
    return AccountRecord.parse(known).to_domain(user, venue) if known else None


def read_money(amount: str, currency: str) -> Money | None:
    """Parse a single amount of an account's hash; None if it is blank or not an amount."""
    if _PLAIN_AMOUNT.fullmatch(amount):
        return Money(Decimal(amount), currency)
    try:
        return Money(_AMOUNT.validate_python(amount), currency)
    except ValidationError:
        return None
