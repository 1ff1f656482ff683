"""Creating accounts and keys, and moving funds in and out of them."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from decimal import Decimal

from services.paper_exchange.control.messages import NewAccount, NewTransfer
from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.exchange import Exchange


class RequestConflict(Exception):  # noqa: N818  # a refusal that the caller shows
    """The request contradicts the present state; the text says how."""


def create(exchange: Exchange, request: NewAccount) -> ApiKey:
    """Create an account, or add a key to one. The same key again changes nothing. Raises Conflict."""
    known = exchange.keys.get(request.api_key) if request.api_key else None
    if known is not None:
        if (known.account.user, known.account.venue) != (request.user, request.venue):
            raise RequestConflict(
                f"this api_key belongs to another account, {known.account.user} at {known.account.venue}"
            )
        if known.secret_text != request.api_secret:
            raise RequestConflict("this api_key exists with another secret")
        return known
    account = exchange.accounts.get((request.user, request.venue))
    if account is None:
        account = Account(request.user, request.venue, request.tier, margin=request.margin)
        exchange.accounts[request.user, request.venue] = account
        for asset, amount in request.balances.items():
            account.transfer(exchange.ids.make("L"), exchange.clock.now(), asset, amount)
    name = request.api_key or "PAPER" + secrets.token_hex(16).upper()
    secret = request.api_secret or b64encode(secrets.token_bytes(64)).decode()
    key = ApiKey(name, b64decode(secret), secret, account, request.permissions, request.tier, request.nonce_window)
    key.created_at, key.valid_until = exchange.clock.now(), request.valid_until
    key.ip_allowlist = request.ip_allowlist
    account.keys[name] = key
    exchange.keys[name] = key
    return key


def transfer_funds(exchange: Exchange, request: NewTransfer, *, into: bool) -> Account:
    """Deposit or withdraw. Raises KeyError for an unknown account and Conflict when the funds are not there."""
    account = exchange.accounts[request.user, request.venue]
    now = exchange.clock.now()
    if not into and account.available(request.asset, now) < request.amount:
        raise RequestConflict(
            f"{request.user} has only {account.available(request.asset, now)} {request.asset} available"
        )
    amount: Decimal = request.amount if into else -request.amount
    account.transfer(exchange.ids.make("L"), now, request.asset, amount)
    return account
