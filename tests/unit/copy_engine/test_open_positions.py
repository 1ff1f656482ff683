"""What the master has open by its signals: sizes, average prices, and which signal a user would join by."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from services.copy_engine.followers.open_positions import JoinablePosition, OpenPositions
from shared.domain.signal import Signal
from shared.domain.values.symbol import Symbol
from tests.support.examples import an_entry, an_exit, btc, btc_price, usd

Step = tuple[str, str, str]
"""`buy` with a size and a price, or `sell` with a fraction and nothing."""


def played(*steps: Step, held: str = "0") -> OpenPositions:
    """Let the master, who holds `held` at first, trade; the n-th signal has the entry id `n-0`."""
    found, position = OpenPositions(), Decimal(held)
    for number, (what, size, price) in enumerate(steps, 1):
        before = btc(position)
        position = position + Decimal(size) if what == "buy" else position * (1 - Decimal(size))
        signal = (
            an_entry(
                str(number),
                base_size=btc(size),
                quote_size=usd(Decimal(size) * Decimal(price)),
                price=btc_price(price),
                position_before=before,
                position_after=btc(position),
            )
            if what == "buy"
            else an_exit(str(number), size, position_before=before, position_after=btc(position))
        )
        found.apply(f"{number}-0", signal)
    return found


def only(found: OpenPositions, start: str) -> JoinablePosition:
    (joinable,) = found.joinable(start)
    return joinable


def test_a_position_is_joined_by_its_last_entry_at_the_average_of_all() -> None:
    joinable = only(played(("buy", "0.1", "60000"), ("buy", "0.3", "64000")), "2-0")
    assert (joinable.latest.entry_id, joinable.position.size) == ("2-0", btc("0.4"))
    assert joinable.position.average == btc_price(63000)
    assert joinable.added is None


def test_selling_a_part_lessens_the_position_and_leaves_its_average() -> None:
    joinable = only(played(("buy", "0.4", "60000"), ("sell", "0.25", ""), ("buy", "0.1", "68000")), "3-0")
    assert joinable.position.size == btc("0.4")
    assert joinable.position.average == btc_price(62000)


def test_what_was_bought_before_the_master_was_flat_counts_no_more() -> None:
    joinable = only(played(("buy", "0.1", "90000"), ("sell", "1", ""), ("buy", "0.1", "60000")), "3-0")
    assert joinable.position.average == btc_price(60000)


@pytest.mark.parametrize("start", ["1-0", "2-0"])
def test_a_closed_position_is_joined_by_nobody(start: str) -> None:
    assert played(("buy", "0.1", "60000"), ("sell", "1", "")).joinable(start) == []


def test_a_close_of_the_whole_is_one_whatever_position_it_tells() -> None:
    found = played(("buy", "0.1", "60000"))
    found.apply("2-0", an_exit("2", "1", position_after=btc("0.1")))
    assert found.joinable("9-0") == []


def test_a_position_that_was_opened_after_he_began_to_follow_is_not_joined() -> None:
    found = played(("buy", "0.1", "60000"), ("sell", "1", ""), ("buy", "0.1", "60000"))
    assert found.joinable("1-0") == []
    assert found.joinable("0-0") == []


def test_an_entry_that_came_after_he_began_to_follow_is_told() -> None:
    joinable = only(played(("buy", "0.1", "60000"), ("buy", "0.1", "61000")), "1-0")
    assert joinable.latest.entry_id == "1-0"
    assert joinable.added == an_entry_of("2", joinable)


def an_entry_of(number: str, joinable: JoinablePosition) -> Signal:
    (found,) = [each.signal for each in joinable.position.entries if each.entry_id == f"{number}-0"]
    return found


def test_without_its_beginning_a_position_has_no_known_average() -> None:
    joinable = only(played(("buy", "0.1", "60000"), held="0.2"), "1-0")
    assert joinable.position.size == btc("0.3")
    assert joinable.position.average is None


def test_an_entry_that_tells_no_position_opens_none() -> None:
    found = OpenPositions()
    found.apply("1-0", an_entry(position_after=btc(0)))
    assert found.joinable("1-0") == []


def test_each_symbol_and_venue_has_its_own_position() -> None:
    found = OpenPositions()
    found.apply("1-0", an_entry("1"))
    found.apply("2-0", an_entry("2", venue="coinbase"))
    found.apply("3-0", an_entry("3", symbol=Symbol("BTC", "USDC")))
    found.apply("4-0", an_exit("4", venue="coinbase"))
    assert sorted(each.latest.entry_id for each in found.joinable("4-0")) == ["1-0", "3-0"]


@given(
    st.lists(
        st.tuples(
            st.decimals("0.0001", "9", places=4, allow_nan=False), st.decimals("1", "90000", places=2, allow_nan=False)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_the_average_lies_within_the_prices_paid_and_is_never_rounded_up(fills: list[tuple[Decimal, Decimal]]) -> None:
    joinable = only(played(*(("buy", str(size), str(price)) for size, price in fills)), "99-0")
    average = joinable.position.average
    assert average is not None
    assert average.amount <= max(price for _, price in fills)
    assert average.amount * sum(size for size, _ in fills) <= sum(size * price for size, price in fills)
    assert average.amount >= min(price for _, price in fills) * (1 - Decimal("1E-11"))
