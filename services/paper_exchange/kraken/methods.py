"""Kraken's private methods: handler, required permissions, and cost on the REST counter.

Permissions as Kraken's OpenAPI states them per endpoint; any one of the sets is enough. Costs: docs.kraken.com rate limits
(ledger and trade history 2, trading 0 because it has a counter of its own, everything else 1). See
shared/venues/kraken/KRAKEN.md, K19 and K27.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from services.paper_exchange.core.account import Permission
from services.paper_exchange.kraken import funds, history, key_info
from services.paper_exchange.kraken.absent import ABSENT, not_served
from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.orders import trading

_FUNDS: Final = (frozenset({Permission.QUERY_FUNDS}),)
_OPEN: Final = (frozenset({Permission.QUERY_OPEN_ORDERS}),)
_CLOSED: Final = (frozenset({Permission.QUERY_CLOSED_ORDERS}),)
_LEDGER: Final = (frozenset({Permission.QUERY_LEDGER}),)
_MODIFY: Final = (frozenset({Permission.MODIFY_ORDERS}),)
_CANCEL: Final = (frozenset({Permission.MODIFY_ORDERS}), frozenset({Permission.CANCEL_ORDERS}))
_BOTH: Final = (frozenset({Permission.MODIFY_ORDERS, Permission.CANCEL_ORDERS}),)
_SOCKETS: Final = (frozenset({Permission.WEBSOCKETS}),)
_WITHDRAW: Final = (frozenset({Permission.WITHDRAW}),)
_NONE: Final[tuple[frozenset[Permission], ...]] = (frozenset(),)


@dataclass(frozen=True, slots=True)
class Method:
    """One private method."""

    handler: Callable[[Call], object]
    permissions: tuple[frozenset[Permission], ...]
    cost: int = 1

    def open_to(self, granted: frozenset[Permission]) -> bool:
        """Return whether a key with these permissions may call it."""
        return any(needed <= granted for needed in self.permissions)


METHODS: Final[dict[str, Method]] = {
    "Balance": Method(funds.balance, _FUNDS),
    "BalanceEx": Method(funds.balance_ex, _FUNDS),
    "TradeBalance": Method(funds.trade_balance, _OPEN),
    "TradeVolume": Method(funds.trade_volume, _FUNDS),
    "GetApiKeyInfo": Method(key_info.api_key_info, _NONE),
    "WithdrawInfo": Method(key_info.withdraw_info, _WITHDRAW),
    "Ledgers": Method(funds.ledgers, _LEDGER, 2),
    "QueryLedgers": Method(funds.query_ledgers, _LEDGER, 2),
    "OpenOrders": Method(history.open_orders, _OPEN),
    "ClosedOrders": Method(history.closed_orders, _CLOSED),
    "QueryOrders": Method(history.query_orders, _OPEN + _CLOSED),
    "TradesHistory": Method(history.trades_history, _CLOSED, 2),
    "QueryTrades": Method(history.query_trades, _CLOSED),
    "OpenPositions": Method(history.open_positions, _OPEN),
    "OrderAmends": Method(history.order_amends, _OPEN),
    "GetWebSocketsToken": Method(history.websockets_token, _SOCKETS),
    "AddOrder": Method(trading.add_order, _MODIFY, 0),
    "AmendOrder": Method(trading.amend_order, _CANCEL, 0),
    "EditOrder": Method(trading.edit_order, _BOTH, 0),
    "CancelOrder": Method(trading.cancel_order, _CANCEL, 0),
    "CancelAll": Method(trading.cancel_all, _CANCEL, 0),
    "CancelAllOrdersAfter": Method(trading.cancel_all_after, _CANCEL, 0),
    "AddOrderBatch": Method(trading.add_order_batch, _BOTH, 0),
    "CancelOrderBatch": Method(trading.cancel_order_batch, _CANCEL, 0),
    **{name: Method(not_served, rights) for name, rights in ABSENT.items()},
}
