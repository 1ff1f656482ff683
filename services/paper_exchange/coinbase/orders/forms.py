"""An order as it is sent, checked for its form and against the product: a ticket of the core, or the reason of a refusal.

Shapes and names of reasons: docs.cdp.coinbase.com, Create Order. What is not JSON of the right form is HTTP 400; what the
product or the market does not allow is a refused order.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import Final

from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.flags import ProductFlags, count_refusal, flags_of
from services.paper_exchange.coinbase.products import PRODUCTS, QUOTE_INCREMENT, QUOTE_MAX_SIZE, Product
from services.paper_exchange.coinbase.texts import parse_decimal, parse_rfc3339
from services.paper_exchange.coinbase.view import last_price, traded
from services.paper_exchange.core.instrument import Instrument, Side
from services.paper_exchange.core.order import OrderType, Ticket, TimeInForce

KINDS: Final = {
    "market_market_ioc": TimeInForce.IOC,
    "market_market_fok": TimeInForce.FOK,
    "sor_limit_ioc": TimeInForce.IOC,
    "limit_limit_gtc": TimeInForce.GTC,
    "limit_limit_gtd": TimeInForce.GTD,
    "limit_limit_fok": TimeInForce.FOK,
    "stop_limit_stop_limit_gtc": TimeInForce.GTC,
    "stop_limit_stop_limit_gtd": TimeInForce.GTD,
    "trigger_bracket_gtc": TimeInForce.GTC,
    "trigger_bracket_gtd": TimeInForce.GTD,
}
UNSUPPORTED: Final = frozenset({"market_market_fok", "twap_limit_gtd", "scaled_limit_gtc"})
"""Configurations that the venue knows and refuses for spot."""
UNAVAILABLE: Final = "account is not available"
_UP, _DOWN = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"


@dataclass(frozen=True, slots=True)
class Refused:
    """Why an order is refused: the reason's name without `PREVIEW_`, and a message."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """An order that may be placed."""

    product: Product
    kind: str
    fields: dict[str, object]
    ticket: Ticket


def read_form(call: Call, client_order_id: str = "") -> Form | Refused:
    """Parse the order in a request's body. Raises CoinbaseRefusal (400) for a wrong form."""
    side, kind, fields = _side(call.body), *_configuration(call.body)
    product = PRODUCTS.get(_text(call.body, "product_id"))
    if product is None or not traded(call.exchange, product):
        return Refused("INVALID_PRODUCT_ID", "unknown product")
    if kind in UNSUPPORTED or kind not in KINDS:
        return Refused("UNSUPPORTED_ORDER_CONFIGURATION", "unsupported order configuration")
    flags = flags_of(call.exchange, product, call.account.user)
    if reason := _forbidden(flags, kind, fields):
        count_refusal(call.exchange, product, call.account.user)
        return Refused(reason)
    if product.instrument.quote not in call.account.balances:
        return Refused("UNKNOWN_FAILURE_REASON", UNAVAILABLE)
    instrument = call.exchange.rules.adjust(product.instrument, product.book_symbol)
    ticket = _Reader(call, product, instrument, side, kind, fields, client_order_id).ticket()
    return ticket if isinstance(ticket, Refused) else Form(product, kind, fields, ticket)


