"""What a key may do at Coinbase, from the permissions of the control plane: view, trade, transfer."""

from __future__ import annotations

from typing import Final

from services.paper_exchange.coinbase.routes import Scope
from services.paper_exchange.coinbase.venue import NAME
from services.paper_exchange.core.account import ApiKey, Permission
from services.paper_exchange.core.exchange import Exchange

NEEDED: Final = {
    Scope.VIEW: {Permission.QUERY_FUNDS, Permission.QUERY_OPEN_ORDERS, Permission.QUERY_CLOSED_ORDERS},
    Scope.TRADE: {Permission.MODIFY_ORDERS},
    Scope.TRANSFER: {Permission.WITHDRAW},
}
"""Each of these permissions is enough for the scope: Coinbase's three are coarser than Kraken's eight."""


def rights_of(exchange: Exchange, key: ApiKey) -> frozenset[Scope]:
    """Return the scopes of a key now."""
    rights = {scope for scope, enough in NEEDED.items() if enough & key.permissions}
    if exchange.faults.armed and exchange.faults.active("trade_permission_lost", key.account.user, venue=NAME):
        rights.discard(Scope.TRADE)
    return frozenset(rights)
