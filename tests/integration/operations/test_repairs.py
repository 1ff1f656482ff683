"""Dead letters, verdicts and stop-outs by the desk: what is said, what is done, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.bus.flow.streams import Group, read_entries
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.stop_out_lift import lift_field
from shared.domain.limits.policy import LimitPolicy, StopOutAction
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.values.money import Money
from shared.operations.control_log import read_changes
from shared.operations.errors import ActionRefused, ConsequenceChanged, UnknownTarget
from shared.operations.request import Action, ActionRequest
from tests.support.copies import Copies, now_ms
from tests.support.operating import OPERATOR, desk_of, leave_unknown
from tests.support.risk_states import write_risk

ORDER = "0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11"


async def dead_order(bus: Bus) -> ActionRequest:
    """Write an order of alice that went to the dead letters; return the request to retry it."""
    copies = Copies(bus)
    signal = await copies.signal()
    await copies.decide(signal, "alice")
    stream = keys.orders("alice")
    group = Group(bus, keys.EXECUTOR)
    await group.ensure([stream])
    (entry,) = await group.read_new([stream], 1)
    await group.dead_letter(entry, "unreadable at that time")
    return ActionRequest(action=Action.RETRY, stream=stream, entry=entry.id)


async def test_a_dead_letter_is_put_back_once(bus: Bus, config: Path) -> None:
    desk, request = desk_of(bus, config), await dead_order(bus)
    shown = await desk.preview(request, OPERATOR)
    assert shown.consequence.text.startswith(f"puts entry {request.entry} of shoal:orders:{{alice}} back")
    assert "side: buy" in shown.consequence.details
    first = await desk.confirm(request, shown.token, OPERATOR, "fixed")
    second = await desk.confirm(request, shown.token, OPERATOR, "fixed")
    assert (first.repeated, second.repeated) == (False, True)
    assert await bus.do("XLEN", keys.dead(request.stream)) == 0
    assert await Group(bus, keys.EXECUTOR).pending(request.stream) == 1
    assert [each.action for each in await read_changes(bus, 5)] == ["retry"]
    with pytest.raises(UnknownTarget):
        await desk.preview(request, OPERATOR)


async def test_a_dropped_letter_stays_on_record(bus: Bus, config: Path) -> None:
    desk, request = desk_of(bus, config), replace(await dead_order(bus), action=Action.DROP)
    shown = await desk.preview(request, OPERATOR)
    await desk.confirm(request, shown.token, OPERATOR, "too late anyway")
    assert request.entry in pairs(await bus.do("HGETALL", keys.dropped(request.stream)))
    (change,) = await read_changes(bus, 5)
    assert (change.action, change.reason, change.by) == ("drop", "too late anyway", OPERATOR)


async def test_a_letter_whose_order_may_have_traded_is_not_dropped(bus: Bus, config: Path) -> None:
    desk, request = desk_of(bus, config), replace(await dead_order(bus), action=Action.DROP)
    (entry,) = read_entries(request.stream, await bus.do("XRANGE", request.stream, "-", "+"))
    shown = await desk.preview(request, OPERATOR)
    await bus.do("HSET", keys.order("alice", entry.fields["id"]), "state", "unknown")
    for _ in range(2):  # a refusal uses the confirmation up as little as it does anything
        with pytest.raises(ActionRefused, match="may have traded"):
            await desk.confirm(request, shown.token, OPERATOR, "away with it")
    assert not await read_changes(bus, 5)
    assert await bus.do("XLEN", keys.dead(request.stream)) == 1


@pytest.mark.parametrize("stream", ["shoal:control", "shoal:orders:{alice}:x", "", "x", "shoal:orders:{a b}"])
async def test_only_letters_of_streams_are_looked_for(bus: Bus, config: Path, stream: str) -> None:
    with pytest.raises(ActionRefused):
        await desk_of(bus, config).preview(ActionRequest(action=Action.DROP, stream=stream, entry="1-0"), OPERATOR)


async def test_a_verdict_says_what_it_books_and_is_bound_to_the_send_that_was_seen(bus: Bus, config: Path) -> None:
    await leave_unknown(bus, ORDER)
    desk = desk_of(bus, config)
    request = ActionRequest(
        action=Action.RESOLVE, user="alice", order=ORDER, outcome="filled", size="0.2", price="60000", fee="3"
    )
    shown = await desk.preview(request, OPERATOR)
    assert shown.consequence.text == (
        f"settles order {ORDER} of alice as filled: the copied position grows by 0.2 BTC at 60000 USD (12,000.00 USD, fee 3 USD)"
    )
    await bus.do("HSET", keys.order("alice", ORDER), "attempts", "2")
    with pytest.raises(ConsequenceChanged) as refused:
        await desk.confirm(request, shown.token, OPERATOR, "seen at the venue")
    await desk.confirm(request, refused.value.token, OPERATOR, "seen at the venue")
    record = pairs(await bus.do("HGETALL", keys.order("alice", ORDER)))
    assert (record["verdict"], record["verdict_size"], record["verdict_by"]) == ("filled", "0.2", OPERATOR)
    (change,) = await read_changes(bus, 5)
    assert (change.action, change.before, change.of) == ("resolve", "unknown", f"alice {ORDER}")


@pytest.mark.parametrize(
    ("user", "side", "outcome", "said", "noted"),
    [
        ("alice", "buy", "none", "it ends, nothing is booked, and it is not sent again", "no exit will sell it"),
        ("alice", "sell", "none", "the exit goes on, and sells up to 0.5 BTC again", "sold twice"),
        ("alice", "buy", "filled", "the copied position grows by 0.2 BTC", "later exits are refused"),
        ("alice", "sell", "filled", "the copied position shrinks by 0.2 BTC", "goes on with the 0.3 BTC"),
        ("master", "sell", "none", "it ends, and nothing is booked", "stays booked that the master has sold"),
    ],
)
async def test_what_a_verdict_trades_and_what_a_wrong_one_does_is_said(
    bus: Bus, config: Path, user: str, side: str, outcome: str, said: str, noted: str
) -> None:
    await leave_unknown(bus, ORDER, user=user, side=side)
    size = "0.2" if outcome == "filled" else ""
    request = ActionRequest(action=Action.RESOLVE, user=user, order=ORDER, outcome=outcome, size=size)
    shown = (await desk_of(bus, config).preview(request, OPERATOR)).consequence
    assert said in shown.text
    assert any(noted in note for note in shown.notes), shown.notes
    assert any(f"serves {user} now" in note for note in shown.notes)


async def test_a_verdict_on_an_order_that_can_still_arrive_says_from_when_it_counts(bus: Bus, config: Path) -> None:
    request = ActionRequest(action=Action.RESOLVE, user="alice", order=ORDER, outcome="none")
    for deadline, expected in ((1_000, False), (now_ms() + 60_000, True)):
        await leave_unknown(bus, ORDER, deadline_at=str(deadline))
        notes = (await desk_of(bus, config).preview(request, OPERATOR)).consequence.notes
        assert any("could still arrive" in note for note in notes) is expected


@pytest.mark.parametrize(
    "more",
    [
        {"outcome": "maybe"},
        {"outcome": "none", "size": "1"},
        {"outcome": "filled", "size": "0.6"},
        {"outcome": "filled", "size": "1e9"},
        {"outcome": "filled", "price": "NaN"},
        {"outcome": "none", "user": "zed"},
        {"outcome": "none", "order": "0"},
    ],
)
async def test_a_verdict_that_makes_no_sense_is_refused(bus: Bus, config: Path, more: dict[str, str]) -> None:
    await leave_unknown(bus, ORDER)
    values: dict[str, str] = {"user": "alice", "order": ORDER, **more}
    with pytest.raises(ActionRefused):
        await desk_of(bus, config).preview(ActionRequest(action=Action.RESOLVE, **values), OPERATOR)  # type: ignore[arg-type]


async def test_a_stop_out_is_lifted_by_its_end(bus: Bus, config: Path) -> None:
    desk, request = desk_of(bus, config), ActionRequest(action=Action.LIFT, user="alice")
    with pytest.raises(ActionRefused, match="alice is not stopped out"):
        await desk.preview(request, OPERATOR)
    until = now_ms() + 3_600_000
    state = replace(
        RiskState.fresh("USD", now_ms()),
        stopped_until=until,
        stopped_by=(StopOut.DAILY_LOSS,),
        stopped_action=StopOutAction.CLOSE_ALL,
        stopped_reason="6 % lost",
    )
    await write_risk(bus, "alice", "kraken", state)
    shown = await desk.preview(request, OPERATOR)
    assert shown.consequence.text.startswith("lifts the stop-out of alice at kraken: entries go on")
    assert any("close_all" in note for note in shown.consequence.notes)
    await desk.confirm(request, shown.token, OPERATOR, "agreed with alice")
    assert await bus.do("HGET", keys.control("alice"), lift_field("kraken")) == str(until)
    assert (await bus.do("HGET", keys.control("alice"), "mode")) is None, "the kill switch is another thing"


def test_a_lifted_state_is_not_stopped_again_by_the_same_loss() -> None:
    limits = LimitPolicy(daily_loss_pct=Decimal(5), max_drawdown_pct=Decimal(10))
    now = 1_700_000_000_000
    start = RiskState.fresh("USD", now).at(now, Money(Decimal(0), "USD"), Money(Decimal(1000), "USD"), limits)
    stopped = start.at(now + 1, Money(Decimal(-150), "USD"), None, limits)
    assert set(stopped.stopped_by) == set(StopOut)
    later = stopped.lifted().at(now + 2, Money(Decimal(-150), "USD"), None, limits)
    assert (later.stopped(now + 2), later.stopped_by) == (False, ())
    again = later.at(now + 3, Money(Decimal(-250), "USD"), None, limits)
    assert again.stopped(now + 3)
