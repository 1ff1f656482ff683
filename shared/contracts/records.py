"""What stands in hashes: accounts, positions, prices, instruments. One text per value, JSON where a field holds a record."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Final

from pydantic import TypeAdapter, ValidationError

from shared.contracts.fields import (
    VERSION,
    Amount,
    Instant,
    MalformedMessageError,
    Message,
    Positive,
    SymbolField,
    type_or_blank,
)
from shared.domain.account import Account, AccountState, Position
from shared.domain.funds import Books, Funds
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

_AMOUNT: Final[TypeAdapter[Decimal]] = TypeAdapter(Amount)
_NUMBER: Final = r"[0-9]{1,18}(?:\.[0-9]{1,40})?"
_PRICE: Final = re.compile(r"([0-9]{1,21}(?:\.[0-9]{1,100})?) ([0-9]{1,15})")
_PLAIN_AMOUNT: Final = re.compile(_NUMBER)
_PLAIN_NUMBERS: Final = re.compile(f"{_NUMBER} {_NUMBER} {_NUMBER} [0-9]{{1,13}}")
_PLAIN_POSITION: Final = re.compile(
    rf'{{"v": "{VERSION}", "symbol": "([A-Z0-9.]{{1,16}}/[A-Z0-9.]{{1,16}})", "base_size": "({_NUMBER})", "cost": "({_NUMBER})", '
    rf'"opened_at": "([0-9]{{1,13}})", "updated_at": "([0-9]{{1,13}})", "high": "((?:{_NUMBER})?)"}}'
)
_READY: Final = AccountState.READY
ACCOUNT_FIELDS: Final = ("v", "state", "reason", "currency", "equity", "cash", "taker_fee", "as_of")
"""What is read of an account's hash; whose it is stands in its key."""


class AccountRecord(Message):
    """The hash `shoal:account:{user}:<venue>`. Amounts in `currency`; blank ones are not known, which is not zero."""

    user: str = ""
    venue: str = ""
    state: AccountState = AccountState.CONNECTING
    reason: str = ""
    currency: str = "USD"
    equity: Annotated[Amount | None, type_or_blank] = None
    cash: Annotated[Amount | None, type_or_blank] = None
    taker_fee: Annotated[Amount | None, type_or_blank] = None
    as_of: Annotated[Instant | None, type_or_blank] = None

    def to_domain(self, user: str, venue: str) -> Account:
        """Put the units on; the fee of the venue's dearest tier stands in for one that is not known."""
        return Account(
            user=user,
            venue=venue,
            state=self.state,
            reason=self.reason,
            equity=None if self.equity is None else Money(self.equity, self.currency),
            cash=None if self.cash is None else Money(self.cash, self.currency),
            taker_fee=dearest_taker_fee(venue) if self.taker_fee is None else self.taker_fee,
            as_of=self.as_of or 0,
        )

    @staticmethod
    def from_domain(account: Account) -> AccountRecord:
        """Take the units off."""
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
        )


class FundsMarkRecord(Message):
    """The hash `shoal:books:{user}:<venue>`: which money the account's other records are of, and since when (0: ever)."""

    funds: Funds
    since: Instant = 0
    renamed_to: str = ""
    renamed_at: Instant = 0
    taken_from: str = ""

    def to_domain(self) -> Books:
        """Give it as a value."""
        return Books(self.funds, self.since, self.renamed_to, self.renamed_at, self.taken_from)


class PositionRecord(Message):
    """One field of `shoal:positions:{user}:<venue>`: JSON text under the symbol."""

    symbol: SymbolField
    base_size: Amount
    cost: Amount
    opened_at: Instant
    updated_at: Instant
    high: Annotated[Positive | None, type_or_blank] = None


class InstrumentRecord(Message):
    """One field of `shoal:instruments:<venue>`: JSON text under the symbol."""

    symbol: SymbolField
    lot_step: Positive
    tick: Positive
    min_size: Amount
    min_cost: Amount
    status: PairStatus = PairStatus.ONLINE
    as_of: Annotated[Instant | None, type_or_blank] = None


