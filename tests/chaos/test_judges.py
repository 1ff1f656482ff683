"""The judges of a chaos run find what they are there to find: each breach made by hand, and none where nothing is wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid4, uuid5

import pytest

from tests.chaos.harm.ailments import AILMENTS
from tests.chaos.judging.conservation import check
from tests.chaos.judging.evidence import AccountEvidence, Evidence, UserEvidence
from tests.chaos.judging.nonces import count_nonces
from tests.chaos.judging.sends import judge_sends
from tests.chaos.script import Arm, write_script
from tests.chaos.trading.followers import VENUES, Mix, users_at

ENTRY, EXIT = str(uuid4()), str(uuid4())
LEG_2: Final = str(uuid5(UUID(EXIT), "leg-2"))
SYMBOL: Final = "BTC/USD"
PRICE: Final = Decimal(60_000)
Row = dict[str, Any]


def order(client_id: str, size: str, at: int, side: str = "buy", venue: str = "coinbase") -> Row:
    """An order that filled at once, without a fee."""
    return {
        "order_id": client_id,
        "client_order_id": client_id,
        "venue": venue,
        "symbol": SYMBOL,
        "side": side,
        "size": size,
        "filled_size": size,
        "average_price": str(PRICE),
        "cost": str(Decimal(size) * PRICE),
        "fee": "0",
        "status": "closed",
        "accepted_at": at,
        "closed_at": at,
    }


def decision(order_id: str, kind: str, fraction: str, venue: str) -> Row:
    more = {"base_size": "0.01", "decision": "copy", "side": "buy" if kind == "entry" else "sell"}
    return {
        "id": order_id,
        "signal_id": f"s-{kind}",
        "kind": kind,
        "fraction": fraction,
        "symbol": SYMBOL,
        "venue": venue,
        **more,
    }


def report(order_id: str, kind: str, orders: list[Row]) -> Row:
    """What the product tells of an order, if it tells the truth."""
    size = sum(Decimal(row["filled_size"]) for row in orders)
    told = {"filled_size": str(size), "average_price": str(PRICE), "fee": "0", "reason": ""}
    return {"order_id": order_id, "signal_id": f"s-{kind}", "outcome": "filled", **told}


def evidence(*exits: Row, venue: str = "coinbase", copies: str = "coinbase", fraction: str = "0.5") -> Evidence:
    """An entry of 0.01 and an exit of a half by these orders, all of which the product knows of and has booked."""
    bought = [order(ENTRY, "0.01", 1_000, venue=venue)]
    orders = [*bought, *exits]
    held = Decimal("0.01") - sum(Decimal(row["filled_size"]) for row in exits)
    account = AccountEvidence(
        venue=venue,
        positions={SYMBOL: held},
        orders=orders,
        balances={"USD": 1_000 - held * PRICE, "BTC": held},
        deposited={"USD": Decimal(1_000)},
    )
    user = UserEvidence(
        user="alice",
        decisions=[("1-0", decision(ENTRY, "entry", "", venue)), ("2-0", decision(EXIT, "exit", fraction, venue))],
        reports=[("1-1", report(ENTRY, "entry", bought)), ("2-1", report(EXIT, "exit", list(exits)))],
        records={},
        pending=0,
        undelivered=0,
        accounts=[account],
    )
    signals = [
        ("1-0", {"id": "s-entry", "venue": "kraken", "symbol": SYMBOL, "kind": "entry", "fraction": ""}),
        ("2-0", {"id": "s-exit", "venue": "kraken", "symbol": SYMBOL, "kind": "exit", "fraction": fraction}),
    ]
    return Evidence(
        emitted=["s-entry", "s-exit"],
        signals=signals,
        signals_pending=0,
        signals_undelivered=0,
        users=[user],
        dead_letters=0,
        requests=[],
        logged=Counter(),
        copies={"alice": {"kraken": copies}},
    )


def test_an_exit_in_two_legs_one_after_the_other_is_right() -> None:
    assert check(evidence(order(EXIT, "0.002", 2_000, "sell"), order(LEG_2, "0.003", 3_000, "sell"))).all == []


def test_two_orders_that_each_sell_the_whole_fraction_are_a_double_under_two_ids() -> None:
    found = check(evidence(order(EXIT, "0.005", 2_000, "sell"), order(LEG_2, "0.005", 3_000, "sell")))
    assert len(found.duplicates) == 1
    assert "0.005 was due of 0.01 held" in found.duplicates[0]


def test_a_leg_that_begins_before_the_one_before_it_has_ended_is_a_double() -> None:
    first = {**order(EXIT, "0.002", 2_000, "sell"), "closed_at": 4_000}
    found = check(evidence(first, order(LEG_2, "0.003", 3_000, "sell")))
    assert "at once" in " ".join(found.duplicates)


def test_a_second_order_of_an_entry_under_any_other_id_was_decided_by_nobody() -> None:
    for other in (str(uuid4()), str(uuid5(UUID(ENTRY), "leg-2"))):
        found = check(evidence(order(EXIT, "0.005", 2_000, "sell"), order(other, "0.01", 3_000)))
        assert any(other in words for words in found.undecided)


def test_a_copy_at_a_venue_where_the_user_does_not_copy_that_master_is_found() -> None:
    sold = order(EXIT, "0.005", 2_000, "sell", venue="kraken")
    assert check(evidence(sold, venue="kraken", copies="kraken")).all == []
    found = check(evidence(sold, venue="kraken", copies="coinbase"))
    assert sum("was copied at kraken" in words for words in found.disagreements) == 2


def test_an_order_at_another_venue_than_its_decision_is_found() -> None:
    made = evidence(order(EXIT, "0.005", 2_000, "sell", venue="kraken"))
    assert any("is not what was decided" in words for words in check(made).disagreements)


def test_a_position_that_is_left_though_the_master_of_this_venue_is_flat_is_found() -> None:
    made = evidence(order(EXIT, "0.005", 2_000, "sell"), fraction="1")
    assert any("the master is flat" in words for words in check(made).unfinished)


def send(body: str, at: int, verdict: str = "ok", fault: str = "", client_id: str = ENTRY) -> Row:
    row: Row = {"method": "CreateOrder", "api_key": "k", "user": "alice", "client_order_id": client_id, "nonce": ""}
    return {**row, "body": body, "at": at, "verdict": verdict, **({"fault": fault} if fault else {})}


def test_a_replay_of_the_same_bytes_is_counted_and_right() -> None:
    found = judge_sends([send("a", 0, fault="502_after_accept"), send("a", 900), send("b", 950, client_id=EXIT)])
    assert (found.replays, found.altered) == (1, [])


@pytest.mark.parametrize("at", [10, 60_000])
def test_another_body_under_the_id_of_an_order_is_found_however_late(at: int) -> None:
    assert len(judge_sends([send("a", 0), send("b", at)]).altered) == 1


def test_another_body_is_right_once_the_earlier_request_was_refused_or_has_expired() -> None:
    assert judge_sends([send("a", 0, "INSUFFICIENT_FUND"), send("b", 10)]).altered == []
    assert judge_sends([send("a", 0, "not processed", "http_429_html"), send("b", 10)]).altered == []
    dropped = send("a", 0, "not processed", "drop_before_process")
    assert len(judge_sends([dropped, send("b", 6_999)]).altered) == 1
    assert judge_sends([dropped, send("b", 7_001)]).altered == []
    known = {**dropped, "token_expires": 3}
    assert judge_sends([known, send("b", 3_001)]).altered == []


def test_requests_without_a_nonce_are_no_matter_of_nonces() -> None:
    made = evidence(order(EXIT, "0.005", 2_000, "sell"))
    figures = count_nonces(replace(made, requests=[send("a", 0)]))
    assert (figures.visible, figures.unexplained) == (0, 0)


@pytest.mark.parametrize("mix", list(Mix))
def test_a_script_arms_faults_of_venues_that_its_users_trade_at(mix: Mix) -> None:
    script = write_script(3, 200, 20, 0.5, mix=mix)
    there = users_at(script.followers)
    armed = [act.body for _, act in script.acts if isinstance(act, Arm)]
    assert {body["venue"] for body in armed} == there.keys()
    for body in armed:
        assert body["fault"] in {each.fault for each in AILMENTS[body["venue"]]}
        assert body.get("user") in {None, *there[body["venue"]]}


def test_a_mixed_run_has_users_at_one_venue_at_the_other_and_at_both() -> None:
    for seed in range(5):
        followers = write_script(seed, 10, 6, 0.5, mix=Mix.MIXED).followers
        assert {each.venues for each in followers} == {("kraken",), ("coinbase",), VENUES}
        assert sum(bool(each.follow) for each in followers) == 3
    assert write_script(1, 10, 6, 0.5, mix=Mix.MIXED) == write_script(1, 10, 6, 0.5, mix=Mix.MIXED)
