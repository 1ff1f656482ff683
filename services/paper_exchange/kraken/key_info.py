"""Kraken's calls about the key itself: what it may do, and the fee of a withdrawal, which shows whether it may withdraw.

Shape and words: docs.kraken.com, *Get API Key Info* (numbers of seconds as texts, `0` for one that is not set). The list of
addresses is enforced in `gate.py`.
"""

from __future__ import annotations

from typing import Final

from services.paper_exchange.core.account import Permission
from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.errors import UNKNOWN_WITHDRAW_KEY, KrakenRefusal

WORDS: Final = {
    Permission.QUERY_FUNDS: "query-funds",
    Permission.WITHDRAW: "withdraw-funds",
    Permission.QUERY_OPEN_ORDERS: "query-open-trades",
    Permission.QUERY_CLOSED_ORDERS: "query-closed-trades",
    Permission.MODIFY_ORDERS: "modify-trades",
    Permission.CANCEL_ORDERS: "close-trades",
    Permission.QUERY_LEDGER: "query-ledger",
    Permission.WEBSOCKETS: "create-ws-token",
}
"""The word of each permission in the answer."""
IBAN: Final = "AA00 PAPR 0000 0000"


def api_key_info(call: Call) -> object:
    """Return what the key may do, and its nonce, which is the one of this very request."""
    key = call.key
    return {
        "apiKeyName": f"paper key of {call.account.user}",
        "apiKey": key.name,
        "nonce": str(key.last_nonce),
        "nonceWindow": key.nonce_window,
        "permissions": [word for permission, word in WORDS.items() if permission in key.permissions],
        "iban": IBAN,
        "validUntil": str(key.valid_until),
        "queryFrom": "0",
        "queryTo": "0",
        "createdTime": str(int(key.created_at)),
        "modifiedTime": str(int(key.created_at)),
        "ipAllowlist": list(key.ip_allowlist),
        "lastUsed": str(int(call.now)),
    }


def withdraw_info(call: Call) -> object:
    """Reject: no withdrawal address was ever set up here."""
    for name in ("asset", "key", "amount"):
        call.parameters.need(name)
    raise KrakenRefusal(UNKNOWN_WITHDRAW_KEY)