def read_account_values(user: str, venue: str, values: Sequence[str | None]) -> Account | None:
    """Read the values of ACCOUNT_FIELDS; None if nothing was recorded. Raises MalformedMessageError.

    Nearly every account is ready and has plain numbers, as Shoal writes them; the schema is for what is not. The engine reads
    one for each user and entry.
    """
    v, state, reason, currency, equity, cash, taker_fee, as_of = values
    if (
        state == _READY
        and v == VERSION
        and currency is not None
        and reason is not None
        and _PLAIN_NUMBERS.fullmatch(f"{equity} {cash} {taker_fee} {as_of}")
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
        )
    known = {name: value for name, value in zip(ACCOUNT_FIELDS, values, strict=True) if value is not None}
    return AccountRecord.parse(known).to_domain(user, venue) if known else None


def read_money(amount: str, currency: str) -> Money | None:
    """Read an amount of an account's hash by itself; None if it is not known or none."""
    if _PLAIN_AMOUNT.fullmatch(amount):
        return Money(Decimal(amount), currency)
    try:
        return Money(_AMOUNT.validate_python(amount), currency)
    except ValidationError:
        return None


def write_position(position: Position) -> str:
    """Write a position as the text of its field."""
    high = "" if position.high is None else plain(position.high.amount)
    plainly = (
        f'{{"v": "{VERSION}", "symbol": "{position.symbol}", "base_size": "{plain(position.size.amount)}", '
        f'"cost": "{plain(position.cost.amount)}", "opened_at": "{position.opened_at}", '
        f'"updated_at": "{position.updated_at}", "high": "{high}"}}'
    )
    if high != "0" and _PLAIN_POSITION.fullmatch(plainly):  # what is not so plain is for the schema to judge
        return plainly
    return json.dumps(
        PositionRecord(
            symbol=position.symbol,
            base_size=position.size.amount,
            cost=position.cost.amount,
            opened_at=position.opened_at,
            updated_at=position.updated_at,
            high=position.high.amount if position.high else None,
        ).fields()
    )


@lru_cache(maxsize=16_384)
def read_position(written: str) -> Position:
    """Read a position; raises MalformedMessageError. What is held is read every second and seldom changes."""
    if (match := _PLAIN_POSITION.fullmatch(written)) is not None:  # as Shoal writes it; the schema is for what is not
        name, size, cost, opened, updated, high = match.groups()
        symbol, highest = Symbol.parse(name), Decimal(high) if high else None
        if highest is None or highest > 0:
            return Position(
                symbol,
                Quantity(Decimal(size), symbol.base),
                Money(Decimal(cost), symbol.quote),
                int(opened),
                int(updated),
                None if highest is None else Price(highest, symbol),
            )
    record = PositionRecord.parse(_object(written))
    return Position(
        symbol=record.symbol,
        size=Quantity(record.base_size, record.symbol.base),
        cost=Money(record.cost, record.symbol.quote),
        opened_at=record.opened_at,
        updated_at=record.updated_at,
        high=None if record.high is None else Price(record.high, record.symbol),
    )


def write_instrument(instrument: Instrument) -> str:
    """Write an instrument as the text of its field."""
    return json.dumps(
        InstrumentRecord(
            symbol=instrument.symbol,
            lot_step=instrument.lot_step,
            tick=instrument.tick,
            min_size=instrument.min_size,
            min_cost=instrument.min_cost,
            status=instrument.status,
            as_of=instrument.as_of,
        ).fields()
    )


def read_instrument(written: str) -> Instrument:
    """Read an instrument; raises MalformedMessageError."""
    record = InstrumentRecord.parse(_object(written))
    return Instrument(
        record.symbol, record.lot_step, record.tick, record.min_size, record.min_cost, record.status, record.as_of
    )


def write_price(price: Price, at: int) -> str:
    """Write a price and its instant (epoch ms) as the text of its field: `60000.1 1763829000000`."""
    return f"{plain(price.amount)} {at}"


@lru_cache(maxsize=1_024)
def read_price(symbol: Symbol, written: str) -> tuple[Price, int]:
    """Read a price and its instant; raises MalformedMessageError. All users read the same few."""
    match = _PRICE.fullmatch(written)
    price = Decimal(match[1]) if match else ZERO
    if match is None or price <= 0:
        raise MalformedMessageError(f"price of {symbol}: {written[:80]!r}")
    return Price(price, symbol), int(match[2])


def _object(written: str) -> Mapping[str, str]:
    try:
        found = json.loads(written)
    except ValueError:
        raise MalformedMessageError(f"not JSON: {written[:40]!r}") from None
    if not isinstance(found, dict):
        raise MalformedMessageError(f"not an object: {written[:40]!r}")
    return found
