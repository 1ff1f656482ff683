"""A signal that cannot be carried to one user reaches all others, and so do the signals behind it. A sibling of case R4."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from services.copy_engine.decisions.order_writer import OrderWriter
from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.contracts import keys
from shared.domain.copying.decision_plan import Judgement
from shared.domain.copying.follower import Follower
from shared.domain.fault import FaultKind
from shared.domain.limits.policy import UserPolicy
from tests.integration.copy_engine.conftest import Emit
from tests.support.engines import carried, running
from tests.support.examples import an_entry, an_exit
from tests.support.order_stream import decided


@pytest.mark.parametrize("victim", ["alice", "bob", "carol"])
async def test_a_failure_that_nobody_foresaw_holds_up_neither_the_others_nor_the_next_signal(
    bus: Bus, users: Sequence[UserPolicy], emit: Emit, monkeypatch: pytest.MonkeyPatch, victim: str
) -> None:
    """Otherwise the engine would retry the same signal for ever, and deliver no exit."""
    command = OrderWriter.command

    def broken(self: OrderWriter, stream: str, follower: Follower, judgement: Judgement, now: int) -> bytes:
        if follower.policy.user == victim:
            raise RuntimeError("a bug")
        return command(self, stream, follower, judgement, now)

    async with running(bus, users) as engine:
        monkeypatch.setattr(OrderWriter, "command", broken)
        entry, close = await emit(an_entry("1")), await emit(an_exit("2"))
        await carried(bus, 2)
        monkeypatch.setattr(OrderWriter, "command", command)
        last = await emit(an_exit("3"))
        await carried(bus, 3)
        faults = engine._heartbeat.faults
    for policy in users:
        expected = [last.id] if policy.user == victim else [entry.id, close.id, last.id]
        assert [entry_id for entry_id, _ in await decided(bus, policy.user)] == expected
    stream = keys.dead(keys.orders(victim))
    letters = read_entries(stream, await bus.do("XRANGE", stream, "-", "+"))
    assert [letter.fields["entry_id"] for letter in letters] == [entry.id, close.id]
    assert {letter.fields["reason"] for letter in letters} == {"RuntimeError: a bug"}
    assert [(each.kind, each.subject.split("/")[0]) for each in faults.standing] == [(FaultKind.ORDER, victim)] * 2
