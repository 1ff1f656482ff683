"""Private methods that Kraken has and this exchange has not: funding, subaccounts, exports, earn.

A key without the right is refused as there, after the same checks and with an entry in the journal, so that a program that
tries what it may do gets the real answer. For a key with the right the method is unknown, which is so here only.
Names and rights: docs.kraken.com, REST, by the name of the method. No key here may deposit, use earn or export data.
"""

from __future__ import annotations

from typing import Final, NoReturn

from services.paper_exchange.core.account import Permission
from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.errors import UNKNOWN_METHOD, KrakenRefusal

Rights = tuple[frozenset[Permission], ...]

_ANY: Final[Rights] = (frozenset(),)
_NO_KEY: Final[Rights] = ()
_QUERY: Final[Rights] = (frozenset({Permission.QUERY_FUNDS}),)
_WITHDRAW: Final[Rights] = (frozenset({Permission.WITHDRAW}),)
_QUERY_WITHDRAW: Final[Rights] = (frozenset({Permission.QUERY_FUNDS, Permission.WITHDRAW}),)
_WITHDRAW_OR_LEDGER: Final[Rights] = (*_WITHDRAW, frozenset({Permission.QUERY_LEDGER}))

ABSENT: Final[dict[str, Rights]] = {
    "DepositMethods": _NO_KEY,
    "DepositAddresses": _QUERY,
    "DepositStatus": _QUERY,
    "WithdrawMethods": _QUERY_WITHDRAW,
    "WithdrawAddresses": _QUERY_WITHDRAW,
    "Withdraw": _WITHDRAW,
    "WithdrawStatus": _WITHDRAW_OR_LEDGER,
    "WithdrawCancel": _WITHDRAW,
    "WalletTransfer": _QUERY,
    "CreateSubaccount": _WITHDRAW,
    "AccountTransfer": _WITHDRAW,
    "AddExport": _NO_KEY,
    "ExportStatus": _NO_KEY,
    "RetrieveExport": _NO_KEY,
    "RemoveExport": _NO_KEY,
    "CreditLines": _QUERY,  # its right is inferred
    "Earn/Allocate": _NO_KEY,
    "Earn/Deallocate": _NO_KEY,
    "Earn/AllocateStatus": _QUERY,
    "Earn/DeallocateStatus": _QUERY,
    "Earn/Strategies": _ANY,
    "Earn/Allocations": _QUERY,
}


def not_served(call: Call) -> NoReturn:
    """Reject: the method does not exist here."""
    raise KrakenRefusal(UNKNOWN_METHOD)
