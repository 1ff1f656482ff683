"""The result as rows of a table and as JSON. Money is exact text in JSON; ratios are numbers, null where they are not defined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from shared.backtest.report.assumptions import NOT_MODELLED, Setting, assumed
from shared.backtest.results.result import AccountResult, BacktestResult
from shared.domain.order import Kind
from shared.domain.values.money import Money, plain

COLUMNS: Final = (
    "account", "start", "end", "return %", "CAGR %", "drawdown %", "Sharpe", "Sortino", "win %", "profit factor",
    "held %", "trades", "fees",
)  # fmt: skip
SKIP_COLUMNS: Final = ("account", "what", "code", "times", "for example")
COPY_COLUMNS: Final = ("account", "copied on", "entries copied", "exits copied", "own exits")
CSV_COLUMNS: Final = (
    "account", "venue", "currency", "start", "end", "fees", "total_return", "cagr", "max_drawdown", "sharpe", "sortino",
    "win_rate", "profit_factor", "exposure", "trades", "entries_copied", "exits_copied",
)  # fmt: skip
FILL_COLUMNS: Final = ("account", "time", "symbol", "side", "size", "price", "fee", "realized", "reason")
_UNDEFINED: Final = "-"


def figure_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return a row of `COLUMNS` per account, for people; amounts are in the master's currency where none is named."""
    currency = result.accounts[0].start.currency
    return [_figures(account, currency) for account in result.accounts]


def _figures(account: AccountResult, currency: str) -> tuple[str, ...]:
    figures, own = account.figures, account.start.currency
    return (
        account.name if own == currency else f"{account.name} ({own})",
        number(account.start),
        number(account.end),
        percent(figures.total_return, signed=True),
        percent(figures.cagr, signed=True),
        percent(figures.max_drawdown),
        ratio(figures.sharpe),
        ratio(figures.sortino),
        percent(figures.win_rate),
        ratio(figures.profit_factor),
        percent(figures.exposure),
        f"{figures.trades:,}",
        number(account.fees),
    )


def skip_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return a row of `SKIP_COLUMNS` per account and reason, the most frequent first."""
    return [
        (account.name, skip.kind.value, skip.code, f"{skip.count:,}", skip.example)
        for account in result.accounts
        for skip in account.skips
    ]


def csv_rows(result: BacktestResult) -> list[tuple[object, ...]]:
    """Return a row of `CSV_COLUMNS` per account."""
    return [
        (
            account.name,
            account.venue,
            account.start.currency,
            account.start.amount,
            account.end.amount,
            account.fees.amount,
            *asdict(account.figures).values(),
            account.copied.get(Kind.ENTRY, 0),
            account.copied.get(Kind.EXIT, 0),
        )
        for account in result.accounts
    ]


def fill_rows(result: BacktestResult) -> list[tuple[object, ...]]:
    """Return a row of `FILL_COLUMNS` per fill of each account, in the order of time."""
    return [
        (
            account.name,
            utc(fill.at),
            str(fill.symbol),
            fill.side.value,
            fill.size.amount,
            fill.price.amount,
            fill.fee.amount,
            None if fill.realized is None else fill.realized.amount,
            fill.reason,
        )
        for account in result.accounts
        for fill in account.fills
    ]


def as_json(result: BacktestResult, setting: Setting) -> Mapping[str, object]:
    """Return the whole result but for the fills."""
    return {
        "ok": True,
        "strategies": list(setting.strategies),
        "symbols": list(setting.symbols),
        "interval_minutes": setting.minutes,
        "candles": result.candles,
        "missing_candles": setting.gaps,
        "source": setting.source,
        "from": result.start,
        "to": result.end,
        "assumptions": list(assumed(setting)),
        "not_modelled": list(NOT_MODELLED),
        "accounts": [_account(account) for account in result.accounts],
        "instants": list(result.instants),
    }


def _account(account: AccountResult) -> Mapping[str, object]:
    return {
        "name": account.name,
        "venue": account.venue,
        "currency": account.start.currency,
        "start": plain(account.start.amount),
        "end": plain(account.end.amount),
        "fees": plain(account.fees.amount),
        **asdict(account.figures),
        "copied": {kind.value: count for kind, count in account.copied.items()},
        "own_exits": dict(account.own_exits),
        "skips": [
            {"kind": skip.kind.value, "code": skip.code, "count": skip.count, "example": skip.example}
            for skip in account.skips
        ],
        "held": [
            {"symbol": str(each.symbol), "value": plain(each.value.amount), "unrealized": plain(each.unrealized.amount)}
            for each in account.held
        ],
        "equity": [plain(amount) for amount in account.equity],
    }


def percent(share: float | None, *, signed: bool = False) -> str:
    """Format a share (0..1) in per cent for people, without the unit: `12.34`."""
    if share is None:
        return _UNDEFINED
    return f"{share * 100:+,.2f}" if signed else f"{share * 100:,.2f}"


def ratio(value: float | None) -> str:
    """Format a ratio for people: `1.23`."""
    return _UNDEFINED if value is None else f"{value:.2f}"


def number(amount: Money) -> str:
    """Format an amount for people, to the cent and without the unit: `1,234.50`."""
    return f"{amount.amount:,.2f}"


def cents(amount: Money) -> str:
    """Format an amount for people, to the cent: `1,234.50 USD`."""
    return f"{amount.amount:,.2f} {amount.currency}"


def utc(instant: int) -> str:
    """Format an instant (epoch ms): `2026-01-31 14:05`."""
    return datetime.fromtimestamp(instant / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def copy_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return a row of `COPY_COLUMNS` per user."""
    return [
        (
            account.name,
            account.venue or "nowhere",
            f"{account.copied.get(Kind.ENTRY, 0):,}",
            f"{account.copied.get(Kind.EXIT, 0):,}",
            ", ".join(f"{rule} {count}" for rule, count in account.own_exits.items()) or "none",
        )
        for account in result.accounts[1:]
    ]
