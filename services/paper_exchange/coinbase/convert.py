"""Conversions between USD and USDC, one to one: money moves between two wallets, and neither an order nor a fill comes of it."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from services.paper_exchange.coinbase.accounts import DOLLARS
from services.paper_exchange.coinbase.call import Call, Shape
from services.paper_exchange.coinbase.errors import invalid_argument, not_found
from services.paper_exchange.coinbase.portfolios import Conversion
from services.paper_exchange.coinbase.texts import decimal_text, parse_decimal


def create_quote(call: Call) -> Shape:
    """Return a quote for `amount` from one wallet to the other; wallets are named by currency or id."""
    source, target = (_currency(call, name) for name in ("from_account", "to_account"))
    amount = parse_decimal(call.body.get("amount"))
    if {source, target} != DOLLARS or not amount or amount != amount.quantize(Decimal("0.01")):
        raise invalid_argument("a conversion needs USD, USDC and an amount above 0 in whole cents")
    made = Conversion(str(uuid4()), source, target, amount)
    call.portfolio.conversions[made.id] = made
    return {"trade": _trade(call, made)}


def commit_trade(call: Call) -> Shape:
    """Carry a quote out. A second commit of the same quote moves nothing and gets the same answer."""
    made = _find(call)
    if [_currency(call, name) for name in ("from_account", "to_account")] != [made.source, made.target]:
        raise invalid_argument("from_account and to_account are not those of the quote")
    if not made.done_at:
        if call.account.available(made.source, call.now) < made.amount:
            raise invalid_argument("Insufficient balance in source account")
        for asset, amount in ((made.source, -made.amount), (made.target, made.amount)):
            call.account.transfer(call.exchange.ids.make("L"), call.now, asset, amount)
        made.done_at = call.now
    return {"trade": _trade(call, made)}


def get_trade(call: Call) -> Shape:
    """Return a conversion and how far it is."""
    return {"trade": _trade(call, _find(call))}


def _find(call: Call) -> Conversion:
    made = call.portfolio.conversions.get(call.path["trade_id"])
    if made is None:
        raise not_found("trade not found")
    return made


def _currency(call: Call, field: str) -> str:
    name = call.body.get(field)
    by_id = {call.portfolio.wallet_id(currency): currency for currency in DOLLARS}
    return by_id.get(name, name) if isinstance(name, str) else ""


def _trade(call: Call, made: Conversion) -> Shape:
    """Return a conversion; fields as Coinbase.Net lists them, without those that only a purchase has."""

    def money(currency: str, amount: Decimal = made.amount) -> Shape:
        return {"value": decimal_text(amount), "currency": currency}

    def wallet(currency: str) -> Shape:
        return {
            "type": "LEDGER_ACCOUNT",
            "ledger_account": {"account_id": call.portfolio.wallet_id(currency), "currency": currency},
        }

    return {
        "id": made.id,
        "status": "TRADE_STATUS_COMPLETED" if made.done_at else "TRADE_STATUS_CREATED",
        "user_entered_amount": money(made.source),
        "amount": money(made.source),
        "subtotal": money(made.source),
        "total": money(made.target),
        "fees": [],
        "total_fee": {"title": "", "description": "", "amount": money(made.source, Decimal(0)), "label": ""},
        "source": wallet(made.source),
        "target": wallet(made.target),
        "user_warnings": [],
        "user_reference": "",
        "source_currency": made.source,
        "target_currency": made.target,
        "source_id": call.portfolio.wallet_id(made.source),
        "target_id": call.portfolio.wallet_id(made.target),
        "exchange_rate": {"value": "1", "currency": made.target},
    }
