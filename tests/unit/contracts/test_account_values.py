"""An account's values are read as its schema reads them, whether or not the schema has to be asked."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.contracts.fields import MalformedMessageError
from shared.contracts.records import ACCOUNT_FIELDS, AccountRecord, read_account_values
from shared.domain.account import Account, AccountState
from tests.support.examples import an_account

USUAL = ("1", "ready", "", "USD", "10012.5", "940.12", "0.004", "1790000000000", None)

AMOUNTS = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "0", "0.004", "00.10", "1e3", "1E-8", "-1", "-0", "+1", "NaN", "Infinity", " 1", "1 ", "1.", ".5", "1_0"]
    ),
    st.sampled_from(["٣", "1,000", "9" * 18, "9" * 19, "9" * 25, "0." + "1" * 40, "0." + "1" * 120, "1.5 2", "ready"]),
    st.decimals(min_value=0, max_value=10**15, allow_nan=False, places=8).map(str),
)
INSTANTS = st.sampled_from(
    [None, "", "0", "1790000000000", "99999999999999", "100000000000000", "-1", "1.5", "now", "٣"]
)


def by_the_schema(user: str, venue: str, values: tuple[str | None, ...]) -> Account | None:
    """Read the values as a hash with those fields is read."""
    known = {name: value for name, value in zip(ACCOUNT_FIELDS, values, strict=True) if value is not None}
    return AccountRecord.parse(known).to_domain(user, venue) if known else None


def outcome(read: object, values: tuple[str | None, ...]) -> object:
    try:
        return read("alice", "kraken", values)  # type: ignore[operator]
    except MalformedMessageError as error:
        return str(error)


def test_the_usual_account() -> None:
    account = read_account_values("alice", "kraken", USUAL)
    assert account is not None
    assert account.state is AccountState.READY
    assert (account.taker_fee, account.as_of) == (Decimal("0.004"), 1_790_000_000_000)


def test_what_is_written_is_what_is_read() -> None:
    written = AccountRecord.from_domain(an_account()).fields()
    assert read_account_values("alice", "kraken", [written.get(name) for name in ACCOUNT_FIELDS]) == an_account()


def test_nothing_recorded_is_no_account() -> None:
    assert read_account_values("alice", "kraken", [None] * len(ACCOUNT_FIELDS)) is None


@given(
    v=st.sampled_from(["1", "2", None, ""]),
    state=st.sampled_from(["ready", "parked", "connecting", "gone", "", None]),
    reason=st.sampled_from(["", "EAPI:Invalid key", None]),
    currency=st.sampled_from(["USD", "EUR", "", None]),
    equity=AMOUNTS,
    cash=AMOUNTS,
    fee=AMOUNTS,
    instants=st.tuples(INSTANTS, INSTANTS),
)
def test_any_values_are_read_as_the_schema_reads_them(
    v: str | None, state: str | None, reason: str | None, currency: str | None,
    equity: str | None, cash: str | None, fee: str | None, instants: tuple[str | None, str | None],
) -> None:  # fmt: skip
    values = (v, state, reason, currency, equity, cash, fee, *instants)
    assert outcome(read_account_values, values) == outcome(by_the_schema, values)


@given(equity=AMOUNTS, cash=AMOUNTS, fee=AMOUNTS, as_of=INSTANTS, until=INSTANTS)
def test_any_amounts_of_a_ready_account_are_read_as_the_schema_reads_them(
    equity: str | None, cash: str | None, fee: str | None, as_of: str | None, until: str | None
) -> None:
    values = (*USUAL[:4], equity, cash, fee, as_of, until)
    assert outcome(read_account_values, values) == outcome(by_the_schema, values)


@pytest.mark.parametrize("place", range(4, 8))
def test_one_value_that_is_none_makes_the_account_unreadable(place: int) -> None:
    values = list(USUAL)
    values[place] = "a lot"
    with pytest.raises(MalformedMessageError, match=ACCOUNT_FIELDS[place]):
        read_account_values("alice", "kraken", values)
