"""An order as it is sent: which product, side and configuration, and whether this key, product and venue take it now.

What is not JSON of the right form is HTTP 400; what the product or the market does not allow is a refused order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.flags import ProductFlags, count_refusal, flags_of
from services.paper_exchange.coinbase.orders.reasons import UNKNOWN_ORDER, Refused
from services.paper_exchange.coinbase.orders.tickets import KINDS, TicketReader
from services.paper_exchange.coinbase.products import PRODUCTS, Product
from services.paper_exchange.coinbase.view import traded
from services.paper_exchange.core.instrument import Side
from services.paper_exchange.core.order import Ticket

UNSUPPORTED: Final = frozenset({"market_market_fok", "twap_limit_gtd", "scaled_limit_gtc"})
"""Configurations that the venue knows and refuses for spot."""
UNAVAILABLE: Final = Refused(UNKNOWN_ORDER, "account is not available")
"""No wallet in the quote currency, or another portfolio than the key's (seen by nautilus_trader)."""
NO_LEVERAGE: Final = frozenset({None, "", "1", "1.0"})


@dataclass(frozen=True, slots=True)
class Form:
    """An order that may be placed."""

    product: Product
    kind: str
    fields: dict[str, object]
    ticket: Ticket


def read_form(call: Call, client_order_id: str = "") -> Form | Refused:
    """Parse the order in a request's body. Raises CoinbaseRefusal (400) for a wrong form."""
    body = call.body
    side, kind, fields = _side(body), *_configuration(body)
    product = PRODUCTS.get(_text(body, "product_id"))
    if product is None or not traded(call.exchange, product):
        return Refused("INVALID_PRODUCT_ID", "unknown product")
    if kind in UNSUPPORTED or body.get("attached_order_configuration"):
        return Refused("UNSUPPORTED_ORDER_CONFIGURATION", "unsupported order configuration")
    leverage = body.get("leverage")
    if not (leverage is None or (isinstance(leverage, str) and leverage in NO_LEVERAGE)):
        return Refused("INVALID_LEVERAGE")
    flags = flags_of(call.exchange, product, call.account.user)
    if reason := _forbidden(flags, kind, fields):
        count_refusal(call.exchange, product, call.account.user)
        return Refused(reason)
    if body.get("retail_portfolio_id") not in (None, "", call.portfolio.uuid):
        return UNAVAILABLE
    if product.instrument.quote not in call.account.balances:
        return UNAVAILABLE
    instrument = call.exchange.rules.adjust(product.instrument, product.book_symbol)
    ticket = TicketReader(call, product, instrument, side, kind, fields, client_order_id).ticket()
    return ticket if isinstance(ticket, Refused) else Form(product, kind, fields, ticket)


def _forbidden(flags: ProductFlags, kind: str, fields: dict[str, object]) -> str:
    if flags.is_disabled or flags.view_only or flags.status != "online":
        return "UNTRADABLE_PRODUCT"
    if flags.trading_disabled:
        return "TRADING_DISABLED"
    if flags.cancel_only:
        return "ORDER_ENTRY_DISABLED"
    limited = (flags.limit_only or flags.auction_mode) and kind.startswith("market")
    if limited or (flags.post_only and fields.get("post_only") is not True):
        return "NOT_ALLOWED_BY_MARKET_STATE"
    return ""


def _side(body: Shape) -> Side:
    side = body.get("side")
    if side not in ("BUY", "SELL"):
        raise invalid_argument("side")
    return Side.BUY if side == "BUY" else Side.SELL


def _configuration(body: Shape) -> tuple[str, dict[str, object]]:
    given = body.get("order_configuration")
    if not isinstance(given, dict) or len(given) != 1:
        raise invalid_argument("order_configuration: exactly one is required")
    ((kind, fields),) = given.items()
    if not isinstance(fields, dict) or (kind not in KINDS and kind not in UNSUPPORTED):
        raise invalid_argument(f"order_configuration: {str(kind)[:40]}")
    return kind, fields


def _text(body: Shape, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise invalid_argument(f"{name} is required")
    return value
