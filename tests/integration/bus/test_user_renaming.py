"""A user gets another name: everything moves once, whatever interrupts it, and nothing can be sold under both."""

from __future__ import annotations

from contextlib import suppress

import pytest

from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable, LeaseLost
from shared.bus.flow.streams import Group
from shared.bus.ownership.lease import Lease, acquire
from shared.bus.state.records import Records, pairs
from shared.bus.users.user_renaming import UserRenaming
from shared.contracts import keys
from shared.contracts.own_exit import write_own_exit
from shared.domain.funds import Funds, FundsMark
from shared.domain.limits.risk_state import RiskState
from shared.domain.order import OrderState
from shared.domain.own_exit import own_exit
from shared.domain.position import Position
from tests.support.examples import BTC_USD, NOW, an_account, btc, btc_price, usd
from tests.support.risk_states import write_risk

OLD, NEW, VENUES = "alice", "alicia", ("kraken", "coinbase")
HELD = Position.flat(BTC_USD, NOW).bought(btc("0.05"), usd(3000), NOW, btc_price(60_000))
KEY = "a" * 16
UNTIL = "1700000000000-3"


async def lease_of(bus: Bus, user: str) -> Lease:
    taken = await acquire(bus, user, "ops")
    assert taken is not None
    return taken


async def renaming_of(bus: Bus) -> UserRenaming:
    return UserRenaming(bus, await lease_of(bus, OLD), await lease_of(bus, NEW), VENUES)


@pytest.fixture
async def alice(bus: Bus) -> Records:
    """Alice holds bitcoin, was paused, has lost something and used her key."""
    records = Records(bus)
    await bus.do("HSET", keys.books(OLD, "kraken"), "v", "1", "funds", "live", "since", "0")
    await records.write_position(OLD, "kraken", HELD)
    await write_risk(bus, OLD, "kraken", RiskState.fresh("USD", NOW))
    await records.write_account(an_account(OLD))
    await bus.do("HSET", keys.control(OLD), "mode", "pause", "reason", "a test", "reconcile_at", "5")
    await bus.do("HSET", keys.following(OLD), "from", "0-0")
    await bus.do("HSET", keys.stage(OLD), "stage", "0.25")
    await bus.do("SET", keys.nonce(OLD, KEY), 1_800_000_000_000_000)
    return records


async def whole(bus: Bus, records: Records) -> None:
    """All that is right when it is over."""
    assert await records.positions(OLD, "kraken") == {}
    assert await records.positions(NEW, "kraken") == {BTC_USD: HELD}
    assert await records.risk(OLD, "kraken") is None
    assert await records.risk(NEW, "kraken") == RiskState.fresh("USD", NOW)
    (old, new) = await records.books([(OLD, "kraken"), (NEW, "kraken")])
    assert old == FundsMark(Funds.LIVE, 0, NEW, NOW)
    assert new == FundsMark(Funds.LIVE, formerly=OLD)
    assert pairs(await bus.do("HGETALL", keys.control(NEW))) == {"mode": "pause", "reason": "a test"}
    assert pairs(await bus.do("HGETALL", keys.following(NEW))) == {"from": UNTIL}
    assert pairs(await bus.do("HGETALL", keys.following(OLD))) == {"from": "0-0", "until": UNTIL}
    assert int(await bus.do("GET", keys.nonce(NEW, KEY))) == 1_800_000_000_000_000
    stages = [pairs(await bus.do("HGETALL", keys.stage(user))) for user in (OLD, NEW)]
    assert stages == [{}, {"stage": "0.25"}]
    assert await records.accounts([(OLD, "kraken")]) == [None], "nobody is to see two accounts"


async def test_everything_moves_and_nothing_is_left_that_could_be_sold_twice(bus: Bus, alice: Records) -> None:
    renaming = await renaming_of(bus)
    assert not await renaming.committed()
    assert await renaming.copy(UNTIL) == {"kraken": 1, "coinbase": 0}
    await renaming.commit(UNTIL, Funds.LIVE, NOW)
    await renaming.finish()
    assert await renaming.committed()
    await whole(bus, alice)


@pytest.mark.parametrize("commands", range(1, 80))
async def test_interrupted_anywhere_and_repeated_it_ends_the_same(bus: Bus, alice: Records, commands: int) -> None:
    """At no moment can both names sell: the new one's books are marked until the old one has none."""
    dying = _Dying(bus, commands)
    old, new = await lease_of(bus, OLD), await lease_of(bus, NEW)
    with suppress(BusUnavailable):
        await _run(UserRenaming(dying, old, new, VENUES))  # type: ignore[arg-type]  # a bus that breaks
    (theirs, ours) = await alice.books([(OLD, "kraken"), (NEW, "kraken")])
    assert theirs is not None
    if await alice.positions(NEW, "kraken") and not theirs.renamed_to:
        assert ours is not None
        assert ours.taken_from == OLD
    assert await alice.positions(OLD, "kraken") or await alice.positions(NEW, "kraken")
    await _run(await renaming_of(bus))
    await whole(bus, alice)


