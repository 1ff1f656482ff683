"""What a changed setting means for what is copied, in one sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.config.users.changes import SettingChange

_NOT_SET: Final = "not set"
_SET: Final[Mapping[str, str]] = {
    "limits.max_order_pct": "no entry above {new} % of the equity",
    "limits.max_order_quote": "no entry above {new} in the quote currency",
    "limits.max_positions": "at most {new} symbols held at once",
    "limits.max_exposure_pct": "all holdings together at most {new} % of the equity",
    "limits.max_symbol_pct": "the holding of one symbol at most {new} % of the equity",
    "limits.daily_loss_pct": "entries stop for the day once copying has lost {new} %",
    "limits.max_drawdown_pct": "entries stop once copying is {new} % below its best",
    "limits.on_stop_out": "a stop-out does: {new}",
    "limits.stop_out_lasts": "a stop-out lasts {new}",
    "limits.max_trades_per_day": "at most {new} entries a day",
    "guards.max_signal_age": "entries older than {new} expire",
    "guards.max_slippage_bps": "entries pay at most {new} basis points more than the master",
    "guards.exit_slippage_bps": "the first try of an exit sells at most {new} basis points below the price",
    "sizing.mode": "entries are sized by {new}",
    "sizing.multiplier": "entries are {new} times the proportional size (before: {old} times)",
    "sizing.quote_amount": "each entry is {new} in the quote currency",
    "sizing.below_minimum": "an entry below the venue's minimum: {new}",
    "exits.stop_loss_pct": "sells a position that has lost {new} %",
    "exits.take_profit_pct": "sells a position that has gained {new} %",
    "exits.trailing_pct": "sells a position that has fallen {new} % from its highest price",
    "exits.max_hold": "sells a position after {new}",
    "symbols.include": "only these symbols are copied: {new}",
    "symbols.exclude": "these symbols are not copied: {new}",
    "symbols.map": "trades other symbols than the master: {new}",
    "stage.start": "the canary ladder begins at stage {new}",
    "stage.max": "the canary ladder ends at stage {new}",
    "venues": "accounts at: {new}",
    "group": "served by the executors of the group: {new}",
    "on_leave": "what is held when the user is disabled: {new}",
    "on_join": "what is copied of open positions on joining: {new}",
    "orders": "the master's limit orders are copied as: {new}",
}
_REMOVED: Final[Mapping[str, str]] = {
    "limits.max_order_pct": "no limit on an entry by equity",
    "limits.max_order_quote": "no limit on an entry by amount",
    "limits.max_positions": "any number of symbols held",
    "limits.max_exposure_pct": "no limit on all holdings together",
    "limits.max_symbol_pct": "no limit on the holding of one symbol",
    "limits.daily_loss_pct": "a loss of the day no longer stops entries",
    "limits.max_drawdown_pct": "a drawdown no longer stops entries",
    "limits.max_trades_per_day": "any number of entries a day",
    "exits.stop_loss_pct": "no stop loss: a falling position is held until the master sells",
    "exits.take_profit_pct": "no take profit",
    "exits.trailing_pct": "no trailing stop",
    "exits.max_hold": "positions are held as long as the master holds them",
}


def describe_change(change: SettingChange) -> str:
    """Return what a change means, and the change itself: `no entry above 25 % of the equity (limits.max_order_pct: 50 -> 25)`."""
    if change.key == "enabled":
        words = "the user follows the master" if change.new == "true" else "the user follows no more"
    elif change.new == _NOT_SET:
        words = _REMOVED.get(change.key, "")
    else:
        words = _SET.get(change.key, "").format(old=change.old, new=change.new)
    return f"{words} ({change})" if words else str(change)
