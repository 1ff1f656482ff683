"""The rows of `ops pnl`: the results of a page of accounts with all their digits, for `--json` and `--csv`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from services.ops.amounts import exact
from services.ops.tabular import UserPage
from shared.ledger.performance.results import AccountResult, ResultSums, SymbolResult, sum_results
from shared.ledger.performance.tracking import TrackingError

COLUMNS: Final = (
    "user", "venue", "symbol", "currency", "realized", "unrealized", "pnl", "fees", "base_fees", "value", "cost", "cash_flow",
    "adjusted_size", "adjusted_cost", "trades", "equity",
)  # fmt: skip
STEP: Final = "hour"
"""The resolution at which accounts are compared with the master."""


@dataclass(frozen=True, slots=True)
class ResultPage:
    """The results of a page of users and of the master; for one user also how closely it followed, by venue."""

    page: UserPage
    accounts: Sequence[AccountResult]
    master: Sequence[AccountResult]
    tracking: Mapping[str, TrackingError] = field(default_factory=dict)


def answer(found: ResultPage) -> dict[str, object]:
    """Return the results as a JSON object; amounts are texts with all their digits."""
    return {
        "page": found.page.number,
        "pages": found.page.pages,
        "users": found.page.total,
        "accounts": [_account(each) for each in found.accounts],
        "master": [_account(each) for each in found.master],
        "sums": {currency: _sums(sums) for currency, sums in sum_accounts(found.accounts).items()},
        "tracking": {
            venue: {
                "step": STEP,
                "intervals": each.intervals,
                "error_pct_points": exact(each.error),
                "mean_difference_pct_points": exact(each.mean),
            }
            for venue, each in found.tracking.items()
        },
    }


def row(result: SymbolResult, account: AccountResult) -> dict[str, object]:
    """Return the result of one symbol with all digits, by column. The equity is that of the whole account."""
    size, cost = result.adjusted
    equity = account.equity
    return {
        "user": result.user,
        "venue": result.venue,
        "symbol": str(result.symbol),
        "currency": result.symbol.quote,
        "realized": exact(result.realized.amount),
        "unrealized": exact(result.unrealized.amount if result.unrealized else None),
        "pnl": exact(result.pnl.amount if result.pnl else None),
        "fees": exact(result.totals.fees.amount),
        "base_fees": exact(result.totals.base_fees),
        "value": exact(result.value.amount if result.value else None),
        "cost": exact(result.held.cost.amount),
        "cash_flow": exact(result.totals.cash_flow.amount),
        "adjusted_size": exact(size.amount),
        "adjusted_cost": exact(cost.amount),
        "trades": result.totals.trades,
        "equity": exact(equity.amount if equity else None),
    }


def sum_accounts(accounts: Sequence[AccountResult]) -> Mapping[str, ResultSums]:
    """Return the sums of accounts by currency."""
    return sum_results(each for account in accounts for each in account.symbols)


def _account(account: AccountResult) -> dict[str, object]:
    equity = account.equity
    return {
        "user": account.user,
        "venue": account.venue,
        "equity": exact(equity.amount if equity else None),
        "currency": equity.currency if equity else None,
        "as_of": account.account.as_of if account.account else None,
        "sums": {currency: _sums(sums) for currency, sums in account.sums.items()},
        "symbols": [row(each, account) for each in account.symbols],
        "unreadable": dict(account.unreadable),
    }


def _sums(sums: ResultSums) -> dict[str, object]:
    return {
        "realized": exact(sums.realized),
        "unrealized": exact(sums.unrealized),
        "pnl": exact(sums.pnl),
        "fees": exact(sums.fees),
        "value": exact(sums.value),
        "cost": exact(sums.cost),
        "cash_flow": exact(sums.cash_flow),
        "adjusted_cost": exact(sums.adjusted_cost),
        "trades": sums.trades,
        "unpriced": [str(symbol) for symbol in sums.unpriced],
    }