class _Reader:
    """Reads the fields of one configuration."""

    def __init__(
        self,
        call: Call,
        product: Product,
        instrument: Instrument,
        side: Side,
        kind: str,
        fields: dict[str, object],
        client_order_id: str,
    ) -> None:
        self._call = call
        self._product = product
        self._instrument = instrument
        self._side = side
        self._kind = kind
        self._fields = fields
        self._client_order_id = client_order_id

    def ticket(self) -> Ticket | Refused:
        limit, trigger = self._price("limit_price"), self._price("stop_price")
        for price, name in ((limit, "LIMIT_PRICE"), (trigger, "STOP_PRICE")):
            if price is not None and price % self._instrument.tick:
                return Refused("INVALID_PRICE_PRECISION", f"Too many decimals in {name.lower()}")
        size, in_quote = self._size(limit)
        if refused := self._out_of_bounds(size, limit, in_quote=in_quote):
            return refused
        if in_quote and limit is not None:
            size, in_quote = (size / limit).quantize(self._instrument.lot, ROUND_DOWN), False
        elif in_quote and self._side is Side.BUY:  # the fee is inside
            rate = self._call.exchange.settlement.rate(self._call.account, self._call.now, maker=False)
            size /= 1 + rate
        if trigger is not None and (refused := self._wrong_side(trigger)):
            return refused
        return Ticket(
            self._instrument,
            self._side,
            self._order_type(),
            size,
            limit=limit,
            trigger=trigger,
            size_in_quote=in_quote,
            post_only=self._fields.get("post_only") is True,
            time_in_force=KINDS[self._kind],
            expires_at=self._end(),
            client_id=self._client_order_id,
        )

    def _size(self, limit: Decimal | None) -> tuple[Decimal, bool]:
        base, quote = self._fields.get("base_size"), self._fields.get("quote_size")
        market = self._kind.startswith("market") or self._kind == "sor_limit_ioc"
        given = base if base else quote if market else None
        size = parse_decimal(given)
        if size is None or (base and quote):
            raise invalid_argument("order_configuration: exactly one of base_size and quote_size is required")
        if self._kind.startswith("market") is (limit is not None):
            raise invalid_argument("order_configuration: limit_price")
        return size, not base

    def _out_of_bounds(self, size: Decimal, limit: Decimal | None, *, in_quote: bool) -> Refused | None:
        instrument, product = self._instrument, self._product
        if size % (QUOTE_INCREMENT if in_quote else instrument.lot):
            return Refused("INVALID_QUOTE_SIZE_PRECISION" if in_quote else "INVALID_SIZE_PRECISION")
        if not in_quote and size < instrument.order_min:
            return self._too_small("INVALID_BASE_SIZE_TOO_SMALL")
        if not in_quote and size > product.base_max_size:
            return Refused("INVALID_BASE_SIZE_TOO_LARGE")
        worth = size if in_quote else size * (limit or last_price(self._call.exchange, product))
        if worth < instrument.cost_min:
            return self._too_small("INVALID_QUOTE_SIZE_TOO_SMALL")
        return Refused("INVALID_QUOTE_SIZE_TOO_LARGE") if worth > QUOTE_MAX_SIZE else None

    def _too_small(self, reason: str) -> Refused:
        self._call.exchange.rules.count("ordermin_raised_mid_run", "", self._product.book_symbol)
        return Refused(reason)

    def _wrong_side(self, trigger: Decimal) -> Refused | None:
        last, direction = last_price(self._call.exchange, self._product), self._direction()
        if direction == _UP and trigger <= last:
            return Refused("STOP_PRICE_BELOW_LAST_TRADE_PRICE")
        return Refused("STOP_PRICE_ABOVE_LAST_TRADE_PRICE") if direction == _DOWN and trigger >= last else None

    def _direction(self) -> str:
        direction = self._fields.get("stop_direction")
        if direction not in {_UP, _DOWN}:
            raise invalid_argument("order_configuration: stop_direction")
        return str(direction)

    def _order_type(self) -> OrderType:
        if self._kind.startswith("market"):
            return OrderType.MARKET
        if not self._kind.startswith("stop_limit"):
            return OrderType.LIMIT
        rises = self._direction() == _UP
        return OrderType.STOP_LOSS_LIMIT if rises is (self._side is Side.BUY) else OrderType.TAKE_PROFIT_LIMIT

    def _price(self, name: str) -> Decimal | None:
        if name == "stop_price" and not self._kind.startswith("stop_limit"):
            return None
        given = self._fields.get(name)
        if given is None and self._kind.startswith("market"):
            return None
        price = parse_decimal(given)
        if price is None or price == 0:
            raise invalid_argument(f"order_configuration: {name} is required")
        return price

    def _end(self) -> float:
        if KINDS[self._kind] is not TimeInForce.GTD:
            return 0.0
        end = parse_rfc3339(str(self._fields.get("end_time") or ""))
        if end is None or end <= self._call.now:
            raise invalid_argument("order_configuration: end_time")
        return end


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
    if side not in {"BUY", "SELL"}:
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
