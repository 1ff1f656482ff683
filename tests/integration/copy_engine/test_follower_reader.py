"""What the engine reads of its users: only what their settings need, in one round trip, and a doubt skips one user alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from services.copy_engine.followers.follower_reader import FollowerReader
from shared.bus.client.wire import Command
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import LimitPolicy, SizingMode, SizingPolicy, SymbolPolicy, UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.domain.position import Position
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_exit, btc, btc_price, usd
from tests.support.risk_states import write_risk
from tests.support.wire_words import words_of

BTC_USDC = Symbol("BTC", "USDC")
EVERY_LIMIT = LimitPolicy(max_exposure_pct=Decimal(50), max_trades_per_day=3)
BY_CASH = SizingPolicy(mode=SizingMode.CASH)


class CountingBus(Bus):
    """The real bus, which counts round trips and keeps the commands."""

    def __init__(self, bus: Bus) -> None:
        super().__init__(bus._reader, bus._writer)
        self.trips: list[list[str]] = []

    async def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """Pass the commands on."""
        self.trips.append([words_of(command)[1] for command in commands])
        return await super().do_all(commands)


def clock() -> int:
    """Stand still."""
    return NOW + 40


async def read(bus: Bus, *users: UserPolicy) -> list[Follower]:
    """Read followers for the example entry."""
    return await FollowerReader(bus, clock).followers(an_entry(), users)


async def test_settings_without_limits_cost_an_account_and_a_switch(bus: Bus) -> None:
    counting = CountingBus(bus)
    await read(counting, a_policy("alice"), a_policy("bob"))
    assert counting.trips == [
        [
            keys.CONTROL,
            keys.control_of_symbol("BTC/USD"),
            *(keys.account("alice", "kraken"), keys.control("alice")),
            *(keys.account("bob", "kraken"), keys.control("bob")),
        ]
    ]


async def test_every_limit_together_is_still_one_round_trip(bus: Bus) -> None:
    counting = CountingBus(bus)
    mapped = SymbolPolicy(map={BTC_USD: BTC_USDC})
    await read(counting, a_policy("bob"), a_policy(limits=EVERY_LIMIT, sizing=BY_CASH, symbols=mapped))
    assert counting.trips == [
        [
            keys.CONTROL,
            keys.control_of_symbol("BTC/USD"),
            keys.control_of_symbol("BTC/USDC"),
            keys.account("master", "kraken"),
            keys.prices("kraken"),
            *(keys.account("bob", "kraken"), keys.control("bob")),
            keys.account("alice", "kraken"),
            keys.control("alice"),
            keys.positions("alice", "kraken"),
            keys.risk("alice", "kraken"),
        ]
    ]


async def test_positions_prices_and_risk_are_read_as_they_stand(bus: Bus) -> None:
    records = Records(bus)
    account = an_account()
    position = Position(BTC_USD, btc("0.5"), usd(30000), NOW, NOW)
    state = RiskState.fresh("USD", NOW).after_fill(NOW, entry=True)
    await records.write_account(account)
    await records.write_position("alice", "kraken", position)
    await records.write_prices("kraken", [btc_price(61000)], NOW)
    await write_risk(bus, "alice", "kraken", state)
    reader = FollowerReader(bus, clock)
    for _ in range(2):  # the second time from what is remembered
        (alice,) = await reader.followers(an_entry(), [a_policy(limits=EVERY_LIMIT)])
        assert (alice.account, alice.risk, alice.unreadable) == (account, state, "")
        assert alice.portfolio.positions == {BTC_USD: position}
        assert alice.portfolio.exposure("USD") == usd(30500)
    poorer, later = account._replace(cash=usd(1)), state.after_fill(NOW, entry=True)
    await records.write_account(poorer)
    await write_risk(bus, "alice", "kraken", later)
    (alice,) = await reader.followers(an_entry(), [a_policy(limits=EVERY_LIMIT)])
    assert (alice.account, alice.risk) == (poorer, later)


@pytest.mark.parametrize("kind", ["positions", "risk"])
@pytest.mark.parametrize("broken", ["a hash of something else", "no hash"])
async def test_a_record_that_cannot_be_read_is_a_doubt_about_one_user_alone(bus: Bus, kind: str, broken: str) -> None:
    for user in ("alice", "bob"):
        await Records(bus).write_account(an_account(user))
    key = {"positions": keys.positions, "risk": keys.risk}[kind]("alice", "kraken")
    await (bus.do("SET", key, "?") if broken == "no hash" else bus.do("HSET", key, "BTC/USD", "{"))
    alice, bob = await read(bus, a_policy("alice", limits=EVERY_LIMIT), a_policy("bob", limits=EVERY_LIMIT))
    assert alice.unreadable.startswith("limits cannot be judged: ")
    assert bob.unreadable == ""
    (alice,) = await FollowerReader(bus, clock).followers(an_exit(), [a_policy(limits=EVERY_LIMIT)])
    assert alice.unreadable == ""


async def test_a_price_that_cannot_be_read_is_none_and_stops_nobody(bus: Bus) -> None:
    """Case E4, a sibling: the cost is used instead, as where no price is known."""
    await Records(bus).write_account(an_account())
    await Records(bus).write_position("alice", "kraken", Position(BTC_USD, btc("0.5"), usd(30000), NOW, NOW))
    await bus.do("HSET", keys.prices("kraken"), "BTC/USD", "much")
    (alice,) = await read(bus, a_policy(limits=EVERY_LIMIT))
    assert (alice.unreadable, alice.portfolio.exposure("USD")) == ("", usd(30000))


@pytest.mark.parametrize(
    ("as_of", "cash", "before"),
    [
        (NOW - 1, 8000, usd(8000)),
        (NOW, 2000, usd(8000)),  # read after the fill: what the entry cost, 6,000, is back in
        (NOW - 200_000, 8000, None),  # too old
        (NOW, None, None),
    ],
)
async def test_the_masters_cash_is_what_it_was_before_the_entry(
    bus: Bus, as_of: int, cash: int | None, before: Money | None
) -> None:
    known = None if cash is None else usd(cash)
    await Records(bus).write_account(an_account("master", cash=known, as_of=as_of))
    (alice,) = await read(bus, a_policy(sizing=BY_CASH))
    assert alice.master_cash == before


async def test_the_cash_of_a_further_master_is_that_of_its_own_account(bus: Bus) -> None:
    await Records(bus).write_account(an_account("master", cash=usd(8000), as_of=NOW - 1))
    await Records(bus).write_account(an_account("master.swing", cash=usd(500), as_of=NOW - 1))
    signal = replace(an_entry(), owner="master.swing", master="swing")
    (alice,) = await FollowerReader(bus, clock).followers(signal, [a_policy(sizing=BY_CASH)])
    assert alice.master_cash == usd(500)


async def test_a_master_of_whom_nothing_is_known_has_no_cash(bus: Bus) -> None:
    (alice,) = await read(bus, a_policy(sizing=BY_CASH))
    assert alice.master_cash is None


async def test_an_exit_asks_under_which_names_something_is_held(bus: Bus) -> None:
    await Records(bus).write_position("alice", "kraken", Position(BTC_USD, btc(1), usd(1), NOW, NOW))
    await bus.do("HSET", keys.positions("alice", "kraken"), "nonsense", "{")
    await bus.do("SET", keys.positions("bob", "kraken"), "?")
    alice, bob = await FollowerReader(bus, clock).followers(an_exit(), [a_policy("alice"), a_policy("bob")])
    assert [alice.held, bob.held] == [frozenset({BTC_USD}), frozenset()]
