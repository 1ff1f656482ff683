"""The calls of the control plane. Strangers never reach them (`gate.py`), and they are never under a venue's own paths.

A secret is in one answer only: the one to the creation of its account.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from typing import Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse

from services.paper_exchange.coinbase.venue import NAME as COINBASE, CoinbaseVenue
from services.paper_exchange.control.messages import NewAccount, NewFault, NewName, NewPrice, NewSpeed, NewTransfer
from services.paper_exchange.control.registry import (
    RequestConflict,
    account_name,
    create,
    create_coinbase,
    transfer_funds,
)
from services.paper_exchange.control.views import (
    View,
    account_view,
    fault_view,
    key_view,
    order_view,
    streams_view,
    text,
)
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.renaming import PairListener, rename
from services.paper_exchange.streaming.register import StreamRegister

PIECE: Final = 500  # rows


def control_plane(
    exchange: Exchange, coinbase: CoinbaseVenue, listed: PairListener, register: StreamRegister
) -> FastAPI:
    """Build the application behind `/paper/`. `listed` is called with every pair that gets another name."""
    plane = FastAPI(
        title="Shoal paper exchange", docs_url="/paper/docs", openapi_url="/paper/openapi.json", redoc_url=None
    )
    plane.add_exception_handler(RequestValidationError, _bad_request)
    plane.add_exception_handler(RequestConflict, _conflict)
    _accounts(plane, exchange, coinbase)
    _market(plane, exchange, listed)
    _faults(plane, exchange)
    _journal(plane, exchange, register)
    return plane


def _accounts(plane: FastAPI, exchange: Exchange, coinbase: CoinbaseVenue) -> None:
    @plane.post("/paper/accounts")
    async def create_account(request: NewAccount) -> View:
        if request.venue == COINBASE:
            made = create_coinbase(coinbase, request)
            portfolio: View = {"portfolio": made.portfolio.name, "portfolio_uuid": made.portfolio.uuid}
            return key_view(made.key, made.secret) | portfolio
        key = create(exchange, request)
        return key_view(key, key.secret_text)

    @plane.get("/paper/accounts/{user}/{venue}")
    async def show_account(user: str, venue: str, portfolio: str | None = None) -> View:
        exchange.catch_up()
        account = exchange.accounts.get((user, account_name(venue, portfolio)))
        if account is None:
            raise HTTPException(404, f"no account of {user} at {venue}")
        return account_view(account)

    @plane.post("/paper/deposit")
    async def deposit(request: NewTransfer) -> View:
        return _transfer(request, into=True)

    @plane.post("/paper/withdraw")
    async def withdraw(request: NewTransfer) -> View:
        return _transfer(request, into=False)

    def _transfer(request: NewTransfer, *, into: bool) -> View:
        try:
            account = transfer_funds(exchange, request, into=into)
        except KeyError:
            raise HTTPException(404, f"no account of {request.user} at {request.venue}") from None
        return {
            "user": request.user,
            "venue": request.venue,
            "asset": request.asset,
            "balance": text(account.balances[request.asset]),
        }


def _market(plane: FastAPI, exchange: Exchange, listed: PairListener) -> None:
    market = exchange.market

    @plane.post("/paper/price")
    async def set_price(request: NewPrice) -> View:
        if request.symbol not in market.feeds:
            raise HTTPException(400, f"unknown symbol {request.symbol!r}; known: {', '.join(market.feeds)}")
        exchange.set_price(request.symbol, request.price)
        book = market.book(request.symbol)
        price_at = book.instrument.price_at
        return {
            "symbol": request.symbol,
            "price": text(price_at(book.last)),
            "bid": text(price_at(book.bid)),
            "ask": text(price_at(book.ask)),
        }

    @plane.post("/paper/rename")
    async def rename_asset(request: NewName) -> View:
        try:
            symbols = rename(exchange, request.old, request.new, request.ratio, listed)
        except ValueError as error:
            raise RequestConflict(str(error)) from None
        return {"from": request.old, "to": request.new, "symbols": symbols}

    @plane.post("/paper/clock")
    async def set_speed(request: NewSpeed) -> View:
        exchange.catch_up()
        market.clock.set_speed(request.speed)
        return _clock()

    @plane.get("/paper/clock")
    async def show_clock() -> View:
        return _clock()

    @plane.get("/paper/identity")
    async def show_identity() -> View:
        return {"exchange": "shoal-paper", "clock": _clock()}

    def _clock() -> View:
        return {
            "speed": market.clock.speed,
            "market_time": round(market.clock.now() * 1000),
            "wall_time": round(exchange.clock.now() * 1000),
        }


def _faults(plane: FastAPI, exchange: Exchange) -> None:
    @plane.post("/paper/faults")
    async def arm(request: NewFault) -> View:
        if request.symbol and request.symbol not in exchange.market.feeds:
            raise HTTPException(400, f"unknown symbol {request.symbol!r}; known: {', '.join(exchange.market.feeds)}")
        options = request.model_dump(exclude={"fault"})
        return fault_view(exchange.faults.arm(request.fault, **options))

    @plane.get("/paper/faults")
    async def show_faults() -> list[View]:
        return [fault_view(switch) for switch in exchange.faults]

    @plane.delete("/paper/faults")
    async def clear_faults() -> list[View]:
        fired = [fault_view(switch) for switch in exchange.faults]
        exchange.faults.clear()
        return fired


def _journal(plane: FastAPI, exchange: Exchange, register: StreamRegister) -> None:
    @plane.get("/paper/orders")
    async def show_orders(user: str = "", symbol: str = "", client_order_id: str = "") -> StreamingResponse:
        exchange.catch_up()
        return _json_list(
            order_view(order)
            for order in list(exchange.journal.orders)
            if user in {"", order.account.user}
            and symbol in {"", order.instrument.symbol}
            and client_order_id in {"", order.ticket.client_id}
        )

    @plane.get("/paper/requests")
    async def show_requests(api_key: str = "") -> StreamingResponse:
        return _json_list(exchange.journal.requests(api_key))

    @plane.get("/paper/streams")
    async def show_streams(user: str = "") -> View:
        return streams_view(register, user)


def _json_list(rows: Iterator[View]) -> StreamingResponse:
    """Send a list in pieces: a long run's journal is too large for one answer in memory."""
    return StreamingResponse(_pieces(rows), media_type="application/json")


async def _pieces(rows: Iterator[View]) -> AsyncIterator[bytes]:
    opening = b"["
    while batch := list(islice(rows, PIECE)):
        yield opening + b",".join(json.dumps(row).encode() for row in batch)
        opening = b","
    yield b"[]" if opening == b"[" else b"]"


async def _bad_request(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part != "body")
    message = str(first["msg"]).removeprefix("Value error, ")
    return JSONResponse({"detail": f"{field}: {message}" if field else message}, 400)


async def _conflict(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 409)
