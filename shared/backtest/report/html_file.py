"""The report: one HTML file that needs nothing else. No script, no font, no request; light, dark and on paper."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from html import escape
from typing import Final

from shared.backtest.accounts.ledger import RoundTrip
from shared.backtest.report.assumptions import NOT_MODELLED, Setting, assumed
from shared.backtest.report.chart import COLOURS, Line, line_chart
from shared.backtest.report.style import STYLE
from shared.backtest.report.views import (
    COPY_COLUMNS,
    RATIO_COLUMNS,
    SKIP_COLUMNS,
    cents,
    copy_rows,
    money_columns,
    money_rows,
    notes_of,
    ratio_rows,
    skip_rows,
    utc,
)
from shared.backtest.results.result import AccountResult, BacktestResult

_TRIPS_SHOWN: Final = 50


def backtest_html(result: BacktestResult, setting: Setting, made_at: int) -> str:
    """Return the file; `made_at` is the instant (epoch ms) that it states."""
    title = f"Backtest: {', '.join(setting.strategies)}"
    return "\n".join(
        (
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
            "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
            f"<title>{escape(title)}</title><style>{STYLE}</style></head>",
            "<body><main>",
            f"<h1>{escape(title)}</h1>",
            f'<p class="facts">{escape(_facts(result, setting))}</p>',
            *(f'<p class="note">{escape(note)}</p>' for note in notes_of(result)),
            *_table(money_columns(result), money_rows(result), numbers=range(1, len(money_columns(result)))),
            *_table(RATIO_COLUMNS, ratio_rows(result), numbers=range(1, len(RATIO_COLUMNS))),
            *_charts(result),
            *_copies(result),
            *_skips(result),
            *(part for account in result.accounts for part in _account(account)),
            "<h2>Assumptions</h2>",
            *_list(assumed(setting)),
            "<h2>Not in these figures</h2>",
            *_list(NOT_MODELLED),
            f'<p class="facts">A past result promises no future one. Made {utc(made_at)} UTC.</p>',
            "</main></body></html>",
            "",
        )
    )


def _facts(result: BacktestResult, setting: Setting) -> str:
    symbols = ", ".join(setting.symbols)
    return (
        f"{symbols}, {setting.minutes} min, {result.candles:,} candles, {utc(result.start)} to {utc(result.end)} UTC, "
        f"from {setting.source}. Amounts in {result.accounts[0].start.currency}."
    )


def _charts(result: BacktestResult) -> Iterator[str]:
    if len(result.instants) < 2:
        return
    yield "<h2>Return</h2>"
    yield _legend(result.accounts)
    returns = [Line(each.name, _returns(each.equity)) for each in result.accounts]
    yield _scrolled(line_chart("Return of each account in per cent, by day", result.instants, returns))
    yield "<h2>Drawdown</h2>"
    drawdowns = [Line(each.name, _drawdowns(each.equity)) for each in result.accounts]
    yield _scrolled(
        line_chart("Loss from the best day of each account in per cent, by day", result.instants, drawdowns, 180)
    )


def _scrolled(chart: str) -> str:
    """Wrap a chart so that a narrow screen scrolls it: smaller, its labels could not be read."""
    return f'<div class="wide">{chart}</div>'


def _legend(accounts: Sequence[AccountResult]) -> str:
    names = (
        f'<span class="key line-{place % COLOURS}">{escape(each.name)}</span>' for place, each in enumerate(accounts)
    )
    return f"<p>{' '.join(names)}</p>"


def _returns(equity: Sequence[Decimal]) -> list[float]:
    first = equity[0]
    return [float((each / first - 1) * 100) if first else 0.0 for each in equity]


def _drawdowns(equity: Sequence[Decimal]) -> list[float]:
    peak, found = equity[0], []
    for each in equity:
        peak = max(peak, each)
        found.append(float((each / peak - 1) * 100) if peak else 0.0)
    return found


def _copies(result: BacktestResult) -> Iterator[str]:
    if rows := copy_rows(result):
        yield "<h2>Copies</h2>"
        yield from _table(COPY_COLUMNS, rows, numbers=(2, 3))


def _skips(result: BacktestResult) -> Iterator[str]:
    if rows := skip_rows(result):
        yield "<h2>What was not done, and why</h2>"
        yield from _table(SKIP_COLUMNS, rows, numbers=(3,))


def _account(account: AccountResult) -> Iterator[str]:
    trips = account.round_trips
    yield f"<h2>Trades of {escape(account.name)}</h2>"
    if not trips:
        yield '<p class="facts">No round trip was closed.</p>'
    else:
        shown = f", the last {_TRIPS_SHOWN} of {len(trips):,} (--fills has all)" if len(trips) > _TRIPS_SHOWN else ""
        yield f"<details><summary>Closed round trips{shown}</summary>"
        rows = [_trip(each) for each in reversed(trips[-_TRIPS_SHOWN:])]
        yield from _table(("pair", "opened (UTC)", "closed (UTC)", "made"), rows, numbers=(3,))
        yield "</details>"
    for held in account.held:
        words = f"Still held at the end: {held.symbol} worth {cents(held.value)}, {held.unrealized.amount:+,.2f} unrealised."
        yield f'<p class="facts">{escape(words)}</p>'


def _trip(trip: RoundTrip) -> tuple[str, ...]:
    return str(trip.symbol), utc(trip.opened_at), utc(trip.closed_at), f"{trip.made.amount:+,.2f} {trip.made.currency}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Iterable[int] = ()) -> Iterator[str]:
    right = frozenset(numbers)
    heads = "".join(f'<th scope="col"{_kind(place, right)}>{escape(name)}</th>' for place, name in enumerate(columns))
    yield f'<div class="wide"><table><thead><tr>{heads}</tr></thead><tbody>'
    for row in rows:
        cells = "".join(f"<td{_kind(place, right)}>{escape(cell)}</td>" for place, cell in enumerate(row))
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table></div>"


def _kind(place: int, right: frozenset[int]) -> str:
    return ' class="amount"' if place in right else ""


def _list(items: Iterable[str]) -> Iterator[str]:
    yield f"<ul>{''.join(f'<li>{escape(each)}</li>' for each in items)}</ul>"
