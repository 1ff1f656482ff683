"""Renamed assets: which name counts, what becomes of a position, and that nothing is counted twice."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.domain.limits.policy import SymbolPolicy
from shared.domain.position import Position
from shared.domain.rename import Rename, RenameAction, Renames, merged, rename_action, under_all_names
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from tests.support.examples import NOW, usd

DOT, NDOT, XDOT = (Symbol(name, "USD") for name in ("DOT", "NDOT", "XDOT"))
TWICE = Renames.of([Rename("DOT", "NDOT", Decimal(10)), Rename("NDOT", "XDOT")])


def held(symbol: Symbol, size: str, cost: str = "60", high: str = "6") -> Position:
    amount = Quantity(Decimal(size), symbol.base)
    return Position.flat(symbol, NOW).bought(amount, usd(cost), NOW, Price(Decimal(high), symbol))


def test_a_name_is_followed_to_the_present_one() -> None:
    assert TWICE.symbol(DOT) == TWICE.symbol(NDOT) == TWICE.symbol(XDOT) == XDOT
    assert set(TWICE.former(XDOT)) == {DOT, NDOT}
    assert set(TWICE.former(DOT)) == {NDOT, XDOT}
    assert TWICE.symbol(Symbol("BTC", "USD")) == Symbol("BTC", "USD")
    assert TWICE.former(Symbol("BTC", "USD")) == ()


def test_a_redenomination_changes_the_amount_and_not_what_it_cost() -> None:
    moved = TWICE.position(held(DOT, "10"), XDOT)
    assert (moved.symbol, moved.size, moved.cost) == (XDOT, Quantity(Decimal(100), "XDOT"), usd(60))
    assert moved.high == Price(Decimal("0.6"), XDOT)
    assert (moved.opened_at, moved.updated_at) == (NOW, NOW)
    assert TWICE.ratio(XDOT, DOT) == Decimal("0.1")


def test_two_under_one_name_become_one() -> None:
    found = TWICE.positions({DOT: held(DOT, "10"), XDOT: held(XDOT, "5", "4", "0.7")})
    assert found.keys() == {XDOT}
    assert (found[XDOT].size.amount, found[XDOT].cost) == (Decimal(105), usd(64))
    assert found[XDOT].high == Price(Decimal("0.7"), XDOT)
    assert merged(found[XDOT], Position.flat(XDOT, NOW)).size == found[XDOT].size


@pytest.mark.parametrize(
    "table",
    [
        [Rename("DOT", "NDOT"), Rename("DOT", "XDOT")],
        [Rename("DOT", "NDOT"), Rename("NDOT", "DOT")],
        [Rename("A", "B"), Rename("B", "C"), Rename("C", "B2"), Rename("B2", "A")],
    ],
)
def test_a_table_that_leads_nowhere_is_refused(table: list[Rename]) -> None:
    with pytest.raises(ValueError, match=r"renamed (twice|in a circle)"):
        Renames.of(table)


def test_the_venues_own_names_are_added_and_never_override_the_operators() -> None:
    table = Renames.of([Rename("DOT", "NDOT")])
    assert table.plus({"DOT": "WRONG", "LUNA": "LUNC"}).symbol(Symbol("LUNA", "USD")).base == "LUNC"
    assert table.plus({"DOT": "WRONG"}) == table
    assert table.plus({"NDOT": "DOT"}) == table, "a circle is not a rename"


def test_what_is_gone_has_no_other_name() -> None:
    gone = Renames.of([Rename("DOT", "")])
    assert (gone.gone("DOT"), gone.symbol(DOT), gone.former(DOT)) == (True, DOT, ())
    assert not TWICE.gone("DOT")


@pytest.mark.parametrize(
    ("old_listed", "old_total", "new_listed", "new_total", "expected"),
    [
        (True, "10", False, "0", RenameAction.STAY),  # an entry in the table before the day
        (True, "10", True, "3", RenameAction.STAY),  # both are traded, and the coins are still the old ones
        (False, "10", True, "0", RenameAction.WAIT),
        (False, "10", True, "10", RenameAction.WAIT),  # the new ones are the owner's: the old ones are not changed yet
        (False, "0", True, "0", RenameAction.WAIT),
        (False, "0", False, "0", RenameAction.WAIT),
        (True, "0", True, "0", RenameAction.WAIT),
        (
            True,
            "0",
            False,
            "0",
            RenameAction.WAIT,
        ),  # the list of pairs is old, or the owner has moved the coins
        (True, "0", False, "10", RenameAction.WAIT),  # as above, and the coins are there
        (False, "0", True, "10", RenameAction.MOVE),
        (False, "0.01", True, "10", RenameAction.MOVE),  # a rest that the venue left behind
        (True, "0", True, "10", RenameAction.MOVE),
        (False, "0", False, "10", RenameAction.WAIT),  # the coins are there and cannot be sold yet
    ],
)
def test_where_the_coins_are_decides(
    old_listed: bool, old_total: str, new_listed: bool, new_total: str, expected: RenameAction
) -> None:
    found = rename_action(
        Decimal(10),
        old_listed=old_listed,
        old_total=Decimal(old_total),
        new_listed=new_listed,
        new_total=Decimal(new_total),
    )
    assert found is expected


def test_what_a_user_excluded_stays_excluded_under_its_new_name() -> None:
    euro = Symbol("DOT", "EUR")
    chosen = SymbolPolicy(include=frozenset({DOT}), exclude=frozenset({NDOT}), map={DOT: euro})
    found = under_all_names(chosen, [TWICE])
    assert found.include == {DOT, XDOT}
    assert found.exclude == {NDOT, XDOT}
    assert found.map == {DOT: euro, XDOT: Symbol("XDOT", "EUR")}
    assert under_all_names(chosen, []) is chosen
    others = SymbolPolicy(exclude=frozenset({Symbol("BTC", "USD")}))
    assert under_all_names(others, [TWICE]) is others