async def test_the_accounts_keep_the_masters_whose_copies_they_hold(bus: Bus, alice: Records) -> None:
    """Without that, exits would go to the accounts of a user who never had a `[follow]`."""
    del alice
    routes = {"account:coinbase": "kraken", "follow:kraken": "coinbase", "follow:coinbase": ""}
    await bus.do("HSET", keys.following(OLD), *[part for pair in routes.items() for part in pair])
    await _run(await renaming_of(bus))
    assert pairs(await bus.do("HGETALL", keys.following(NEW))) == {"from": UNTIL, **routes}


async def _run(renaming: UserRenaming) -> None:
    if not await renaming.committed():
        assert await renaming.occupied() == ""
        await renaming.copy(UNTIL)
        await renaming.commit(UNTIL, Funds.LIVE, NOW)
    await renaming.finish()


class _Dying:
    """A bus that is gone after so many calls."""

    def __init__(self, bus: Bus, calls: int) -> None:
        self._bus = bus
        self._left = calls

    def __getattr__(self, name: str) -> object:
        async def call(*words: object, **more: object) -> object:
            if self._left == 0:
                raise BusUnavailable("killed")
            self._left -= 1
            return await getattr(self._bus, name)(*words, **more)

        return call


async def test_the_counter_of_a_key_never_falls(bus: Bus, alice: Records) -> None:
    del alice
    await bus.do("SET", keys.nonce(NEW, KEY), 1_900_000_000_000_000)
    await (await renaming_of(bus)).copy(UNTIL)
    assert int(await bus.do("GET", keys.nonce(NEW, KEY))) == 1_900_000_000_000_000


@pytest.mark.parametrize("state", [OrderState.PLANNED, OrderState.SENDING, OrderState.ACCEPTED, OrderState.UNKNOWN])
async def test_an_order_under_way_is_in_the_way(bus: Bus, alice: Records, state: OrderState) -> None:
    del alice
    await bus.do("HSET", keys.order(OLD, "one"), "state", OrderState.FILLED)
    renaming = await renaming_of(bus)
    assert await renaming.unfinished() == ""
    await bus.do("HSET", keys.order(OLD, "two"), "state", state)
    assert await renaming.unfinished() == f"order two is {state}"


async def test_an_own_exit_or_a_decision_that_nobody_has_carried_out_is_in_the_way(bus: Bus, alice: Records) -> None:
    del alice
    renaming = await renaming_of(bus)
    written = write_own_exit(own_exit(OLD, "kraken", HELD, "stop_loss", "a test", NOW))
    await bus.do("HSET", keys.own_exits(OLD, "kraken"), "BTC/USD", written)
    assert "own exit of BTC/USD" in await renaming.unfinished()
    await bus.do("DEL", keys.own_exits(OLD, "kraken"))
    group = Group(bus, keys.EXECUTOR)
    await group.ensure([keys.orders(OLD)])
    assert await renaming.unfinished() == ""
    await bus.do("XADD", keys.orders(OLD), "*", "id", "x")
    assert "not finished" in await renaming.unfinished()
    (entry,) = await group.read_new([keys.orders(OLD)], 10, 1)
    assert "not finished" in await renaming.unfinished()
    await group.ack(keys.orders(OLD), entry.id)
    assert await renaming.unfinished() == ""


async def test_a_name_that_is_somebodys_is_occupied_and_one_that_was_renamed_away_is_not(
    bus: Bus, alice: Records
) -> None:
    renaming = await renaming_of(bus)
    assert await renaming.occupied() == ""
    await bus.do("HSET", keys.books(NEW, "kraken"), "v", "1", "funds", "live", "since", "0")
    assert await renaming.occupied() == "alicia has books at kraken"
    await bus.do("HSET", keys.books(NEW, "kraken"), "renamed_to", OLD, "renamed_at", NOW)
    assert await renaming.occupied() == ""
    await alice.write_position(NEW, "kraken", HELD)
    assert await renaming.occupied() == "alicia holds something at kraken"


async def test_who_has_lost_the_lease_takes_nothing_away(bus: Bus, alice: Records) -> None:
    renaming = await renaming_of(bus)
    await bus.do("SET", keys.fence(OLD), "1")
    with pytest.raises(LeaseLost):
        await renaming.commit(UNTIL, Funds.LIVE, NOW)
    assert await alice.positions(OLD, "kraken") == {BTC_USD: HELD}
