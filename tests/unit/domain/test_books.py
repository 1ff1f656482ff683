"""Books of masters in one position: they add up to it, and what is done for one master changes no other's."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest
from hypothesis import given, strategies as st

from shared.contracts.fields import MalformedMessageError
from shared.contracts.position_record import read_position, write_position
from shared.domain.position import MAIN, Position
from shared.domain.rename import Rename, Renames, merged
from shared.domain.values.money import ZERO, Money, Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, btc, btc_price as price, usd

MASTERS: Final = (MAIN, "swing", "trend-2")
amounts = st.decimals("0.00000001", 1000, places=8)
fills = st.tuples(st.sampled_from(MASTERS), st.sampled_from(("buy", "sell")), amounts, amounts)
FLAT: Final = Position.flat(BTC_USD, NOW)


def after(position: Position, fill: tuple[str, str, Decimal, Decimal], at: int) -> Position:
    master, side, size, cost = fill
    book = position.book(master)
    changed = book.bought(btc(size), usd(cost), at, price(1)) if side == "buy" else book.sold(btc(size), at)
    return position.with_book(master, changed)


def assert_adds_up(position: Position) -> None:
    books = position.split()
    assert sum((book.size.amount for book in books.values()), ZERO) == position.size.amount
    assert sum((book.cost.amount for book in books.values()), ZERO) == position.cost.amount
    assert all(book.size.amount > 0 and not book.books for book in books.values())
    assert bool(position.books) == any(master != MAIN for master in books)


@given(st.lists(fills, max_size=20))
def test_a_fill_for_one_master_changes_no_other_book_and_the_books_add_up(
    sequence: list[tuple[str, str, Decimal, Decimal]],
) -> None:
    position, alone = FLAT, dict.fromkeys(MASTERS, FLAT)
    for number, fill in enumerate(sequence):
        before, at = position, NOW + number
        position = after(position, fill, at)
        alone[fill[0]] = after(alone[fill[0]], fill, at)
        for master in MASTERS:
            if master != fill[0] and before.book(master).size.amount > 0:
                assert position.book(master) == before.book(master)
            lonely = alone[master].book(master)
            assert (position.book(master).size, position.book(master).cost) == (lonely.size, lonely.cost)
        assert_adds_up(position)
        if position.size.amount > 0:
            assert read_position(write_position(position)) == position


@given(st.lists(fills, min_size=1, max_size=8), st.decimals(0, 1, places=6), st.sampled_from(MASTERS))
def test_what_is_lost_without_a_sale_leaves_books_that_add_up(
    sequence: list[tuple[str, str, Decimal, Decimal]], share: Decimal, master: str
) -> None:
    position = FLAT
    for fill in sequence:
        position = after(position, fill, NOW)
    lost = btc((position.size.amount * share).quantize(Decimal("1E-8")))
    everyone, one = position.sold(lost, NOW + 1), position.missing(lost, master, NOW + 1)
    for found in (everyone, one):
        assert found.size.amount == position.size.amount - lost.amount
        assert_adds_up(found)
        for name, book in position.split().items():
            assert ZERO <= found.book(name).size.amount <= book.size.amount
    if lost <= position.book(master).size:
        for name, book in position.split().items():
            assert name == master or one.book(name) == book


@given(st.lists(fills, min_size=1, max_size=8), st.lists(fills, min_size=1, max_size=8))
def test_a_rename_moves_and_adds_each_book_for_itself(
    first: list[tuple[str, str, Decimal, Decimal]], second: list[tuple[str, str, Decimal, Decimal]]
) -> None:
    new = Symbol("XBT", "USD")
    renames = Renames.of([Rename("BTC", "XBT", Decimal(10))])
    one = other = FLAT
    for fill in first:
        one = after(one, fill, NOW)
    for fill in second:
        other = after(other, fill, NOW)
    found = merged(renames.position(one, new), renames.position(other, new))
    for master in MASTERS:
        total = (one.book(master).size.amount + other.book(master).size.amount) * 10
        assert found.book(master).size == Quantity(total, "XBT")
        assert found.book(master).cost.amount == one.book(master).cost.amount + other.book(master).cost.amount
    assert_adds_up(found)


def test_each_book_has_its_own_age_cost_and_high() -> None:
    first = FLAT.bought(btc("1"), usd(100), NOW, price(100))
    position = first.with_book("swing", FLAT.bought(btc("2"), usd(160), NOW + 9, price(80)))

    assert position.book(MAIN) == first
    assert (position.opened_at, position.updated_at, position.high) == (NOW, NOW + 9, price(100))
    assert position.book("swing").opened_at == NOW + 9
    assert position.book("swing").high == price(80)
    assert (position.size, position.cost) == (btc("3"), usd(260))


def test_the_record_is_as_ever_once_only_the_main_book_is_left() -> None:
    main = FLAT.bought(btc("1"), usd(100), NOW, price(100))
    both = main.with_book("swing", FLAT.bought(btc("2"), usd(160), NOW + 9))
    sold = both.with_book("swing", both.book("swing").sold(btc("2"), NOW + 20))

    assert write_position(sold) == write_position(main)
    fields = json.loads(write_position(both))
    assert {name: fields[name] for name in ("symbol", "base_size", "cost")} == {
        "symbol": "BTC/USD",
        "base_size": "3",
        "cost": "260",
    }


@pytest.mark.parametrize(
    "books",
    [
        {"swing": {"base_size": "2.1"}},
        {"swing": {"cost": "1"}},
        {"swing": {"symbol": "ETH/USD"}},
        {"Swing ": {}},
        {"kraken": {}},
        {"swing": "2"},
        "swing",
    ],
)
def test_books_that_do_not_add_up_are_refused(books: object) -> None:
    record = json.loads(write_position(FLAT.bought(btc("2"), usd(160), NOW)))
    if isinstance(books, dict):
        books = {name: {**record, **each} if isinstance(each, dict) else each for name, each in books.items()}

    with pytest.raises(MalformedMessageError):
        read_position(json.dumps({**record, "books": books}))


def test_an_empty_position_has_no_books() -> None:
    flat = replace(FLAT, cost=Money(ZERO, "USD"))

    assert flat.split() == {}
    assert flat.book("swing").size == btc("0")
    assert flat.seen(Price(Decimal(5), BTC_USD)).books == ()
