"""A paper Coinbase on a clock that stands still, spoken to as the venue is: signed requests in, answers out, no sockets."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.paper_exchange.coinbase.front import CoinbaseFront, DelayedRequest
from services.paper_exchange.coinbase.gate import Request
from services.paper_exchange.control.messages import NewAccount
from services.paper_exchange.control.registry import create_coinbase
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.market.clock import ManualClock
from services.paper_exchange.market_file import PaperFile
from services.paper_exchange.wire import Reply
from shared.config.settings import Settings
from tests.support.paper_app import build

PREFIX: Final = "/api/v3/brokerage/"
HOST: Final = "api.coinbase.com"
VIEW_ONLY: Final = ["query-funds", "query-open-orders", "query-closed-orders", "query-ledger"]


@dataclass(frozen=True)
class Answer:
    """An answer as a client gets it."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def answer_of(reply: Reply | DelayedRequest) -> Answer:
    """Return a reply that must be there at once."""
    assert isinstance(reply, Reply)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Answer(reply.status, reply.body, headers | {"content-type": reply.content_type.decode()})


class Client:
    """One API key: it signs as coinbase-advanced-py does."""

    def __init__(self, bench: Bench, name: str, secret: str) -> None:
        self.bench = bench
        self.name = name
        self.secret = secret

    def claims(self, verb: str, path: str) -> dict[str, Any]:
        """Return the claims of a token that is made now."""
        now = int(self.bench.clock.now())
        return {"sub": self.name, "iss": "cdp", "nbf": now, "exp": now + 120, "uri": f"{verb} {HOST}{path}"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """Sign claims; a header field that is None is left out."""
        key = private_key(self.secret)
        algorithm = "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "EdDSA"
        fields = {"kid": self.name, "nonce": secrets.token_hex(), **header}
        return jwt.encode(
            claims, key, algorithm, headers={name: value for name, value in fields.items() if value is not None}
        )

    def sign_raw(self, claims: dict[str, Any]) -> str:
        """Sign claims of any kind, as they are: PyJWT would refuse some of them itself."""
        header = {"alg": "ES256", "kid": self.name, "nonce": "1", "typ": "JWT"}
        return jwt.PyJWS().encode(json.dumps(claims).encode(), private_key(self.secret), "ES256", headers=header)

    def request(self, verb: str, path: str, body: Any = None, **query: Any) -> Request:
        """Return a signed request; `path` is below /api/v3/brokerage/."""
        whole = PREFIX + path
        text = b"{}" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        token = self.sign(self.claims(verb, whole))
        return Request(verb, whole, urlencode(query, doseq=True).encode(), f"Bearer {token}", text, HOST, "9.9.9.9")

    def raw(self, verb: str, path: str, body: Any = None, **query: Any) -> Reply | DelayedRequest:
        """Send a request and give what the front makes of it."""
        return self.bench.front.answer(self.request(verb, path, body, **query))

    def call(self, verb: str, path: str, body: Any = None, **query: Any) -> Answer:
        """Send a request and give the answer, whatever it is."""
        return answer_of(self.raw(verb, path, body, **query))

    def get(self, path: str, **query: Any) -> Any:
        """Send a GET that must succeed and give its JSON."""
        answer = self.call("GET", path, **query)
        assert answer.status == 200, answer.body
        return answer.json

    def post(self, path: str, body: Any) -> Any:
        """Send a POST that must have HTTP 200 and give its JSON."""
        answer = self.call("POST", path, body)
        assert answer.status == 200, answer.body
        return answer.json

    def wallet(self, currency: str) -> Any:
        """Return what is available and on hold in a currency; None if there is no wallet."""
        for row in self.get("accounts", limit=250)["accounts"]:
            if row["currency"] == currency:
                return Decimal(row["available_balance"]["value"]), Decimal(row["hold"]["value"])
        return None


def private_key(secret: str) -> ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey:
    """Return the key in a secret."""
    if secret.startswith("-----"):
        key = load_pem_private_key(secret.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey)
        return key
    import base64  # noqa: PLC0415

    return ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret)[:32])


class Bench:
    """The exchange, its clock and Coinbase's front. The market is frozen with BTC at 60000 (bid 59994, ask 60006)."""

    def __init__(self, **sections: dict[str, Any]) -> None:
        self.clock = ManualClock()
        market = {"speed": 0, **sections.pop("market", {})}
        paper = PaperFile.model_validate({"market": market, **sections})
        exchange, application = build(Settings(shoal_config=Path()), paper, self.clock)
        self.application = application
        self.front: CoinbaseFront = application._coinbase
        self.exchange: Exchange = self.front.venue.exchange
        self.kraken: Exchange = exchange
        if market["speed"] == 0:
            self.price("60000")

    def client(self, user: str = "alice", **fields: Any) -> Client:
        """Create an account, or a further key of one."""
        wish = {
            "user": user, "venue": "coinbase", "balances": {"USD": "100000", "BTC": "2"}, "tier": "unlimited", **fields,
        }  # fmt: skip
        made = create_coinbase(self.front.venue, NewAccount.model_validate(wish))
        return Client(self, made.key.name, made.secret)

    def public(self, path: str, *, address: str = "9.9.9.9", token: str = "", **query: Any) -> Answer:
        """Send a public GET, with a token if one is given."""
        whole = path if path.startswith("/") else PREFIX + path
        authorization = f"Bearer {token}" if token else ""
        request = Request("GET", whole, urlencode(query, doseq=True).encode(), authorization, b"{}", HOST, address)
        return answer_of(self.front.answer(request))

    def price(self, price: str, symbol: str = "BTC/USD") -> None:
        """Put the price somewhere."""
        self.kraken.set_price(symbol, Decimal(price))

    def arm(self, fault: str, **options: Any) -> None:
        """Arm a fault."""
        self.exchange.faults.arm(fault, **options)

    def journal(self) -> list[dict[str, object]]:
        """Return the journal of requests."""
        return list(self.exchange.journal.requests())
