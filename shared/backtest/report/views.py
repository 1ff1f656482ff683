"""The result as rows of a table and as JSON. Money is exact text in JSON; ratios are numbers, null where they are not defined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from shared.backtest.report.assumptions import NOT_MODELLED, Setting, assumed
from shared.backtest.results.result import AccountResult, BacktestResult, Figures
from shared.domain.order import Kind
from shared.domain.values.money import Money, plain

RATIO_COLUMNS: Final = ("account", "CAGR %", "Sharpe", "Sortino", "win %", "profit factor", "exposure %")
SKIP_COLUMNS: Final = ("account", "what", "code", "times", "for example")
COPY_COLUMNS: Final = ("account", "copied on", "entries copied", "exits copied", "own exits")
CSV_COLUMNS: Final = (
    "account", "venue", "currency", "start", "end", "fees", "total_return", "cagr", "max_drawdown", "sharpe", "sortino",
    "win_rate", "profit_factor", "exposure", "trades", "entries_copied", "exits_copied",
)  # fmt: skip
FILL_COLUMNS: Final = ("account", "time", "symbol", "side", "size", "price", "fee", "realized", "reason")
LEAST_DAYS: Final = 30
"""Days from which on people are shown figures per year: those of a few days are nonsense, however exact."""
_UNDEFINED: Final = "-"
_DAY_MS: Final = 86_400_000


def money_columns(result: BacktestResult) -> tuple[str, ...]:
    """Return the columns of `money_rows`; amounts are in the master's currency where the account names no other."""
    unit = result.accounts[0].start.currency
    return "account", f"start {unit}", f"end {unit}", "return %", "drawdown %", f"fees {unit}", "trades"


def money_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return a row per account, for people: what it began and ended with."""
    currency = result.accounts[0].start.currency
    return [
        (
            account.name if account.start.currency == currency else f"{account.name} ({account.start.currency})",
            number(account.start),
            number(account.end),
            percent(account.figures.total_return, signed=True),
            percent(account.figures.max_drawdown),
            number(account.fees),
            f"{account.figures.trades:,}",
        )
        for account in result.accounts
    ]


def ratio_rows(result: BacktestResult) -> list[tuple[str, ...]]:
    """Return a row of `RATIO_COLUMNS` per account, for people; figures per year only of a run that is long enough."""
    return [_ratios(account.name, account.figures, yearly=days(result) >= LEAST_DAYS) for account in result.accounts]


def _ratios(name: str, figures: Figures, *, yearly: bool) -> tuple[str, ...]:
    return (
        name,
        percent(figures.cagr if yearly else None, signed=True),
        ratio(figures.sharpe if yearly else None),
        ratio(figures.sortino if yearly else None),
        percent(figures.win_rate),
        ratio(figures.profit_factor),
        percent(figures.exposure),
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
        "missing_candles": setting.gaps.missing,
        "source": setting.source,
        "from": result.start,
        "to": result.end,
        "notes": list(notes_of(result)),
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


def days(result: BacktestResult) -> float:
    """Return how many days a run has."""
    return (result.end - result.start) / _DAY_MS


def notes_of(result: BacktestResult) -> list[str]:
    """Return what has to be known to read this result, one sentence each; empty if there is nothing of the kind."""
    found = []
    master = result.accounts[0]
    if not master.fills:
        found.append(f"The master made no trade: {_why_none(master)}.")
    idle = [account.name for account in result.accounts[1:] if master.fills and not account.fills]
    if idle:
        found.append(f"Nothing was copied for {', '.join(idle)}: the reasons are under what was not done.")
    if days(result) < LEAST_DAYS:
        found.append(
            f"CAGR, Sharpe and Sortino are shown for {LEAST_DAYS} days or more; this run has {days(result):.1f}."
        )
    return found


def _why_none(master: AccountResult) -> str:
    if not master.skips:
        return "the strategy decided no entry"
    first = master.skips[0]
    return (
        f"{first.count:,} {'entry was' if first.count == 1 else 'entries were'} not made, for example: {first.example}"
    )


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
