"""Parses AddOrder's parameters into a ticket, with every argument check that needs no account.

Order of the checks: required parameters, the pair, the types, the volume, the prices, the minimums, flags and times, then
the mode of the venue. Facts: docs.kraken.com, Add Order; Kraken's SDK, placing orders (forms of cl_ord_id,
FOK); shared/venues/kraken/KRAKEN.md, K8, K9.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final, TypeVar

from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.instrument import Instrument, Side, TradingStatus
from services.paper_exchange.core.order import (
    LIMIT_PRICED,
    TRAILING,
    TRIGGERED,
    ConditionalClose,
    OrderType,
    Ticket,
)
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.errors import INVALID_ARGUMENTS, KrakenRefusal, bad_argument
from services.paper_exchange.kraken.orders.prices import SentPrice
from services.paper_exchange.kraken.orders.times import read_times
from services.paper_exchange.kraken.orders.trailing import read_offset, read_trail, read_trailing_close
from services.paper_exchange.kraken.pairs import BY_NAME, LEVERAGE
from services.paper_exchange.kraken.parameters import Parameters

FLAGS: Final = frozenset({"post", "fcib", "fciq", "nompp", "viqc"})
SELF_TRADE: Final = frozenset({"cancel-newest", "cancel-oldest", "cancel-both"})
CLIENT_ID: Final = re.compile(
    r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[ -~]{1,18}", re.ASCII
)
INT32: Final = 2**31
Choice = TypeVar("Choice", Side, OrderType)


def instrument_of(exchange: Exchange, name: str) -> Instrument:
    """Return the instrument of a pair by id, altname or symbol, with its present rules."""
    pair = BY_NAME.get(name)
    if pair is None or pair.instrument.symbol not in exchange.market.feeds:
        raise KrakenRefusal(errors.UNKNOWN_PAIR)
    return exchange.rules.current(pair.instrument.symbol)


def read_ticket(exchange: Exchange, parameters: Parameters, instrument: Instrument, *, margin: bool = False) -> Ticket:
    """Parse and check an order; `margin` is whether the account may trade on margin. Raises KrakenRefusal."""
    side = _choice(Side, parameters.need("type"), "type")
    kind = _choice(OrderType, parameters.need("ordertype"), "ordertype")
    leverage = _leverage(parameters, instrument)
    if kind is OrderType.SETTLE_POSITION or (leverage and not margin):
        raise KrakenRefusal("EOrder:Margin allowance exceeded")
    if parameters.flag("reduce_only"):
        raise KrakenRefusal("EOrder:Reduce only:No position exists")
    flags = _flags(parameters, side, kind)
    if leverage and {"viqc", "fcib"}.intersection(flags):
        raise bad_argument("oflags")
    ticket = Ticket(
        instrument, side, kind, _volume(parameters, instrument),
        size_in_quote="viqc" in flags,
        post_only="post" in flags,
        fee_in_base="fcib" in flags,
        client_id=_client_id(parameters),
        userref=_userref(parameters),
        flags=",".join(flags if "fcib" in flags else sorted({*flags, "fciq"})),
        self_trade=_one_of(parameters.text("stptype") or "cancel-newest", SELF_TRADE, "stptype"),
        trigger_on=_one_of(parameters.text("trigger"), frozenset({"", "last", "index"}), "trigger"),
        display=parameters.amount("displayvol"),
        leverage=leverage,
    )  # fmt: skip
    _prices(exchange, parameters, ticket)
    read_times(parameters, ticket, exchange.clock.now())
    _close(exchange, parameters, ticket)
    _minimums(exchange, ticket)
    return ticket


def check_mode(exchange: Exchange, instrument: Instrument, *, post_only: bool, user: str) -> None:
    """Raise KrakenRefusal if the venue's or the pair's present mode does not allow the order."""
    if exchange.rules.closed(instrument.symbol):
        raise KrakenRefusal(errors.CANCEL_ONLY)
    if not exchange.faults.armed:
        return
    for status, fault in ((exchange.rules.mode(user), ""), (instrument.status, "pair_halted")):
        if status is TradingStatus.CANCEL_ONLY:
            exchange.rules.count(fault or "cancel_only_mode", user, instrument.symbol)
            raise KrakenRefusal(errors.CANCEL_ONLY)
        if status is TradingStatus.POST_ONLY and not post_only:
            exchange.rules.count("post_only_mode", user)
            raise KrakenRefusal(errors.POST_ONLY_MODE)


def _choice(kind: type[Choice], text: str, field: str) -> Choice:
    try:
        return kind(text)
    except ValueError:
        raise bad_argument(field) from None


def _leverage(parameters: Parameters, instrument: Instrument) -> int:
    """Parse the leverage; 0 is none. Raises KrakenRefusal for one that the pair does not offer."""
    text = parameters.text("leverage")
    if text in {"", "none", "0"}:
        return 0
    if text.removesuffix(":1") not in {str(each) for each in LEVERAGE.get(instrument.symbol, ())}:
        raise bad_argument("leverage")
    return int(text.removesuffix(":1"))


def _one_of(text: str, allowed: frozenset[str], field: str) -> str:
    if text not in allowed:
        raise bad_argument(field)
    return text


def _volume(parameters: Parameters, instrument: Instrument) -> Decimal:
    volume = parameters.amount("volume")
    if volume is None or volume <= 0:
        raise bad_argument("volume")
    if "viqc" in parameters.text("oflags"):
        return volume
    return instrument.floor_size(volume)


def _flags(parameters: Parameters, side: Side, kind: OrderType) -> list[str]:
    text = parameters.text("oflags")
    flags = sorted({flag.strip() for flag in text.split(",")}) if text else []
    if not FLAGS.issuperset(flags) or {"fcib", "fciq"}.issubset(flags):
        raise bad_argument("oflags")
    if "viqc" in flags and (side is not Side.BUY or kind is not OrderType.MARKET):
        raise bad_argument("viqc")
    if "post" in flags and kind not in {OrderType.LIMIT, OrderType.ICEBERG}:
        raise bad_argument("oflags")
    return flags


def _client_id(parameters: Parameters) -> str:
    text = parameters.text("cl_ord_id")
    if not text:
        return ""
    if parameters.text("userref") or parameters.text("close[ordertype]") or not CLIENT_ID.fullmatch(text):
        raise bad_argument("cl_ord_id")
    return text


def _userref(parameters: Parameters) -> int | None:
    if not parameters.text("userref"):
        return None
    value = parameters.integer("userref")
    if not -INT32 <= value < INT32:
        raise bad_argument("userref")
    return value


def _prices(exchange: Exchange, parameters: Parameters, ticket: Ticket) -> None:
    kind, instrument, side = ticket.kind, ticket.instrument, ticket.side
    if kind is OrderType.MARKET:
        return
    first = SentPrice.of(parameters.need("price"), "price")
    last = exchange.market.last(instrument.symbol)
    if kind in TRAILING:
        _trailing(parameters, ticket, first, last)
        return
    resolved = first.resolve(last, instrument, side)
    if kind not in TRIGGERED:
        ticket.limit = resolved
        return
    ticket.trigger = resolved
    if kind in LIMIT_PRICED:
        second = SentPrice.of(parameters.need("price2"), "price2")
        ticket.limit = second.resolve(resolved, instrument, side)


def _trailing(parameters: Parameters, ticket: Ticket, first: SentPrice, last: Decimal) -> None:
    ticket.trail = read_trail(first, "price", ticket.instrument, ticket.side)
    ticket.trigger = ticket.trailing_stop(last)
    if ticket.trail.at(last) <= 0 or ticket.trigger <= 0:
        raise KrakenRefusal(errors.INVALID_PRICE)
    if ticket.kind is OrderType.TRAILING_STOP_LIMIT:
        ticket.limit_offset = read_offset(parameters, "price2", ticket.instrument, ticket.side)
        ticket.limit = ticket.trailing_limit(ticket.trigger)


def _close(exchange: Exchange, parameters: Parameters, ticket: Ticket) -> None:
    text = parameters.text("close[ordertype]")
    if not text:
        return
    kind = _choice(OrderType, text, "close[ordertype]")
    if kind is OrderType.MARKET or kind is OrderType.SETTLE_POSITION:
        raise bad_argument("close[ordertype]")
    side = Side.SELL if ticket.side is Side.BUY else Side.BUY
    if kind in TRAILING:
        ticket.conditional_close = read_trailing_close(parameters, kind, ticket.instrument, side)
        return
    reference = ticket.limit or ticket.trigger or exchange.market.last(ticket.instrument.symbol)
    price = SentPrice.of(parameters.need("close[price]"), "close[price]").resolve(reference, ticket.instrument, side)
    second = None
    if kind in LIMIT_PRICED & TRIGGERED:
        sent = SentPrice.of(parameters.need("close[price2]"), "close[price2]")
        second = sent.resolve(price, ticket.instrument, side)
    ticket.conditional_close = ConditionalClose(kind, price, second)


def _minimums(exchange: Exchange, ticket: Ticket) -> None:
    instrument = ticket.instrument
    price = ticket.limit or ticket.trigger or exchange.market.last(instrument.symbol)
    size = ticket.size / price if ticket.size_in_quote else ticket.size
    if size < instrument.order_min:
        if exchange.faults.armed:
            exchange.rules.count("ordermin_raised_mid_run", "", instrument.symbol)
        raise KrakenRefusal(errors.VOLUME_MINIMUM)
    if price * size < instrument.cost_min:
        raise KrakenRefusal(errors.COST_MINIMUM)
    if ticket.display is not None and (ticket.kind is not OrderType.ICEBERG or ticket.display * 15 < size):
        raise KrakenRefusal(f"{INVALID_ARGUMENTS}:displayvol")
