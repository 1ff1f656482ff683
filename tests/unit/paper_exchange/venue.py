"""A paper exchange on a clock that stands still, spoken to as Kraken is: signed requests in, JSON out, no sockets."""

from __future__ import annotations

import json
from base64 import b64encode
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from services.paper_exchange.control.messages import NewAccount
from services.paper_exchange.control.registry import create
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.market.clock import ManualClock
from services.paper_exchange.kraken.front import DelayedRequest, KrakenFront, Request
from services.paper_exchange.kraken.gate import sign
from services.paper_exchange.market_file import PaperFile
from services.paper_exchange.wire import Reply
from shared.config.settings import Settings
from tests.support.paper_app import build

FORM: Final = b"application/x-www-form-urlencoded"
QUERY_ONLY: Final = ["query-funds", "query-open-orders", "query-closed-orders", "query-ledger"]


class Client:
    """One API key. Nonces count up from 1 unless one is given."""

    def __init__(self, front: KrakenFront, name: str, secret: bytes) -> None:
        self.front = front
        self.name = name
        self.secret = secret
        self.nonces = count(1)

    def request(self, method: str, parameters: dict[str, Any], *, as_json: bool = False) -> Request:
        """Sign a request."""
        fields = {"nonce": str(next(self.nonces)), **parameters}
        body = (json.dumps(fields) if as_json else urlencode(fields)).encode()
        path = f"/0/private/{method}"
        signature = sign(self.secret, path, str(fields["nonce"]), body)
        return Request("POST", path, b"", self.name, signature, b"application/json" if as_json else FORM, body)

    def raw(self, method: str, *, as_json: bool = False, **parameters: Any) -> Reply | DelayedRequest:
        """Send a request and give what the front makes of it."""
        return self.front.answer(self.request(method, parameters, as_json=as_json))

    def call(self, method: str, *, as_json: bool = False, **parameters: Any) -> dict[str, Any]:
        """Send a request and give the whole answer."""
        reply = self.raw(method, as_json=as_json, **parameters)
        assert isinstance(reply, Reply)
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    def ok(self, method: str, *, as_json: bool = False, **parameters: Any) -> Any:
        """Send a request that must succeed and give its result."""
        answer = self.call(method, as_json=as_json, **parameters)
        assert answer["error"] == []
        return answer["result"]

    def error(self, method: str, *, as_json: bool = False, **parameters: Any) -> str:
        """Send a request that must be refused and give the one error string."""
        answer = self.call(method, as_json=as_json, **parameters)
        assert list(answer) == ["error"]
        (text,) = answer["error"]
        return str(text)

    def add(self, side: str, kind: str, volume: str, **parameters: Any) -> str:
        """Place an order on XBTUSD that must be accepted; give its id."""
        order = {"pair": "XBTUSD", "type": side, "ordertype": kind, "volume": volume, **parameters}
        (txid,) = self.ok("AddOrder", **order)["txid"]
        return str(txid)

    def refused(self, side: str, kind: str, volume: str, **parameters: Any) -> str:
        """Place an order on XBTUSD that must be refused; give the error."""
        return self.error(
            "AddOrder", **{"pair": "XBTUSD", "type": side, "ordertype": kind, "volume": volume, **parameters}
        )

    def order(self, txid: str) -> dict[str, Any]:
        """Query one order."""
        found: dict[str, Any] = self.ok("QueryOrders", txid=txid, trades="true")[txid]
        return found

    def balance(self, asset: str) -> Decimal:
        """Query one balance."""
        return Decimal(self.ok("Balance")[asset])

    def held(self, asset: str) -> Decimal:
        """Query what open orders hold of an asset."""
        return Decimal(self.ok("BalanceEx")[asset]["hold_trade"])


class Venue:
    """The exchange, its clock and its front. The market is frozen with BTC at 60000 (bid 59994, ask 60006)."""

    def __init__(self, settings: Settings | None = None, **sections: dict[str, Any]) -> None:
        self.clock = ManualClock()
        market = {"speed": 0, **sections.pop("market", {})}
        paper = PaperFile.model_validate({"market": market, **sections})
        exchange, door = build(settings or Settings(shoal_config=Path()), paper, self.clock)
        self.exchange: Exchange = exchange
        self.front: KrakenFront = door._kraken
        self.streams = door._streams["kraken"]
        if market["speed"] == 0:
            self.price("60000")

    def client(self, user: str = "alice", **fields: Any) -> Client:
        """Create an account, or a further key of one."""
        number = len(self.exchange.keys)
        wish = {
            "user": user, "venue": "kraken", "balances": {"USD": "100000", "BTC": "2"}, "tier": "unlimited",
            "api_key": f"PAPER{number}", "api_secret": b64encode(f"secret {number}".encode()).decode(), **fields,
        }  # fmt: skip
        key = create(self.exchange, NewAccount.model_validate(wish))
        return Client(self.front, key.name, key.secret)

    def price(self, price: str, symbol: str = "BTC/USD") -> None:
        """Put the price somewhere."""
        self.exchange.set_price(symbol, Decimal(price))

    def public(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Make a public call and give the whole answer."""
        request = Request("GET", f"/0/public/{method}", urlencode(parameters).encode(), "", b"", b"", b"")
        reply = self.front.answer(request)
        assert isinstance(reply, Reply)
        answer: dict[str, Any] = json.loads(reply.body)
        return answer

    def journal(self) -> list[dict[str, object]]:
        """Return the journal of requests."""
        return list(self.exchange.journal.requests())
