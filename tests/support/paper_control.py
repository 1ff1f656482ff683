"""The paper exchange as a test steers and reads it: its control plane, and what each venue calls the same thing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_PATIENCE: Final = 60.0
"""Seconds for one answer of the exchange: a busy machine makes it slow."""


@dataclass(frozen=True, slots=True)
class VenueWords:
    """What tests must know of a venue to read its journal and its accounts."""

    places: str
    """The journal's name of the request that places an order; faults take it as their method."""
    cancels: frozenset[str]
    finds_ended: frozenset[str]
    """Requests that find an order which has ended already."""
    shows_balances: str
    cash: frozenset[str]
    """Assets that buy; every other one was bought."""


WORDS: Final[Mapping[str, VenueWords]] = {
    "kraken": VenueWords(
        "AddOrder",
        frozenset({"CancelOrder", "CancelAll"}),
        frozenset({"ClosedOrders"}),
        "BalanceEx",
        frozenset({"USD"}),
    ),
    "coinbase": VenueWords(
        "CreateOrder", frozenset({"CancelOrders"}), frozenset({"GetOrder"}), "ListAccounts", frozenset({"USD", "USDC"})
    ),
}


class PaperControl:
    """The control plane of the exchange on a port of this machine."""

    def __init__(self, port: int, folder: Path) -> None:
        """`folder`: where the journal is kept when a test asks for it."""
        self.paper_port = port
        self.folder = folder

    def price(self, symbol: str, price: str) -> None:
        """Set the market price of a symbol; the market stands still where the test has set its speed to 0."""
        self.post("/paper/price", {"symbol": symbol, "price": price})

    def fault(self, fault: str, **more: Any) -> None:
        """Throw a fault switch of the exchange."""
        self.post("/paper/faults", {"fault": fault, **more})

    def clear_faults(self) -> list[dict[str, Any]]:
        """Turn every fault off; answers the switches as they stood, with how often each fired."""
        switches: list[dict[str, Any]] = list(self.get("/paper/faults"))
        url = f"http://127.0.0.1:{self.paper_port}/paper/faults"
        urllib.request.urlopen(
            urllib.request.Request(url, method="DELETE"), timeout=_PATIENCE
        ).close()  # built right here
        return switches

    def venue_orders(self, user: str, venue: str = "") -> list[dict[str, Any]]:
        """Read every order that the exchange ever accepted from a user, at one venue or at all."""
        rows = list(self.get(f"/paper/orders?user={user}"))
        return [row for row in rows if venue in {"", row["venue"]}]

    def requests_of(self, user: str, method: str = "") -> list[dict[str, Any]]:
        """Read what a user's keys have asked of the exchange, in order of arrival."""
        rows = self.get("/paper/requests")
        return [row for row in rows if row["user"] == user and method in {"", row["method"]}]

    def keep_journal(self) -> None:
        """Write what the exchange saw beside the logs: for whoever looks for the cause of a failure."""
        journal = {"orders": self.get("/paper/orders"), "requests": self.get("/paper/requests")}
        (self.folder / "journal.json").write_text(json.dumps(journal))

    def invalid_nonces(self) -> list[dict[str, Any]]:
        """Read the requests that the exchange refused for their nonce."""
        return [row for row in self.get("/paper/requests") if "nonce" in str(row["verdict"]).lower()]

    def get(self, path: str) -> Any:
        """Ask the exchange's control plane."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.paper_port}{path}", timeout=_PATIENCE) as answer:
            found = json.loads(answer.read())
        return (
            found["orders"]
            if isinstance(found, dict) and "orders" in found and path.startswith("/paper/orders")
            else found
        )

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Tell the exchange's control plane."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.paper_port}{path}",
            data=json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as answer:  # noqa: S310  # the URL is built right here
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            error.add_note(f"{path} {dict(body)}: {error.read().decode()}")  # the body may hold a key of paper, at most
            raise

    def answers(self, path: str) -> bool:
        """Return whether a path of the control plane answers now."""
        try:
            self.get(path)
        except OSError:
            return False
        return True
