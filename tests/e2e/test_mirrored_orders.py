"""A person's limit order on the master's account rests, moves and fills on alice's account too. Real processes, both venues."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.person import CoinbasePerson, Person
from tests.support.processes import wait_for
from tests.support.stack import Stack

_IDLE: str = 'symbols = ["BTC/USD"]\nentry_pct = 0.00001\nentry_pct_by_symbol = {}\n'
"""A strategy whose entries are below every minimum."""
_SEEN = 60
"""Seconds until a scan has seen what happened, and more on a busy machine."""


class AtKraken:
    """What a person does there."""

    def __init__(self, stack: Stack) -> None:
        self._person = Person(stack, "master")

    def rest(self, side: str, size: str, limit: str) -> str:
        return self._person.trade(side, size, ordertype="limit", price=limit)

    def move(self, order: str, size: str, limit: str) -> None:
        self._person.call("AmendOrder", txid=order, order_qty=size, limit_price=limit)

    def cancel(self, order: str) -> None:
        self._person.call("CancelOrder", txid=order)


class AtCoinbase:
    """What a person does there."""

    def __init__(self, stack: Stack) -> None:
        self._person = CoinbasePerson(stack, "master")

    def rest(self, side: str, size: str, limit: str) -> str:
        fields = {"base_size": size, "limit_price": limit, "post_only": False}
        order = {
            "client_order_id": str(uuid4()),
            "product_id": "BTC-USD",
            "side": side.upper(),
            "order_configuration": {"limit_limit_gtc": fields},
        }
        answer = self._person.call("/api/v3/brokerage/orders", order)
        assert answer["success"] is True, answer
        return str(answer["success_response"]["order_id"])

    def move(self, order: str, size: str, limit: str) -> None:
        answer = self._person.call("/api/v3/brokerage/orders/edit", {"order_id": order, "size": size, "price": limit})
        assert answer["success"] is True, answer

    def cancel(self, order: str) -> None:
        self._person.call("/api/v3/brokerage/orders/batch_cancel", {"order_ids": [order]})


@pytest.fixture(params=["kraken", "coinbase"])
def stack(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path, ["alice", "bob"], venue=request.param, venues={"master": [request.param]}) as made:
        made.write_user("alice", 'orders = "mirror"\n')
        (made.config / "strategy.toml").write_text(f'venue = "{request.param}"\n' + _IDLE)
        made.price("BTC/USD", "60000")
        made.open_account("master", USD=100_000)
        made.open_account("alice", USD=50_000)
        made.open_account("bob", USD=50_000)
        yield made


def legs(stack: Stack, user: str, *, open_: bool | None = None) -> list[dict[str, Any]]:
    found = stack.venue_orders(user)
    return [order for order in found if open_ is None or (order["status"] == "open") is open_]


def rests(stack: Stack, limit: str, size: str) -> bool:
    """Whether alice has exactly one order at rest, on these terms."""
    open_ = legs(stack, "alice", open_=True)
    return [(Decimal(each["limit_price"]), Decimal(each["size"])) for each in open_] == [
        (Decimal(limit), Decimal(size))
    ]


def test_a_resting_order_is_placed_amended_filled_and_sold_with_the_master_s(stack: Stack) -> None:
    person = AtKraken(stack) if stack.venue == "kraken" else AtCoinbase(stack)
    stack.start("master", "services.master_strategy")
    executors = [stack.executor(["alice"]), stack.executor(["bob"])]
    stack.engine()
    stack.wait_ready("master", "alice", "bob")
    cursor = keys.fill_cursor("master", stack.venue)
    wait_for(lambda: stack.client.get(cursor) is not None, _SEEN, "the first scan has ended")

    cancelled = person.rest("buy", "0.2", "50000")
    wait_for(lambda: rests(stack, "50000", "0.1"), _SEEN, "alice's order rests")
    (shown,) = run_ops(stack, "resting", "--json").json["resting"]
    assert (shown["user"], shown["master_order_id"], shown["state"]) == ("alice", cancelled, "accepted")
    person.cancel(cancelled)
    wait_for(lambda: not legs(stack, "alice", open_=True), _SEEN, "alice's order is cancelled with it")

    bought = person.rest("buy", "0.1", "59000")
    wait_for(lambda: rests(stack, "59000", "0.05"), _SEEN, "alice's next order rests")
    assert legs(stack, "bob") == []
    person.move(bought, "0.2", "59500")
    wait_for(lambda: rests(stack, "59500", "0.1"), _SEEN, "alice's order moves with the master's")
    stack.price("BTC/USD", "59400")
    wait_for(lambda: stack.held("alice").get("BTC/USD") == "0.1", _SEEN, "alice's books have the fill")
    wait_for(lambda: Decimal(stack.held("bob").get("BTC/USD", "0")) > 0, _SEEN, "bob copies the fill")

    sold = person.rest("sell", "0.2", "60000")
    wait_for(lambda: rests(stack, "60000", "0.1"), _SEEN, "alice's sale rests")
    executors[0].kill()
    stack.price("BTC/USD", "60100")
    stack.executor(["alice"])
    wait_for(lambda: stack.held("alice") == {}, _SEEN, "alice is flat, by the venue's record after a restart")
    wait_for(lambda: stack.held("bob") == {}, _SEEN, "bob copies the sale")

    def ended() -> bool:
        return len([each for each in stack.reports("alice") if each["outcome"] != "skipped"]) == 3

    wait_for(ended, _SEEN, "every order of alice's has its outcome")
    outcomes = [(each["outcome"], each["code"]) for each in stack.reports("alice")]
    assert outcomes.count(("skipped", "mirrored")) == 2  # the fills of both orders
    assert sorted(each for each in outcomes if each[0] != "skipped") == [
        ("expired", "master_cancelled"),
        ("filled", ""),
        ("filled", ""),
    ]
    assert sold
    assert legs(stack, "alice", open_=True) == []
    figures = run_ops(stack, "audit", "--json", "--grace", "1").json
    assert (figures["ok"], figures["mirrored"], figures["duplicates"], figures["missing"]) == (True, 3, 0, 0), figures
    assert run_ops(stack, "resting", "--json").json["resting"] == []
    assert stack.invalid_nonces() == []
