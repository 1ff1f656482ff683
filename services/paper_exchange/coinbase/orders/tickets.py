"""Reads the fields of one order configuration into a ticket of the core, or finds why the product does not allow them.

Names of reasons: docs.cdp.coinbase.com, Create Order and Preview Order. What is missing or not of the right form is HTTP 400.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Final

from services.paper_exchange.coinbase.call import Call
from services.paper_exchange.coinbase.errors import invalid_argument
from services.paper_exchange.coinbase.orders.reasons import Refused
from services.paper_exchange.coinbase.products import QUOTE_INCREMENT, QUOTE_MAX_SIZE, Product
from services.paper_exchange.coinbase.texts import parse_decimal, parse_rfc3339
from services.paper_exchange.coinbase.view import last_price
from services.paper_exchange.core.instrument import Instrument, Side
from services.paper_exchange.core.order import OrderType, Ticket, TimeInForce

KINDS: Final = {
    "market_market_ioc": TimeInForce.GTC,  # until its last piece: for the core every market order ends by itself
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
"""The configurations of the client library, and how long each stays in force in the core's terms."""
BRACKET_ROOM: Final = Decimal("0.05")
"""How far beyond its stop price a bracket's limit moves: 5 % (docs.cdp.coinbase.com, `stop_trigger_price`)."""
_UP, _DOWN = "STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"


class TicketReader:
    """Reads one configuration: its kind, a key of `KINDS`, and its fields as sent."""

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
        """Return the ticket, or why it is refused. Raises CoinbaseRefusal (400)."""
        limit, trigger = self._price("limit_price"), self._trigger()
        size, in_quote = self._size(limit)
        post_only, expires_at = self._post_only(), self._end()
        if KINDS[self._kind] is TimeInForce.GTD and not expires_at:
            return Refused("GTD_ORDERS_MUST_HAVE_END_TIME")
        refused = (
            self._too_fine(limit, trigger)
            or self._out_of_bounds(size, limit, in_quote=in_quote)
            or self._on_wrong_side(limit, trigger)
        )
        if refused is None and 0 < expires_at <= self._call.now:
            refused = Refused("END_TIME_IS_IN_THE_PAST")
        if refused is not None:
            return refused
        if in_quote and limit is not None:
            size, in_quote = (size / limit).quantize(self._instrument.lot, ROUND_DOWN), False
        elif in_quote and self._side is Side.BUY:  # the fee is inside
            rate = self._call.exchange.settlement.rate(self._call.account, self._call.now, maker=False)
            size /= 1 + rate
        ticket = Ticket(
            self._instrument,
            self._side,
            self._order_type(),
            size,
            limit=limit,
            trigger=trigger,
            size_in_quote=in_quote,
            post_only=post_only,
            time_in_force=KINDS[self._kind],
            expires_at=expires_at,
            client_id=self._client_order_id,
            bracket_limit=self._bracket_limit(trigger),
        )
        return ticket if self._call.exchange.base_size(ticket) else Refused("INVALID_BASE_SIZE_TOO_SMALL")

    @property
    def _at_market(self) -> bool:
        return self._kind.startswith("market")

    @property
    def _brackets(self) -> bool:
        return self._kind.startswith("trigger_bracket")

    def _size(self, limit: Decimal | None) -> tuple[Decimal, bool]:
        base, quote = self._fields.get("base_size"), self._fields.get("quote_size")
        given = base if base else quote if self._at_market or self._kind == "sor_limit_ioc" else None
        size = parse_decimal(given)
        if size is None or (base and quote):
            raise invalid_argument("order_configuration: exactly one of base_size and quote_size is required")
        if self._at_market is (limit is not None):
            raise invalid_argument("order_configuration: limit_price")
        return size, not base

    def _too_fine(self, limit: Decimal | None, trigger: Decimal | None) -> Refused | None:
        tick = self._instrument.tick
        if limit is not None and limit % tick:
            reason = "INVALID_BRACKET_LIMIT_PRICE_PRECISION" if self._brackets else "INVALID_PRICE_PRECISION"
            return Refused(reason, "Too many decimals in order price")
        if trigger is not None and trigger % tick:
            reason = "INVALID_STOP_TRIGGER_PRICE_PRECISION" if self._brackets else "INVALID_STOP_PRICE_PRECISION"
            return Refused(reason, "Too many decimals in stop price")
        return None

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

    def _on_wrong_side(self, limit: Decimal | None, trigger: Decimal | None) -> Refused | None:
        """Return why the prices of a stop or bracket do not fit the last price (which way round: inferred from the names)."""
        if trigger is None or limit is None:
            return None
        last = last_price(self._call.exchange, self._product)
        if not self._brackets:
            direction = self._direction()
            if direction == _UP and trigger <= last:
                return Refused("STOP_PRICE_BELOW_LAST_TRADE_PRICE")
            return Refused("STOP_PRICE_ABOVE_LAST_TRADE_PRICE") if direction == _DOWN and trigger >= last else None
        sign = 1 if self._side is Side.SELL else -1
        if sign * (limit - trigger) <= 0:
            return Refused("INVALID_BRACKET_PRICES")
        if sign * (limit - last) <= 0:
            return Refused("INVALID_BRACKET_LIMIT_PRICE")
        return Refused("INVALID_BRACKET_STOP_TRIGGER_PRICE") if sign * (last - trigger) <= 0 else None

    def _direction(self) -> str:
        direction = self._fields.get("stop_direction")
        if direction not in (_UP, _DOWN):
            raise invalid_argument("order_configuration: stop_direction")
        return str(direction)

    def _order_type(self) -> OrderType:
        if self._at_market:
            return OrderType.MARKET
        if not self._kind.startswith("stop_limit"):
            return OrderType.LIMIT
        rises = self._direction() == _UP
        return OrderType.STOP_LOSS_LIMIT if rises is (self._side is Side.BUY) else OrderType.TAKE_PROFIT_LIMIT

    def _trigger(self) -> Decimal | None:
        if self._brackets:
            return self._price("stop_trigger_price")
        return self._price("stop_price") if self._kind.startswith("stop_limit") else None

    def _bracket_limit(self, trigger: Decimal | None) -> Decimal | None:
        if trigger is None or not self._brackets:
            return None
        room = -BRACKET_ROOM if self._side is Side.SELL else BRACKET_ROOM
        return self._instrument.round_price(trigger * (1 + room), self._side)

    def _price(self, name: str) -> Decimal | None:
        given = self._fields.get(name)
        if given is None and self._at_market:
            return None
        price = parse_decimal(given)
        if price is None or price == 0:
            raise invalid_argument(f"order_configuration: {name} is required")
        return price

    def _post_only(self) -> bool:
        given = self._fields.get("post_only")
        if given is not None and not isinstance(given, bool):
            raise invalid_argument("order_configuration: post_only is not a boolean")
        return given is True

    def _end(self) -> float:
        given = self._fields.get("end_time")
        if KINDS[self._kind] is not TimeInForce.GTD or not given:
            return 0.0
        end = parse_rfc3339(str(given))
        if end is None or end <= 0:
            raise invalid_argument("order_configuration: end_time")
        return end
