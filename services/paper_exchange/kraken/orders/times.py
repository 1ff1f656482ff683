"""The times of an order as Kraken accepts them: deadline, time in force, start and expiry (docs.kraken.com, Add Order)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.paper_exchange.core.order import LIMIT_PRICED, Ticket, TimeInForce
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.errors import KrakenRefusal, bad_argument
from services.paper_exchange.kraken.parameters import Parameters

MONTH: Final = 31 * 86_400
SHORTEST_EXPIRY: Final = 5.0
"""Published for `+<n>`; that it holds for an instant too is inferred."""
SHORTEST_DEADLINE: Final = 2.0
LONGEST_DEADLINE: Final = 60.0
CLOCK_SLACK: Final = 5.0
"""Between a client's clock and ours."""


def check_deadline(parameters: Parameters, arrived: float, now: float) -> None:
    """Raise KrakenRefusal if the deadline has passed, or is not 2 to 60 s ahead (docs.kraken.com, Add Order: `deadline`).

    How far ahead it is counts when the request arrives; whether it has passed, when it is processed. That the refusal of one
    that is too near names the field is inferred from the other wrong arguments.
    """
    text = parameters.text("deadline")
    if not text:
        return
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise bad_argument("deadline") from None
    if instant.tzinfo is None:
        raise bad_argument("deadline")
    deadline = instant.timestamp()
    if deadline < now:
        raise KrakenRefusal(errors.DEADLINE_ELAPSED)
    if not SHORTEST_DEADLINE <= deadline - arrived <= LONGEST_DEADLINE + CLOCK_SLACK:
        raise bad_argument("deadline")


def read_times(parameters: Parameters, ticket: Ticket, now: float) -> None:
    """Parse the time in force, the start and the expiry of an order. Raises KrakenRefusal."""
    text = parameters.text("timeinforce") or "GTC"
    if text not in TimeInForce.__members__:
        raise bad_argument("timeinforce")
    ticket.time_in_force = TimeInForce(text)
    if ticket.time_in_force is TimeInForce.FOK and ticket.kind not in LIMIT_PRICED:
        raise bad_argument("timeinforce")
    if ticket.time_in_force in {TimeInForce.IOC, TimeInForce.FOK} and ticket.post_only:
        raise bad_argument("timeinforce")
    ticket.starts_at = _instant(parameters, "starttm", now)
    ticket.expires_at = _instant(parameters, "expiretm", now)
    if ticket.time_in_force is TimeInForce.GTD and not ticket.expires_at:
        raise bad_argument("expiretm")
    if ticket.expires_at and ticket.expires_at < now + SHORTEST_EXPIRY:
        raise bad_argument("expiretm")


def _instant(parameters: Parameters, name: str, now: float) -> float:
    text = parameters.text(name).strip()
    if text in {"", "0"}:
        return 0.0
    try:
        seconds = float(int(text.lstrip("+")))
    except (ValueError, OverflowError):
        raise bad_argument(name) from None
    instant = now + seconds if text.startswith("+") else seconds
    if not now < instant <= now + MONTH:
        raise bad_argument(name)
    return instant
