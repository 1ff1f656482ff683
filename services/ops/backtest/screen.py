"""The result of a backtest in a terminal: the figures, what was copied, what was not and why, and what is assumed."""

from __future__ import annotations

from services.ops.output import console, table
from shared.backtest.report.assumptions import NOT_MODELLED, Setting, assumed
from shared.backtest.report.views import (
    COPY_COLUMNS,
    RATIO_COLUMNS,
    SKIP_COLUMNS,
    copy_rows,
    money_columns,
    money_rows,
    notes_of,
    ratio_rows,
    skip_rows,
    utc,
)
from shared.backtest.results.result import BacktestResult


def print_result(result: BacktestResult, setting: Setting) -> None:
    """Print tables and the assumptions behind them."""
    out = console()
    names = ", ".join(setting.strategies)
    title = (
        f"{names} on {', '.join(setting.symbols)}, {setting.minutes} min, {utc(result.start)} to {utc(result.end)} UTC"
    )
    money = money_columns(result)
    out.print(title, style="bold", markup=False)
    out.print(table("", money, money_rows(result), numbers=range(1, len(money))))
    out.print()
    out.print(table("", RATIO_COLUMNS, ratio_rows(result), numbers=range(1, len(RATIO_COLUMNS))))
    if copies := copy_rows(result):
        out.print()
        out.print(table("", COPY_COLUMNS, copies, numbers=(2, 3)))
    if skips := skip_rows(result):
        out.print()
        out.print(table("not done", SKIP_COLUMNS, skips, numbers=(3,)))
    out.print()
    for note in notes_of(result):
        out.print(f"note: {note}", markup=False)
    for sentence in assumed(setting):
        out.print(sentence, style="dim", markup=False)
    out.print(f"Not modelled: {'; '.join(NOT_MODELLED)}.", style="dim", markup=False)
