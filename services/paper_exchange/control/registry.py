"""Creating accounts and keys of either venue, and moving funds in and out of them."""

from __future__ import annotations

import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from decimal import Decimal

from services.paper_exchange.coinbase.keys import new_name, new_secret, parse_secret, public_bytes
from services.paper_exchange.coinbase.portfolios import DEFAULT, Portfolio
from services.paper_exchange.coinbase.venue import CoinbaseVenue
from services.paper_exchange.control.messages import NewAccount, NewTransfer
from services.paper_exchange.core.account import Account, ApiKey
from services.paper_exchange.core.exchange import Exchange


@dataclass(frozen=True, slots=True)
class NewCoinbaseKey:
    """A key of the paper Coinbase, its secret, and the portfolio that it sees."""

    key: ApiKey
    secret: str = field(repr=False)
    portfolio: Portfolio = field(repr=False)


class RequestConflict(Exception):  # noqa: N818  # a refusal that the caller shows
    """The request contradicts the present state; the text says how."""


def create(exchange: Exchange, request: NewAccount) -> ApiKey:
    """Create an account, or add a key to one. The same key again changes nothing. Raises Conflict."""
    known = _known_key(exchange, request)
    if known is not None:
        if known.secret_text != request.api_secret:
            raise RequestConflict("this api_key exists with another secret")
        return known
    account = _open_account(exchange, request, request.venue)
    name = request.api_key or "PAPER" + secrets.token_hex(16).upper()
    secret = request.api_secret or b64encode(secrets.token_bytes(64)).decode()
    key = ApiKey(name, b64decode(secret), secret, account, request.permissions, request.tier, request.nonce_window)
    key.created_at, key.valid_until = exchange.clock.now(), request.valid_until
    key.ip_allowlist = request.ip_allowlist
    account.keys[name] = key
    exchange.keys[name] = key
    return key


def create_coinbase(venue: CoinbaseVenue, request: NewAccount) -> NewCoinbaseKey:
    """Create a portfolio with its account, or add a key to one. The same key again changes nothing. Raises Conflict.

    The secret is in the result, for the one answer that shows it; the venue keeps its public half.
    """
    exchange = venue.exchange
    name = request.portfolio or DEFAULT
    secret = request.api_secret or new_secret(request.key_type or "ecdsa")
    public = parse_secret(secret)
    known = _known_key(exchange, request)
    if known is not None:
        portfolio = venue.portfolios.of_account(known.account)
        if request.portfolio is not None and portfolio.name != request.portfolio:
            raise RequestConflict(f"this api_key belongs to another portfolio, {portfolio.name}")
        if public_bytes(venue.public_keys[known.name]) != public_bytes(public):
            raise RequestConflict("this api_key exists with another secret")
        return NewCoinbaseKey(known, secret, portfolio)
    found = venue.portfolios.find(request.user, name)
    if found is None:
        account = _open_account(exchange, request, account_name(request.venue, request.portfolio))
        found = Portfolio(request.user, name, account, exchange.clock.now())
        venue.portfolios.add(found)
    key = ApiKey(request.api_key or new_name(), b"", "", found.account, request.permissions, request.tier)
    found.account.keys[key.name] = exchange.keys[key.name] = key
    venue.public_keys[key.name] = public
    return NewCoinbaseKey(key, secret, found)


def account_name(venue: str, portfolio: str | None) -> str:
    """Return the name of an account among those of its user: the venue's, with a further portfolio after a slash."""
    return venue if portfolio in {None, DEFAULT} else f"{venue}/{portfolio}"


def _known_key(exchange: Exchange, request: NewAccount) -> ApiKey | None:
    known = exchange.keys.get(request.api_key) if request.api_key else None
    if known is not None and (known.account.user, known.account.venue) != (request.user, request.venue):
        raise RequestConflict(f"this api_key belongs to another account, {known.account.user} at {known.account.venue}")
    return known


def _open_account(exchange: Exchange, request: NewAccount, name: str) -> Account:
    account = exchange.accounts.get((request.user, name))
    if account is None:
        account = Account(request.user, request.venue, request.tier, margin=request.margin)
        exchange.accounts[request.user, name] = account
        for asset, amount in request.balances.items():
            account.transfer(exchange.ids.make("L"), exchange.clock.now(), asset, amount)
    return account


def transfer_funds(exchange: Exchange, request: NewTransfer, *, into: bool) -> Account:
    """Deposit or withdraw. Raises KeyError for an unknown account and Conflict when the funds are not there."""
    account = exchange.accounts[request.user, account_name(request.venue, request.portfolio)]
    now = exchange.clock.now()
    if not into and account.available(request.asset, now) < request.amount:
        raise RequestConflict(
            f"{request.user} has only {account.available(request.asset, now)} {request.asset} available"
        )
    amount: Decimal = request.amount if into else -request.amount
    account.transfer(exchange.ids.make("L"), now, request.asset, amount)
    return account
