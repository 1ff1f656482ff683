"""Creating accounts and keys, and moving funds in and out of them."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from decimal import Decimal

from services.paper_exchange.control.messages import Move, NewAccount
from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.exchange import Exchange


class Conflict(Exception):  # noqa: N818  # a refusal that the caller shows
    """What was asked contradicts what is there; the text says how."""


def create(exchange: Exchange, wish: NewAccount) -> ApiKey:
    """Create an account, or add a key to one. The same key again changes nothing. Raises Conflict."""
    known = exchange.keys.get(wish.api_key) if wish.api_key else None
    if known is not None:
        if (known.account.user, known.account.venue) != (wish.user, wish.venue):
            raise Conflict(f"this api_key belongs to another account, {known.account.user} at {known.account.venue}")
        if known.secret_text != wish.api_secret:
            raise Conflict("this api_key exists with another secret")
        return known
    account = exchange.accounts.get((wish.user, wish.venue))
    if account is None:
        account = Account(wish.user, wish.venue, wish.tier, margin=wish.margin)
        exchange.accounts[wish.user, wish.venue] = account
        for asset, amount in wish.balances.items():
            account.transfer(exchange.ids.make("L"), exchange.clock.now(), asset, amount)
    name = wish.api_key or "PAPER" + secrets.token_hex(16).upper()
    secret = wish.api_secret or b64encode(secrets.token_bytes(64)).decode()
    key = ApiKey(name, b64decode(secret), secret, account, wish.permissions, wish.tier, wish.nonce_window)
    account.keys[name] = key
    exchange.keys[name] = key
    return key


def move(exchange: Exchange, wish: Move, *, into: bool) -> Account:
    """Deposit or withdraw. Raises KeyError for an unknown account and Conflict when the funds are not there."""
    account = exchange.accounts[wish.user, wish.venue]
    now = exchange.clock.now()
    if not into and account.available(wish.asset, now) < wish.amount:
        raise Conflict(f"{wish.user} has only {account.available(wish.asset, now)} {wish.asset} available")
    amount: Decimal = wish.amount if into else -wish.amount
    account.transfer(exchange.ids.make("L"), now, wish.asset, amount)
    return account
