"""The paper exchange's journal: orders that it accepted, and requests that it rejected for their nonce.

Checks the venue's side too: no client order id is accepted twice for an account, the master's included.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from shared.domain.values.money import ZERO
from shared.ledger.audit.findings import AuditTally, FindingKind

INVALID_NONCE: Final = "EAPI:Invalid nonce"


class JournalOrder(NamedTuple):
    """An order that the venue accepted; `accepted_at` in epoch ms, 0 if unknown."""

    user: str
    venue: str
    client_order_id: str
    order_id: str
    filled: Decimal
    accepted_at: int


def read_orders(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[JournalOrder]]:
    """Parse the rows of `GET /paper/orders`, by user. Raises ValueError naming the missing or wrong field."""
    found: defaultdict[str, list[JournalOrder]] = defaultdict(list)
    for row in rows:
        try:
            order = JournalOrder(
                user=str(row["user"]),
                venue=str(row["venue"]),
                client_order_id=str(row["client_order_id"] or ""),
                order_id=str(row["order_id"]),
                filled=Decimal(str(row["filled_size"] or "0")),
                accepted_at=int(row.get("accepted_at") or 0),
            )
        except KeyError as error:
            raise ValueError(f"a row of the journal has no {error}") from None
        except InvalidOperation:
            raise ValueError(f"a row of the journal has filled_size {row['filled_size']!r}") from None
        found[order.user].append(order)
    return dict(found)


def audit_acceptances(orders: Mapping[str, Sequence[JournalOrder]]) -> AuditTally:
    """Find client order ids that an account's venue accepted more than once."""
    tally = AuditTally()
    for user, rows in orders.items():
        times = Counter((row.venue, row.client_order_id) for row in rows if row.client_order_id)
        for (venue, client_order_id), count in times.items():
            if count > 1:
                filled = sum((row.filled for row in rows if row.client_order_id == client_order_id), ZERO)
                detail = f"{count} times at {venue}, {filled} filled in all"
                tally.find(FindingKind.ACCEPTED_TWICE, user, client_order_id, detail)
    return tally


def count_invalid_nonces(rows: Iterable[Mapping[str, Any]]) -> int:
    """Count the nonce rejections in the rows of `GET /paper/requests`; those of injected faults do not count."""
    return sum(1 for row in rows if row.get("verdict") == INVALID_NONCE and not row.get("fault"))
