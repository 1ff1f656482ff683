"""The channel `balances`: what is there, then each entry of the ledger as it is booked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from services.paper_exchange.control.messages import NewTransfer
from services.paper_exchange.control.registry import transfer_funds
from services.paper_exchange.core.renaming import rename
from services.paper_exchange.kraken.pairs import list_pair
from tests.unit.paper_exchange.streams.stream import Stream
from tests.unit.paper_exchange.venue import Client, Venue

D = Decimal
MAIN = {"asset_class": "currency", "wallet_type": "spot", "wallet_id": "main"}


def test_the_snapshot_has_every_balance(venue: Venue, stream: Stream, alice: Client) -> None:
    (message,) = stream.subscribe(alice, channel="balances")
    wallet = {"type": "spot", "id": "main"}
    assert message == {
        "channel": "balances", "type": "snapshot", "sequence": 1,
        "data": [
            {"asset": "BTC", "asset_class": "currency", "balance": D(2), "wallets": [{**wallet, "balance": D(2)}]},
            {
                "asset": "USD", "asset_class": "currency", "balance": D(100000),
                "wallets": [{**wallet, "balance": D(100000)}],
            },
        ],
    }  # fmt: skip
    assert Stream(venue).subscribe(alice, channel="balances", snapshot=False) == []


def test_a_trade_is_two_entries_with_the_ids_of_rest(stream: Stream, alice: Client) -> None:
    stream.subscribe(alice, channel="balances", snapshot=False)
    alice.add("buy", "market", "0.5")
    (message,) = stream.heard()
    assert message["type"] == "update"
    rest: dict[str, Any] = alice.ok("Ledgers", type="trade")["ledger"]
    assert len(rest) == 2
    assert {row["ledger_id"] for row in message["data"]} == rest.keys()
    quote, base = message["data"]
    ((trade_id, _),) = alice.ok("TradesHistory")["trades"].items()
    assert quote == {
        "ledger_id": quote["ledger_id"], "ref_id": trade_id, "timestamp": "2023-11-14T22:13:20.000000Z",
        "type": "trade", "asset": "USD", "category": "trade", **MAIN, "amount": D("-30003"), "fee": D("120.012"),
        "balance": D("69876.988"),
    }  # fmt: skip
    assert (base["asset"], base["amount"], base["fee"], base["balance"]) == ("BTC", D("0.5"), D(0), D("2.5"))


def test_deposits_and_withdrawals_are_told_by_their_type(venue: Venue, stream: Stream, alice: Client) -> None:
    stream.subscribe(alice, channel="balances", snapshot=False)
    wish = {"user": "alice", "venue": "kraken", "asset": "USD", "amount": "0.5"}
    transfer_funds(venue.exchange, NewTransfer.model_validate(wish), into=True)
    transfer_funds(venue.exchange, NewTransfer.model_validate(wish), into=False)
    rows = [message["data"][0] for message in stream.heard()]
    assert [(row["type"], row["category"], row["asset"], row["amount"], row["balance"]) for row in rows] == [
        ("deposit", "deposit", "USD", D("0.5"), D("100000.5")),
        ("withdrawal", "withdrawal", "USD", D("-0.5"), D(100000)),
    ]
    assert [row["ledger_id"] for row in rows] == list(reversed(list(alice.ok("Ledgers")["ledger"])[:2]))


def test_a_conversion_is_neither(venue: Venue, stream: Stream) -> None:
    dave = venue.client("dave", balances={"DOT": "4"})
    stream.subscribe(dave, channel="balances", snapshot=False)
    rename(venue.exchange, "DOT", "TOD", Decimal(10), list_pair)
    rows = [message["data"][0] for message in stream.heard()]
    assert [(row["type"], row["asset"], row["amount"], row["balance"]) for row in rows] == [
        ("conversion", "DOT", D(-4), D(0)),
        ("conversion", "TOD", D(40), D(40)),
    ]
    assert {row["type"] for row in dave.ok("Ledgers", type="conversion")["ledger"].values()} == {"conversion"}


def test_a_margin_trade_is_told_as_margin(venue: Venue, stream: Stream) -> None:
    erin = venue.client("erin", margin=True)
    stream.subscribe(erin, channel="balances", snapshot=False)
    erin.add("buy", "market", "0.5", leverage="2")
    (message,) = stream.heard()
    assert [(row["type"], row["asset"]) for row in message["data"]] == [("margin", "USD")]


def test_orders_that_do_not_trade_are_no_entries(stream: Stream, alice: Client) -> None:
    stream.subscribe(alice, channel="balances", snapshot=False)
    alice.ok("CancelOrder", txid=alice.add("buy", "limit", "0.5", price="50000"))
    assert stream.heard() == []
