"""The figures equal those of empyrical-reloaded on the same daily returns, with 365 days a year.

`empyrical.json` has the series, what empyrical made of them and the script that wrote it there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from shared.backtest.results.metrics import (
    annual_return,
    daily_returns,
    max_drawdown,
    sharpe_ratio,
    sortino_ratio,
    total_return,
)

REFERENCE: Final[dict[str, Any]] = json.loads((Path(__file__).parent / "empyrical.json").read_text("utf-8"))
FIGURES: Final[dict[str, Callable[[Sequence[float]], float | None]]] = {
    "total_return": total_return,
    "cagr": annual_return,
    "max_drawdown": max_drawdown,
    "sharpe": sharpe_ratio,
    "sortino": sortino_ratio,
}


@pytest.mark.parametrize("name", REFERENCE["series"])
@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_that_of_empyrical(name: str, figure: str) -> None:
    expected = REFERENCE["figures"][name][figure]
    found = FIGURES[figure](REFERENCE["series"][name])
    assert found == (None if expected is None else pytest.approx(expected, rel=1e-9, abs=1e-12))


def test_returns_are_from_one_days_end_to_the_next() -> None:
    equity = [Decimal(100), Decimal(110), Decimal(99), Decimal(0), Decimal(0)]
    assert daily_returns(equity) == [0.1, -0.1, -1.0, 0.0]


def test_figures_without_variation_are_not_defined() -> None:
    assert annual_return([]) is None
    assert sharpe_ratio([0.01]) is None
    assert sharpe_ratio([0.01, 0.01, 0.01]) is None
    assert sortino_ratio([0.01, 0.02]) is None
    assert max_drawdown([]) == 0
    assert annual_return([-1.0, 0.5]) == -1
