"""Signals and their outcomes as JSON: what `GET /signals` returns and `ops why --json` prints.

Amounts are the texts of the streams; instants are epoch ms, null if they have not happened.
"""

from __future__ import annotations

from collections.abc import Mapping

from shared.bus.flow.streams import Entry
from shared.domain.values.numerals import whole
from shared.ledger.account_views import View
from shared.ledger.why import SignalTrace, UserCopy


class SignalView(View):
    """An entry of the signal stream; a missing field is an empty text."""

    entry_id: str
    id: str
    venue: str
    symbol: str
    side: str
    kind: str
    base_size: str
    quote_size: str
    price: str
    fraction: str
    position_before: str
    position_after: str
    master_equity: str
    master_order_id: str
    source: str
    strategy: str
    filled_at: int | None
    emitted_at: int | None

    @staticmethod
    def of(entry: Entry) -> SignalView:
        """Build the view of a signal."""
        fields = entry.fields
        texts = {
            name: fields.get(name, "")
            for name in SignalView.model_fields
            if name not in {"entry_id", "filled_at", "emitted_at"}
        }
        return SignalView(
            entry_id=entry.id,
            filled_at=instant(fields, "filled_at"),
            emitted_at=instant(fields, "emitted_at"),
            **texts,
        )


class CopyView(View):
    """The outcome of a signal for one user: the decision, the outcome, and the reasons and figures of both."""

    user: str
    decision: str
    outcome: str
    reason: str
    code: str
    """The reason as a stable word, where it has one."""
    decision_reason: str
    order_id: str
    venue: str
    base_size: str
    fraction: str
    limit_price: str
    user_equity: str
    master_equity: str
    venue_order_id: str
    filled_size: str
    average_price: str
    fee: str
    not_after: int | None
    signal_at: int | None
    decided_at: int | None
    sent_at: int | None
    accepted_at: int | None
    settled_at: int | None
    latency_ms: int | None
    """From the master's fill to the venue's acceptance of the copy."""

    @staticmethod
    def of(copied: UserCopy) -> CopyView:
        """Build the view of one user's copy."""
        order, report = copied.order, copied.report
        signal_at, accepted_at = instant(order, "signal_at"), instant(report, "accepted_at")
        return CopyView(
            user=copied.user,
            decision=copied.decision,
            outcome=copied.outcome,
            reason=copied.reason,
            code=copied.code,
            decision_reason=order.get("reason", ""),
            order_id=order.get("id", ""),
            venue=order.get("venue", ""),
            base_size=order.get("base_size", ""),
            fraction=order.get("fraction", ""),
            limit_price=order.get("limit_price", ""),
            user_equity=order.get("user_equity", ""),
            master_equity=order.get("master_equity", ""),
            venue_order_id=report.get("venue_order_id", ""),
            filled_size=report.get("filled_size", ""),
            average_price=report.get("average_price", ""),
            fee=report.get("fee", ""),
            not_after=instant(order, "not_after"),
            signal_at=signal_at,
            decided_at=instant(order, "emitted_at"),
            sent_at=instant(report, "sent_at"),
            accepted_at=accepted_at,
            settled_at=instant(report, "settled_at"),
            latency_ms=accepted_at - signal_at if accepted_at and signal_at else None,
        )


class SignalTraceView(View):
    """A signal with its outcome for each user."""

    signal: SignalView
    users: tuple[CopyView, ...]

    @staticmethod
    def of(trace: SignalTrace) -> SignalTraceView:
        """Build the view of a trace."""
        return SignalTraceView(
            signal=SignalView.of(trace.entry), users=tuple(CopyView.of(each) for each in trace.users)
        )


def instant(fields: Mapping[str, str], name: str) -> int | None:
    """Parse an instant of a message; None if it is blank, absent or unreadable."""
    return whole(fields.get(name), digits=14)
