"""What those who listen to an account are told, in order and as it is after the change."""

from __future__ import annotations

from decimal import Decimal

from services.paper_exchange.core.account import Transfer
from services.paper_exchange.core.events import Change
from services.paper_exchange.core.order import Order, Trade
from tests.unit.paper_exchange.venue import Client, Venue

Told = tuple[str, str, Decimal, str]


class Listener:
    """Keeps what it is told: order, change, filled so far, status; and the transfers."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.trades: list[Trade] = []
        self.transfers: list[Transfer] = []

    def order_changed(self, order: Order, change: Change, trade: Trade | None) -> None:
        self.told.append((order.id, change.value, order.filled, order.status.value))
        if trade is not None:
            self.trades.append(trade)

    def funds_moved(self, transfer: Transfer) -> None:
        self.transfers.append(transfer)


def _listen(venue: Venue, user: str = "alice") -> Listener:
    listener = Listener()
    venue.exchange.accounts[user, "kraken"].listeners.append(listener)
    return listener


def test_a_market_order_is_accepted_enters_trades_and_ends(venue: Venue, alice: Client) -> None:
    heard = _listen(venue)
    txid = alice.add("buy", "market", "0.5")
    assert heard.told == [
        (txid, "accepted", Decimal(0), "open"),
        (txid, "entered", Decimal(0), "open"),
        (txid, "traded", Decimal("0.5"), "open"),
        (txid, "ended", Decimal("0.5"), "closed"),
    ]
    (trade,) = heard.trades
    assert (trade.order.id, trade.size) == (txid, Decimal("0.5"))


def test_a_resting_order_is_amended_and_cancelled(venue: Venue, alice: Client) -> None:
    heard = _listen(venue)
    txid = alice.add("buy", "limit", "0.5", price="50000")
    alice.ok("AmendOrder", txid=txid, limit_price="51000")
    alice.ok("CancelOrder", txid=txid)
    assert [(change, status) for _, change, _, status in heard.told] == [
        ("accepted", "open"),
        ("entered", "open"),
        ("amended", "open"),
        ("ended", "canceled"),
    ]


def test_a_stop_is_triggered_before_it_trades(venue: Venue, alice: Client) -> None:
    heard = _listen(venue)
    alice.add("sell", "stop-loss", "0.5", price="58000")
    venue.price("57000")
    assert [change for _, change, _, _ in heard.told] == ["accepted", "entered", "triggered", "traded", "ended"]


def test_others_hear_nothing(venue: Venue, alice: Client) -> None:
    venue.client("bob")
    heard = _listen(venue, "bob")
    alice.add("buy", "market", "0.5")
    assert heard.told == []
