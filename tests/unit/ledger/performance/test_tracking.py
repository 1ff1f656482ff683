"""The tracking error: what copying has returned in the same intervals, whatever else moved the accounts."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.contracts.equity_sample import EquitySample
from shared.ledger.performance.equity import CurvePoint
from shared.ledger.performance.tracking import returns, tracking_error


def curve(*points: tuple[int, str, str] | tuple[int, str, str, str]) -> list[CurvePoint]:
    """Return samples of (start, equity, profit, currency); an empty text is not known."""
    return [
        CurvePoint(
            start,
            EquitySample(
                currency=rest[0] if rest else "USD",
                equity=Decimal(equity) if equity else None,
                pnl=Decimal(profit) if profit else None,
            ),
        )
        for start, equity, profit, *rest in points
    ]


def test_an_account_that_returns_the_same_has_no_error_whatever_its_size() -> None:
    small = curve((1, "100", "0"), (2, "101", "1"), (3, "99.99", "-0.01"))
    large = curve((1, "10000", "0"), (2, "10100", "100"), (3, "9999", "-1"))
    found = tracking_error(small, large)
    assert (found.intervals, found.error, found.mean) == (2, Decimal(0), Decimal(0))


def test_the_error_is_the_standard_deviation_of_the_differences_in_percentage_points() -> None:
    user = curve((1, "100", "0"), (2, "100", "1"), (3, "100", "2"), (4, "100", "3"))
    master = curve((1, "100", "0"), (2, "100", "0"), (3, "100", "1"), (4, "100", "3"))
    found = tracking_error(user, master)
    assert found.error is not None
    assert (found.intervals, found.mean, found.error) == (3, Decimal(0), Decimal(1)), "differences of 1, 0 and -1"


def test_a_deposit_is_no_return() -> None:
    assert returns(curve((1, "100", "5"), (2, "1100", "5"), (3, "1100", "16"))) == {2: 0, 3: Decimal("0.01")}


@pytest.mark.parametrize(
    "gap",
    [(2, "", "1"), (2, "100", ""), (2, "100", "1", "EUR"), (2, "0", "1")],
    ids=["equity not known", "profit not known", "another currency", "nothing on the account"],
)
def test_an_interval_without_its_figures_has_no_return(gap: tuple[int, str, str]) -> None:
    found = returns(curve((1, "100", "0"), gap, (3, "100", "4")))
    assert 3 not in found


def test_two_intervals_in_common_are_needed() -> None:
    user = curve((1, "100", "0"), (2, "100", "1"), (3, "100", "2"))
    master = curve((2, "100", "0"), (3, "100", "1"), (5, "100", "1"))
    found = tracking_error(user, master)
    assert (found.intervals, found.error, found.mean) == (1, None, None)
