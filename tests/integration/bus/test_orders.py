"""The scripts around a send: fenced, once, and exactly the steps that the domain's table allows.

Each order of a test has an id of its own, so that hypothesis can go on without emptying the server.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from shared.bus.connection import Bus
from shared.bus.errors import BusRefused, LeaseLost
from shared.bus.master.open_orders import listed_orders
from shared.bus.order.book_changes import PositionChange
from shared.bus.order.orders import OrderStore
from shared.bus.order.send_permit import ReplayPermit, SendPermit, SendRefusal, SwitchSet
from shared.bus.ownership.lease import Lease
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.messages import ReportMessage
from shared.domain.order import STEPS, TERMINAL, OrderState
from shared.domain.values.money import Price
from tests.integration.bus.account import Account, a_delivered_entry, a_report, pending
from tests.support.examples import BTC_USD, NOW, an_id
from tests.support.leases import take_over
from tests.support.property_examples import scaled

OPEN = [state for state in OrderState if state not in TERMINAL]


@pytest.fixture
def account(bus: Bus, lease: Lease) -> Account:
    return Account(bus, lease)


async def test_begin_writes_the_intent_ahead_and_takes_a_nonce_in_one_step(account: Account) -> None:
    order_id = await account.put(None)
    begun = await account.store.begin(order_id, account.nonces, {"base_size": "0.05", "limit_price": "60300"})
    assert isinstance(begun, SendPermit)
    assert begun.attempt == 1
    assert await account.store.load(order_id) == {
        "state": "sending",
        "nonce": str(begun.nonce),
        "fence": account.lease.token,
        "base_size": "0.05",
        "limit_price": "60300",
        "attempts": "1",
    }
    assert account.nonces.floor == begun.nonce
    assert await account.nonces.next() == begun.nonce + 1


async def test_an_order_is_not_begun_twice_and_a_refusal_takes_no_nonce(account: Account) -> None:
    order_id = await account.put(None)
    begun = await account.store.begin(order_id, account.nonces, {"n": "1"})
    assert isinstance(begun, SendPermit)
    again = await account.store.begin(order_id, account.nonces, {"n": "2"})
    assert again == SendRefusal(OrderState.SENDING)
    assert not again.terminal
    assert (await account.store.load(order_id))["n"] == "1"
    assert await account.nonces.next() == begun.nonce + 1


@pytest.mark.parametrize("state", sorted(TERMINAL))
async def test_an_order_that_has_ended_is_never_begun_again(account: Account, state: OrderState) -> None:
    order_id = await account.put(state)
    refused = await account.store.begin(order_id, account.nonces, {"n": "1"})
    assert refused == SendRefusal(state)
    assert refused.terminal
    assert await account.store.load(order_id) == {"state": state}


async def test_an_order_that_was_proven_absent_can_be_begun_again_with_a_higher_nonce(account: Account) -> None:
    order_id = await account.put(None)
    first = await account.store.begin(order_id, account.nonces, {})
    await account.store.move(order_id, OrderState.PLANNED, {"reason": "the venue never had it"})
    second = await account.store.begin(order_id, account.nonces, {})
    assert isinstance(first, SendPermit)
    assert isinstance(second, SendPermit)
    assert second.nonce > first.nonce
    assert second.attempt == 2


async def test_the_legal_steps_of_the_domain_are_exactly_those_that_the_scripts_allow(account: Account) -> None:
    allowed: dict[OrderState, set[OrderState]] = {state: set() for state in OrderState}
    for state, target in product(OrderState, OrderState):
        order_id = await account.put(state)
        taken = await account.try_step(order_id, target)
        assert await account.state(order_id) == (target if taken else state)
        if taken and state is not target:  # recording more in the same state is no step
            allowed[state].add(target)
    assert {state: frozenset(targets) for state, targets in allowed.items()} == {
        **{state: frozenset() for state in TERMINAL},
        **STEPS,
    }


@pytest.mark.parametrize("target", OrderState)
async def test_an_order_without_a_record_is_a_planned_one(account: Account, target: OrderState) -> None:
    taken = await account.try_step(await account.put(None), target)
    assert taken is (target in STEPS[OrderState.PLANNED] or target is OrderState.PLANNED)


@pytest.mark.parametrize(("state", "target"), [(state, target) for state in OrderState for target in sorted(TERMINAL)])
async def test_a_move_makes_no_end_and_touches_none(account: Account, state: OrderState, target: OrderState) -> None:
    order_id = await account.put(state)
    with pytest.raises(ValueError, match=f"is {state}; it cannot become {target}"):
        await account.store.move(order_id, target, {"x": "y"}, PositionChange("BTC/USD", "{}"))
    assert await account.store.load(order_id) == {"state": state}
    assert await account.bus.do("EXISTS", keys.positions("alice", "kraken")) == 0


async def test_a_move_never_begins_a_send(account: Account) -> None:
    for state in (OrderState.PLANNED, OrderState.ACCEPTED, OrderState.UNKNOWN):
        order_id = await account.put(state)
        with pytest.raises(ValueError, match="cannot become sending"):
            await account.store.move(order_id, OrderState.SENDING, {})


@pytest.mark.parametrize("state", OPEN)
async def test_a_settlement_takes_nothing_but_an_end(account: Account, state: OrderState) -> None:
    order_id = await account.put(OrderState.SENDING)
    with pytest.raises(BusRefused, match=f"not a terminal state: {state}"):
        await account.store.settle(a_report(order_id, state), entry_id="", fields={})
    assert await account.state(order_id) == "sending"
    assert await account.reports(order_id) == []


async def test_a_move_records_the_position_of_a_leg_in_the_same_step(account: Account) -> None:
    order_id = await account.put(OrderState.ACCEPTED)
    await account.store.move(order_id, OrderState.PLANNED, {"leg": "2"}, PositionChange("BTC/USD", '{"a": "b"}'))
    assert await account.store.load(order_id) == {"state": "planned", "leg": "2"}
    assert await account.bus.do("HGET", keys.positions("alice", "kraken"), "BTC/USD") == '{"a": "b"}'
    await account.store.move(order_id, OrderState.UNKNOWN, {}, PositionChange("BTC/USD", None))
    assert await account.bus.do("EXISTS", keys.positions("alice", "kraken")) == 0


async def test_a_settlement_is_state_report_position_and_acknowledgement_in_one_step(account: Account) -> None:
    entry_id = await a_delivered_entry(account.bus)
    order_id = await account.put(OrderState.ACCEPTED)
    report = a_report(order_id)
    settled = await account.store.settle(
        report, entry_id=entry_id, fields={"reason": "because"}, position=PositionChange("BTC/USD", "{}")
    )
    assert settled
    assert await account.store.load(order_id) == {"state": "filled", "reason": "because"}
    assert await account.reports(order_id) == [report.fields()]
    assert await account.bus.do("HGETALL", keys.positions("alice", "kraken")) == ["BTC/USD", "{}"]
    assert await pending(account.bus) == 0


@pytest.mark.parametrize("broken", [keys.reports("alice"), keys.positions("alice", "kraken")])
async def test_a_settlement_that_cannot_write_everything_writes_nothing(
    account: Account, bus: Bus, broken: str
) -> None:
    order_id = an_id("order")
    await account.try_step(order_id, OrderState.SENDING)
    before = await account.store.load(order_id)
    await bus.do("SET", broken, "something else")
    change = PositionChange(str(BTC_USD), "{}")
    with pytest.raises(BusRefused, match="WRONGTYPE"):
        await account.store.settle(a_report(order_id), entry_id="", fields={}, position=change)
    assert await account.store.load(order_id) == before
    await bus.do("DEL", broken)
    assert await account.store.settle(a_report(order_id), entry_id="", fields={}, position=change)


async def test_a_second_settlement_only_acknowledges(account: Account) -> None:
    order_id = await account.put(OrderState.ACCEPTED)
    first = PositionChange("BTC/USD", "first")
    assert await account.store.settle(a_report(order_id), entry_id="", fields={"n": "1"}, position=first)
    entry_id = await a_delivered_entry(account.bus)
    again = await account.store.settle(
        a_report(order_id, OrderState.REJECTED),
        entry_id=entry_id,
        fields={"n": "2"},
        position=PositionChange("BTC/USD", None),
    )
    assert not again
    assert await pending(account.bus) == 0
    assert await account.store.load(order_id) == {"state": "filled", "n": "1"}
    assert await account.bus.do("HGET", keys.positions("alice", "kraken"), "BTC/USD") == "first"
    assert [row["outcome"] for row in await account.reports(order_id)] == ["filled"]


async def test_a_settlement_that_sold_everything_takes_the_position_away(account: Account) -> None:
    await account.bus.do("HSET", keys.positions("alice", "kraken"), "BTC/USD", "{}", "ETH/USD", "{}")
    order_id = await account.put(OrderState.ACCEPTED)
    await account.store.settle(a_report(order_id), entry_id="", fields={}, position=PositionChange("BTC/USD", None))
    assert await account.bus.do("HKEYS", keys.positions("alice", "kraken")) == ["ETH/USD"]


async def test_an_ended_order_is_kept_for_its_time_and_an_open_one_for_ever(bus: Bus, lease: Lease) -> None:
    account = Account(bus, lease)
    account.store = OrderStore(bus, lease, "alice", "kraken", retention_ms=60_000)
    order_id = await account.put(OrderState.ACCEPTED)
    assert await bus.do("PTTL", keys.order("alice", order_id)) == -1
    await account.store.settle(a_report(order_id), entry_id="", fields={})
    assert 0 < await bus.do("PTTL", keys.order("alice", order_id)) <= 60_000


async def test_who_has_lost_the_lease_changes_nothing(account: Account) -> None:
    entry_id = await a_delivered_entry(account.bus)
    order_id = await account.put(OrderState.ACCEPTED)
    fresh = await account.put(None)
    await take_over(account.bus)
    before = await account.bus.do("DBSIZE"), await account.store.load(order_id)
    with pytest.raises(LeaseLost):
        await account.store.begin(fresh, account.nonces, {})
    with pytest.raises(LeaseLost):
        await account.store.move(order_id, OrderState.UNKNOWN, {"x": "y"}, PositionChange("BTC/USD", "{}"))
    with pytest.raises(LeaseLost):
        await account.store.settle(
            a_report(order_id), entry_id=entry_id, fields={}, position=PositionChange("BTC/USD", "{}")
        )
    assert (await account.bus.do("DBSIZE"), await account.store.load(order_id)) == before
    assert await pending(account.bus) == 1


async def test_who_holds_a_lease_of_before_a_flush_changes_nothing(account: Account) -> None:
    await account.bus.do_everywhere("FLUSHALL")
    with pytest.raises(LeaseLost):
        await account.store.begin(an_id("order"), account.nonces, {})
    assert await account.bus.do("DBSIZE") == 0


async def test_the_successor_goes_on_where_the_predecessor_stopped(account: Account) -> None:
    order_id = await account.put(None)
    await account.store.begin(order_id, account.nonces, {"base_size": "0.05"})
    successor = Account(account.bus, await take_over(account.bus))
    assert await successor.store.begin(order_id, successor.nonces, {}) == SendRefusal(OrderState.SENDING)
    await successor.store.move(order_id, OrderState.UNKNOWN, {})
    assert await successor.store.settle(a_report(order_id), entry_id="", fields={})


async def test_open_orders_are_those_without_an_end_of_this_user_alone(account: Account) -> None:
    ids = {state: await account.put(state) for state in OrderState}
    await account.bus.do("HSET", keys.order("alice-2", an_id("x")), "state", "sending")
    found = await account.store.open_orders()
    assert found == {ids[state]: {"state": state} for state in OPEN}


mostly_open = [*OPEN * 3, *sorted(TERMINAL)]  # most steps do not end it
steps = st.lists(st.sampled_from(mostly_open), min_size=1, max_size=15)


@settings(max_examples=scaled(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=steps)
async def test_any_walk_of_an_order_is_the_walk_of_the_domains_machine(
    account: Account, walk: list[OrderState]
) -> None:
    order_id = await account.put(None)
    at, attempts, ended = OrderState.PLANNED, 0, 0
    for target in walk:
        legal = at in STEPS and (target in STEPS[at] or (target is at and at is not OrderState.SENDING))
        nonce = account.nonces.floor
        assert await account.try_step(order_id, target) is legal
        if legal:
            at = target
            attempts += target is OrderState.SENDING
            ended += target in TERMINAL
        assert (account.nonces.floor > nonce) is (legal and target is OrderState.SENDING)
        assert await account.state(order_id) in {at, None if at is OrderState.PLANNED else at}
    record = await account.store.load(order_id)
    assert int(record.get("attempts", 0)) == attempts
    assert len(await account.reports(order_id)) == ended == (at in TERMINAL)


@pytest.mark.parametrize(
    ("written", "begun"),
    [
        (None, True),
        (("HSET", "mode", "run"), True),
        (("HSET", "reconcile_at", "5"), True),
        (("HSET", "mode", "pause"), False),
        (("HSET", "mode", "no mode"), False),
        (("SET", "pause"), False),
    ],
)
async def test_nothing_is_begun_while_a_switch_is_set_or_cannot_be_read(
    account: Account, written: tuple[str, ...] | None, begun: bool
) -> None:
    order_id = await account.put(None)
    if written is not None:
        await account.bus.do(written[0], keys.control("alice"), *written[1:])
    switches = [keys.CONTROL, keys.control("alice"), keys.control_of_symbol("BTC/USD")]
    found = await account.store.begin(order_id, account.nonces, {"n": "1"}, switches)
    assert isinstance(found, SendPermit) is begun
    if not begun:
        assert found == SwitchSet()
        assert await account.store.load(order_id) == {}
        assert isinstance(await account.store.begin(order_id, account.nonces, {"n": "1"}), SendPermit)


async def test_a_switch_that_this_redis_user_may_not_read_is_taken_for_set(account: Account) -> None:
    order_id = await account.put(None)
    await account.bus.do("ACL", "SETUSER", "default", "-hget")
    try:
        found = await account.store.begin(order_id, account.nonces, {}, [keys.CONTROL])
    finally:
        await account.bus.do("ACL", "SETUSER", "default", "+hget")
    assert found == SwitchSet()


async def test_a_venue_without_nonces_gives_a_permit_and_no_counter(account: Account, bus: Bus) -> None:
    permit = await account.store.begin(an_id("order"), None, {"client_order_id": "c"}, [keys.CONTROL])
    assert permit == SendPermit(nonce=0, attempt=1)
    assert await bus.scan(keys.nonce("*", "*")) == []
    await bus.do("HSET", keys.CONTROL, "mode", "halt")
    assert isinstance(await account.store.begin(an_id("other"), None, {}, [keys.CONTROL]), SwitchSet)


async def test_a_replay_keeps_the_latest_deadline_and_counts_as_an_attempt(account: Account) -> None:
    order_id = an_id("order")
    await account.store.begin(order_id, None, {"client_order_id": "c", "deadline_at": "7000"})
    assert await account.store.begin_replay(order_id, "c", 9_000) == ReplayPermit(9_000)
    assert await account.store.begin_replay(order_id, "c", 8_000) == ReplayPermit(9_000)
    record = await account.store.load(order_id)
    assert (record["state"], record["deadline_at"], record["attempts"]) == ("unknown", "9000", "3")


@pytest.mark.parametrize("state", ["", "planned", "accepted", "filled", "failed"])
async def test_only_a_send_whose_outcome_is_open_is_sent_again(account: Account, bus: Bus, state: str) -> None:
    order_id = an_id("order")
    if state:
        await bus.do("HSET", keys.order("alice", order_id), "state", state, "client_order_id", "c")
    before = await account.store.load(order_id)
    assert await account.store.begin_replay(order_id, "c", 9_000) == SendRefusal(OrderState(state or "planned"))
    assert await account.store.load(order_id) == before


async def test_another_client_order_id_is_never_sent_again_for_this_one(account: Account) -> None:
    order_id = an_id("order")
    await account.store.begin(order_id, None, {"client_order_id": "c"})
    assert await account.store.begin_replay(order_id, "another", 9_000) == SendRefusal(OrderState.SENDING)


async def test_a_kill_switch_and_a_lost_lease_stop_a_replay(account: Account, bus: Bus) -> None:
    order_id = an_id("order")
    await account.store.begin(order_id, None, {"client_order_id": "c"})
    await bus.do("HSET", keys.control("alice"), "mode", "pause")
    assert isinstance(await account.store.begin_replay(order_id, "c", 9_000, [keys.control("alice")]), SwitchSet)
    await take_over(bus, "alice", "another process")
    with pytest.raises(LeaseLost):
        await account.store.begin_replay(order_id, "c", 9_000)
    assert (await account.store.load(order_id))["state"] == "sending"


async def test_the_published_price_is_recorded_with_the_acceptance_and_stated_in_the_report(
    account: Account, bus: Bus
) -> None:
    await Records(bus).write_prices("kraken", [Price(Decimal("60000.1"), BTC_USD)], NOW)
    order_id = await account.put(OrderState.SENDING)
    fields = {"symbol": str(BTC_USD), "accepted_at": str(NOW)}
    await account.store.move(order_id, OrderState.ACCEPTED, fields, note_price=True)
    assert (await account.store.load(order_id))["market"] == f"60000.1 {NOW}"
    await Records(bus).write_prices("kraken", [Price(Decimal(61_000), BTC_USD)], NOW + 9)
    await account.store.move(order_id, OrderState.PLANNED, {"symbol": str(BTC_USD)})
    assert await account.store.settle(a_report(order_id), entry_id="", fields={})
    (report,) = await account.reports(order_id)
    assert report["market"] == f"60000.1 {NOW}", "that of the acceptance, not a later one"
    assert ReportMessage.parse(report).market == f"60000.1 {NOW}"


@pytest.mark.parametrize(
    "prices", [(), ("HSET", keys.prices("kraken"), "ETH/USD", "3000 1"), ("SET", keys.prices("kraken"), "x")]
)
async def test_a_price_that_is_not_there_or_cannot_be_read_holds_up_no_order(
    account: Account, bus: Bus, prices: tuple[str, ...]
) -> None:
    if prices:
        await bus.do(*prices)
    order_id = await account.put(OrderState.SENDING)
    await account.store.move(order_id, OrderState.ACCEPTED, {"symbol": str(BTC_USD)}, note_price=True)
    assert await account.store.load(order_id) == {"state": "accepted", "symbol": str(BTC_USD)}
    assert await account.store.settle(a_report(order_id), entry_id="", fields={})
    assert "market" not in (await account.reports(order_id))[0]


async def test_orders_that_began_are_listed_until_the_next_begins_after_their_end(bus: Bus, lease: Lease) -> None:
    account = Account(bus, lease)
    store = OrderStore(bus, lease, "alice", "kraken", lists_open=True)
    first, second, third = [await account.put(None) for _ in range(3)]
    await store.begin(first, account.nonces, {"venue": "kraken"})
    await store.begin(second, account.nonces, {"venue": "coinbase"})
    assert await listed_orders(bus, "alice", "kraken") is None, "it was never compared with all records"
    await store.open_orders()
    assert await listed_orders(bus, "alice", "kraken") == [first], "the other is of another venue"
    await store.settle(a_report(first, OrderState.FAILED), entry_id="", fields={})
    assert await listed_orders(bus, "alice", "kraken") == [first]
    await store.begin(third, account.nonces, {})
    assert await listed_orders(bus, "alice", "kraken") == [third]


async def test_a_users_orders_are_not_listed(account: Account, bus: Bus) -> None:
    await account.store.begin(await account.put(None), account.nonces, {})
    await account.store.open_orders()
    assert await bus.do("EXISTS", keys.open_orders("alice", "kraken")) == 0
