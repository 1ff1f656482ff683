"""Ids are derived, never drawn; the order's machine has no way out of an end."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid5

from hypothesis import given, strategies as st

from shared.domain.order import STEPS, TERMINAL, OrderState, leg_id, order_id, report_id
from shared.domain.signal import signal_id
from tests.support.examples import an_id, btc


def test_the_same_signal_user_and_venue_always_give_the_same_order_id() -> None:
    assert order_id(an_id("s"), "alice", "kraken") == order_id(an_id("s"), "alice", "kraken")
    # Published as a contract: the client order id at the venue. A change of this line orphans every open order.
    assert order_id("00000000-0000-0000-0000-000000000001", "alice", "kraken") == "70f2dcc3-db68-592f-a86b-f7106431db17"


def test_another_signal_user_or_venue_gives_another_order_id() -> None:
    ids = {order_id(an_id(s), u, v) for s in ("s", "t") for u in ("alice", "bob") for v in ("kraken", "coinbase")}
    assert len(ids) == 8
    assert {str(UUID(each)) for each in ids} == ids


@given(st.uuids(), st.text(), st.sampled_from(["kraken", "coinbase"]))
def test_an_order_id_is_the_name_based_uuid_of_the_standard(signal: UUID, user: str, venue: str) -> None:
    assert order_id(str(signal), user, venue) == str(uuid5(signal, f"{user}:{venue}"))


def test_the_first_leg_is_the_order_itself_and_later_ones_have_ids_of_their_own() -> None:
    order = order_id(an_id("s"), "alice", "kraken")
    legs = [leg_id(order, number) for number in (1, 2, 3)]
    assert legs[0] == order
    assert len(set(legs)) == 3
    assert legs[1] == leg_id(order, 2)


def test_a_fill_that_is_found_twice_gives_the_same_signal_and_a_further_fill_another() -> None:
    assert signal_id("kraken", "OABC", btc("0.10")) == signal_id("kraken", "OABC", btc(Decimal("0.1")))
    assert signal_id("kraken", "OABC", btc("0.1")) != signal_id("kraken", "OABC", btc("0.2"))
    assert signal_id("kraken", "OABC", btc("0.1")) != signal_id("coinbase", "OABC", btc("0.1"))


def test_every_state_either_ends_or_has_a_way_to_every_end() -> None:
    assert set(STEPS) | TERMINAL == set(OrderState)
    assert not set(STEPS) & TERMINAL
    for targets in STEPS.values():
        assert targets >= TERMINAL


def test_only_a_planned_order_is_sent() -> None:
    assert [state for state, targets in STEPS.items() if OrderState.SENDING in targets] == [OrderState.PLANNED]


def test_the_id_of_a_report_is_the_name_based_one_of_its_order() -> None:
    for number in range(50):
        order = str(uuid5(UUID(int=number), "order"))
        assert report_id(order) == str(uuid5(UUID(order), "report"))
