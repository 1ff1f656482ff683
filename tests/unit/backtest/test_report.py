"""The report is one file that needs nothing else, escapes what it is given, and states what its figures leave out."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from html import escape
from html.parser import HTMLParser

import pytest

from shared.backtest.backtest import run_backtest
from shared.backtest.fill_model import FillModel
from shared.backtest.report.assumptions import NOT_MODELLED, Gaps, Setting, assumed
from shared.backtest.report.chart import Line, line_chart
from shared.backtest.report.html_file import backtest_html
from shared.backtest.report.views import (
    CSV_COLUMNS,
    LEAST_DAYS,
    RATIO_COLUMNS,
    as_json,
    csv_rows,
    fill_rows,
    money_columns,
    money_rows,
    notes_of,
    ratio_rows,
    skip_rows,
)
from shared.backtest.results.result import BacktestResult
from shared.domain.values.money import ONE
from shared.strategies.port import Enter, Exit, Intent
from tests.support.backtests import BTC, STEP, Scripted, flat_candles, scenario, user

D = Decimal
FILLS = FillModel(D(5), D(2))
SETTING = Setting(
    ("<sma>",), ("BTC/USD",), 5, "seed 7", {"kraken": D("0.004")}, FILLS, Gaps(3, "2 of BTC/USD from 2025-01-02 03:00")
)
VOID = {"meta"}


class Checker(HTMLParser):
    """Checks that every element is closed in its order, and collects what would fetch something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetches: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.fetches += [f"{tag} {name}" for name, _ in attrs if name in {"src", "href", "xlink:href", "srcset"}]
        if tag in {"script", "link", "iframe", "img", "object", "base"}:
            self.fetches.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close an element."""
        assert self.open.pop() == tag


@pytest.fixture(name="result")
def of_three_days() -> BacktestResult:
    """Return a run of three days, with a user who copies and one who is too small."""
    script: dict[int, list[Intent]] = {
        0: [Enter(BTC, D("0.5"), "up")],
        300: [Exit(BTC, ONE, "down")],
        600: [Enter(BTC, D("0.1"), "up")],
    }
    prices = [60_000 + 10 * number for number in range(864)]
    users = [user("alice", 5000), user("carol", 1)]
    return run_backtest(
        scenario(Scripted(script), {BTC: flat_candles(*prices)}, users=users, fills=FILLS, fee=D("0.004"))
    )


def test_the_file_is_whole_and_fetches_nothing(result: BacktestResult) -> None:
    html = backtest_html(result, SETTING, result.end)
    checker = Checker()
    checker.feed(html)
    assert checker.open == []
    assert checker.fetches == []
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|url\(|@import", html)
    assert "&lt;sma&gt;" in html
    assert "<sma>" not in html
    for text in (*NOT_MODELLED, "alice", "below_minimum", "Still held at the end: BTC/USD"):
        assert escape(text) in html
    assert html.count("<polyline") == 2 * len(result.accounts)


def test_the_equity_has_a_row_per_day_and_the_start(result: BacktestResult) -> None:
    assert [instant - result.start for instant in result.instants] == [0, 288 * STEP, 576 * STEP, 864 * STEP]
    assert all(len(account.equity) == len(result.instants) for account in result.accounts)


def test_rows_have_a_cell_per_column(result: BacktestResult) -> None:
    assert {len(row) for row in money_rows(result)} == {len(money_columns(result))}
    assert {len(row) for row in ratio_rows(result)} == {len(RATIO_COLUMNS)}
    assert {len(row) for row in csv_rows(result)} == {len(CSV_COLUMNS)}
    assert [row[:3] for row in skip_rows(result)] == [
        ("carol", "entry", "below_minimum"),
        ("carol", "exit", "nothing_held"),
    ]
    assert [row[0] for row in fill_rows(result)] == ["master"] * 3 + ["alice"] * 3


def test_json_has_exact_money_and_no_number_that_json_lacks(result: BacktestResult) -> None:
    found = json.loads(json.dumps(as_json(result, SETTING), allow_nan=False))
    master, alice, carol = found["accounts"]
    assert Decimal(master["end"]) == result.accounts[0].end.amount
    assert alice["copied"] == {"entry": 2, "exit": 1}
    assert (carol["sharpe"], carol["win_rate"], carol["profit_factor"]) == (None, None, None)
    assert found["missing_candles"] == 3


def test_the_assumptions_state_the_numbers_of_the_run() -> None:
    text = " ".join(assumed(SETTING))
    for part in (
        "5 bps",
        "2 bps more",
        "0.4 % at kraken",
        "3 candles are missing, the longest gap is 2 of BTC/USD",
        "365 days a year",
    ):
        assert part in text


def test_amounts_have_their_currency_and_figures_per_year_need_a_month(result: BacktestResult) -> None:
    assert money_columns(result)[1:3] == ("start USD", "end USD")
    assert [row[1:4] for row in ratio_rows(result)] == [("-", "-", "-")] * 3
    longer = replace(result, end=result.start + LEAST_DAYS * 288 * STEP)
    assert "-" not in ratio_rows(longer)[0][1:4]


def test_what_has_to_be_known_is_a_sentence(result: BacktestResult) -> None:
    assert notes_of(result) == [
        "Nothing was copied for carol: the reasons are under what was not done.",
        "CAGR, Sharpe and Sortino are shown for 30 days or more; this run has 3.0.",
    ]
    assert escape(notes_of(result)[0]) in backtest_html(result, SETTING, result.end)
    quiet = run_backtest(scenario(Scripted({}), {BTC: flat_candles(1, 2)}))
    assert notes_of(quiet)[0] == "The master made no trade: the strategy decided no entry."
    capped = run_backtest(
        scenario(Scripted({0: [Enter(BTC, D("0.000001"), "up")]}), {BTC: flat_candles(60_000, 60_001)})
    )
    assert notes_of(capped)[0] == (
        "The master made no trade: 1 entry was not made, for example: 0.00000016 BTC is below the venue's minimum of 0.00005 BTC."
    )


@pytest.mark.parametrize("values", [[0.0, 0.0], [0.0, -100.0, 12345.6], [1e-9, 2e-9]])
def test_a_chart_holds_any_values(values: list[float]) -> None:
    svg = line_chart("t", [86_400_000 * number for number in range(len(values))], [Line("a", values)])
    points = re.findall(r"([\d.-]+),([\d.-]+)", svg.split("points=")[1].split('"')[1])
    assert len(points) == len(values)
    assert all(0 <= float(x) <= 860 and 0 <= float(y) <= 300 for x, y in points)
