"""Every action under the api's own Redis user, with the rules that compose gives it: enough for all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shared.bus.connection import open_bus
from shared.bus.flow.streams import Group, flatten
from shared.contracts import keys
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.operations.errors import ActionRefused
from shared.operations.request import Action, ActionRequest
from tests.e2e.test_redis_users import GuardedStack
from tests.support.copies import Copies, now_ms
from tests.support.operating import OPERATOR, desk_of, hold
from tests.support.risk_states import write_risk
from tests.support.shipped_config import all_at_kraken

ORDER = "0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11"


async def test_the_api_may_do_all_that_it_offers(tmp_path: Path) -> None:
    with GuardedStack(tmp_path, ["alice"]) as stack:
        async with open_bus(f"redis://127.0.0.1:{stack.redis.port}", "test") as everything:
            await hold(everything, "alice", "BTC/USD", "0.1", "6000")
            copies = Copies(everything)
            signal = await copies.signal()
            await copies.decide(signal, "alice")
            letters = []
            for stream, name in ((keys.orders("alice"), keys.EXECUTOR), (keys.SIGNALS, keys.ENGINE)):
                group = Group(everything, name)
                await group.ensure([stream])
                (entry,) = await group.read_new([stream], 1)
                await group.dead_letter(entry, "test")
                letters.append(ActionRequest(action=Action.RETRY, stream=stream, entry=entry.id))
            await everything.do("XADD", keys.dead(keys.SIGNALS), "*", "entry_id", "7-0", "reason", "test")
            fields = {"state": "unknown", "symbol": "BTC/USD", "side": "buy", "base_size": "1", "limit_price": "9"}
            await everything.do("HSET", keys.order("alice", ORDER), *flatten(fields))
            stopped = replace(
                RiskState.fresh("USD", now_ms()), stopped_until=now_ms() + 10**7, stopped_by=(StopOut.DAILY_LOSS,)
            )
            await write_risk(everything, "alice", "kraken", stopped)
        requests = [
            *(ActionRequest(action=action, user="alice") for action in (Action.PAUSE, Action.FLATTEN, Action.RESUME)),
            *(ActionRequest(action=action) for action in (Action.PAUSE, Action.HALT, Action.RESUME, Action.RELOAD)),
            ActionRequest(action=Action.PAUSE, symbol="BTC/USD"),
            ActionRequest(action=Action.LIFT, user="alice"),
            *letters,
            ActionRequest(action=Action.DROP, stream=keys.SIGNALS, entry="7-0"),
            ActionRequest(action=Action.RESOLVE, user="alice", order=ORDER, outcome="none"),
            ActionRequest(action=Action.SETTINGS, user="alice", changes=(("limits.max_order_pct", "25"),)),
        ]
        assert {each.action for each in requests} == set(Action) - {Action.CLOSE_ONLY}
        async with open_bus(stack.url_of("api"), "test") as bus:
            desk = desk_of(bus, all_at_kraken(tmp_path / "own"))
            for request in requests:
                shown = await desk.preview(request, OPERATOR)
                assert not (await desk.confirm(request, shown.token, OPERATOR, "test")).repeated
                assert (await desk.confirm(request, shown.token, OPERATOR, "test")).repeated
            shown = await desk.preview(ActionRequest(action=Action.RELOAD), OPERATOR)
            with pytest.raises(ActionRefused):
                await desk.confirm(requests[0], shown.token, OPERATOR, "test")
        assert stack.client.xlen(keys.CONTROL_LOG) == len(requests)
        assert stack.refusals() == []
