"""`ops backtest`: what a strategy would have made, and what each user would have got of it."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.ops.backtest.request import Prepared, Request, prepare
from services.ops.backtest.screen import print_result
from services.ops.output import AsJson, print_json, write_private
from services.ops.tabular import AsCsv, one_form, print_csv, write_csv
from shared.backtest.backtest import Scenario, StrategyFailedError, run_backtest
from shared.backtest.report.html_file import backtest_html
from shared.backtest.report.views import CSV_COLUMNS, FILL_COLUMNS, as_json as result_json, csv_rows, fill_rows
from shared.backtest.results.result import BacktestResult
from shared.config.errors import ConfigurationError
from shared.config.settings import load_settings
from shared.runtime.gc_tuning import seldom_collecting

StrategyFile = Annotated[
    Path | None, typer.Option("--strategy", help="A strategy file; config/strategy.toml if left out.")
]
Candles = Annotated[
    Path | None, typer.Option("--candles", help="A folder with CSV files such as XBTUSD_5.csv or BTC-USD_5.csv.")
]
Seed = Annotated[int | None, typer.Option("--seed", help="Candles of the generated market with this seed instead.")]
Regime = Annotated[str, typer.Option("--regime", help="Of the generated market: calm, trend, crash or gap.")]
Days = Annotated[
    int | None,
    typer.Option(
        "--days", min=1, max=3660, help="How many days of the generated market; 90 if --to is not given either."
    ),
]
From = Annotated[str, typer.Option("--from", help="First day (UTC), as 2026-01-31.")]
To = Annotated[str, typer.Option("--to", help="The day after the last one (UTC).")]
Balance = Annotated[str, typer.Option("--balance", help="What the master starts with, in the quote currency.")]
OfUsers = Annotated[
    list[str] | None,
    typer.Option("--user", help="A user with their own settings and a balance: alice=5000. Repeatable."),
]
Fees = Annotated[
    list[str] | None,
    typer.Option(
        "--fee", help="Taker fee in per cent at a venue: kraken=0.26; by default its highest tier. Repeatable."
    ),
]
Slippage = Annotated[str, typer.Option("--slippage-bps", help="How much worse than the market the master fills.")]
CopySlippage = Annotated[str, typer.Option("--copy-slippage-bps", help="How much worse than the master a copy fills.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a report that needs nothing else: one HTML file.")]
Fills = Annotated[Path | None, typer.Option("--fills", help="Write every fill of every account: a CSV file.")]


def backtest(
    *,
    strategy: StrategyFile = None,
    candles: Candles = None,
    seed: Seed = None,
    regime: Regime = "trend",
    days: Days = None,
    start: From = "",
    end: To = "",
    balance: Balance = "10000",
    users: OfUsers = None,
    fees: Fees = None,
    slippage_bps: Slippage = "5",
    copy_slippage_bps: CopySlippage = "2",
    html: Html = None,
    fills: Fills = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Run a strategy over past or generated candles, and show what each account would have got."""
    one_form(as_json=as_json, as_csv=as_csv)
    request = Request(
        config=load_settings().shoal_config,
        strategy=strategy,
        candles=candles,
        seed=seed,
        regime=regime,
        days=days,
        start=start,
        end=end,
        balance=balance,
        users=tuple(users or ()),
        fees=tuple(fees or ()),
        slippage_bps=slippage_bps,
        copy_slippage_bps=copy_slippage_bps,
    )
    with seldom_collecting():  # else a tenth of a year's run is spent on looking through its candles
        prepared = prepare(request)
        result = _run(prepared.scenario)
    if html is not None:
        write_private("--html", html, backtest_html(result, prepared.setting, time.time_ns() // 1_000_000))
    if fills is not None:
        write_private("--fills", fills, _csv_text(FILL_COLUMNS, fill_rows(result)))
    if as_json:
        print_json(result_json(result, prepared.setting))
    elif as_csv:
        print_csv(CSV_COLUMNS, csv_rows(result))
    else:
        print_result(result, prepared.setting)
    _note_slow(prepared)


def _run(scenario: Scenario) -> BacktestResult:
    """Run with a progress bar on stderr, where that is a terminal."""
    bar = Progress(
        TextColumn("backtest"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("candles"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    task = bar.add_task("candles", total=sum(map(len, scenario.candles.values())))
    try:
        with bar:
            return run_backtest(scenario, lambda done: bar.update(task, completed=done))
    except StrategyFailedError as error:
        raise ConfigurationError(f"the strategy failed: {error}") from None


def _note_slow(prepared: Prepared) -> None:
    """Say on stderr which strategy the master would pause, because a decision took longer than its budget."""
    for name, seconds in prepared.watch.seconds.items():
        if seconds > prepared.budget_seconds:
            print(
                f"ops: {name} took {seconds:.2f} s for a decision; the master pauses it beyond budget_seconds "
                f"({prepared.budget_seconds:g}) of the strategy file",
                file=sys.stderr,
            )


def _csv_text(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    write_csv(text, columns, rows)
    return text.getvalue()
