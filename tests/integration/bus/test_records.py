"""The small state beside the streams: read back as it was written; what cannot be read is left out or stops entries."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.bus.connection import Bus
from shared.bus.state.records import HEARTBEAT_TTL_MS, Records
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.heartbeat import HeartbeatRecord
from shared.domain.account import AccountState
from shared.domain.control import Control, ControlMode, refusal
from shared.domain.order import Kind
from shared.domain.position import Position
from shared.domain.values.instrument import PairStatus, seed_instruments
from tests.support.examples import BTC_USD, NOW, an_account, an_instrument, btc, btc_price, usd


@pytest.fixture
def records(bus: Bus) -> Records:
    return Records(bus)


async def test_accounts_read_back_and_unknown_ones_are_none(records: Records) -> None:
    await records.write_account(an_account())
    assert await records.accounts([("bob", "kraken"), ("alice", "kraken"), ("alice", "coinbase")]) == [
        None,
        an_account(),
        None,
    ]


async def test_parking_an_account_keeps_the_amounts_last_known(records: Records) -> None:
    await records.write_account(an_account())
    await records.mark_account("alice", "kraken", AccountState.PARKED, "EAPI:Invalid key")
    parked = an_account()._replace(state=AccountState.PARKED, reason="EAPI:Invalid key")
    assert await records.accounts([("alice", "kraken")]) == [parked]


async def test_an_account_that_cannot_be_read_is_none_and_hides_no_other(bus: Bus, records: Records) -> None:
    await records.write_account(an_account("bob"))
    await bus.do("HSET", keys.account("alice", "kraken"), "state", "rich")
    await bus.do("SET", keys.account("carol", "kraken"), "not a hash")
    who = [("alice", "kraken"), ("carol", "kraken"), ("bob", "kraken")]
    assert await records.accounts(who) == [None, None, an_account("bob")]


async def test_a_position_reads_back_and_a_flat_one_is_gone(records: Records) -> None:
    held = Position(BTC_USD, btc("0.05"), usd(3000), NOW, NOW)
    await records.write_position("alice", "kraken", held)
    assert await records.position("alice", "kraken", BTC_USD) == held
    assert await records.positions("alice", "kraken") == {BTC_USD: held}
    await records.write_position("alice", "kraken", held.sold(btc("0.05"), NOW))
    assert await records.position("alice", "kraken", BTC_USD) is None
    assert await records.positions("alice", "kraken") == {}


async def test_a_position_that_cannot_be_read_is_an_error_and_never_nothing(bus: Bus, records: Records) -> None:
    await bus.do("HSET", keys.positions("alice", "kraken"), "BTC/USD", "{}")
    with pytest.raises(MalformedMessageError):
        await records.position("alice", "kraken", BTC_USD)
    with pytest.raises(MalformedMessageError):
        await records.positions("alice", "kraken")


async def test_prices_read_back_without_those_that_are_none(bus: Bus, records: Records) -> None:
    await records.write_prices("kraken", [btc_price(60000)], NOW)
    await records.write_prices("kraken", [], NOW)
    await bus.do("HSET", keys.prices("kraken"), "ETH/USD", "NaN 1", "nonsense", "1 1", "SOL/USD", "1")
    assert await records.prices("kraken") == {BTC_USD: (btc_price(60000), NOW)}


async def test_instruments_are_the_seed_overlaid_with_what_the_venue_says_now(bus: Bus, records: Records) -> None:
    halted = an_instrument(status=PairStatus.CANCEL_ONLY, min_size=Decimal("0.0001"))
    await records.write_instruments("kraken", [halted])
    await bus.do("HSET", keys.instruments("kraken"), "ETH/USD", "{}")
    assert await records.instruments("kraken") == {**seed_instruments("kraken"), BTC_USD: halted}
    assert await records.instruments("binance") == {}


async def test_switches_are_the_global_one_and_the_users(bus: Bus, records: Records) -> None:
    assert await records.switches("alice") == (Control(), Control())
    await bus.do("HSET", keys.CONTROL, "mode", "halt", "reason", "storm")
    await bus.do("HSET", keys.control("alice"), "mode", "pause")
    assert await records.switches("alice") == (Control(ControlMode.HALT, "storm"), Control(ControlMode.PAUSE))
    assert await records.switches("bob") == (Control(ControlMode.HALT, "storm"), Control())


@pytest.mark.parametrize("key", [keys.CONTROL, keys.control("alice")])
async def test_a_switch_that_cannot_be_read_stops_entries_and_lets_exits_through(
    bus: Bus, records: Records, key: str
) -> None:
    await bus.do("SET", key, "pause")  # a person in a hurry: SET instead of HSET
    switches = await records.switches("alice")
    forbidden = refusal(Kind.ENTRY, *switches)
    assert forbidden is not None
    assert "cannot be read" in forbidden.reason
    assert refusal(Kind.EXIT, *switches) is None


async def test_a_heartbeat_is_seen_while_it_lasts(bus: Bus, records: Records) -> None:
    assert await records.heartbeats() == {}
    sign = HeartbeatRecord(state="serving alice", since=5, version="1", capacity=3, serving=1)
    await records.write_heartbeat("executor", "host-1", sign)
    assert await records.heartbeats() == {"executor:host-1": sign}
    assert 0 < await bus.do("PTTL", keys.heartbeat("executor", "host-1")) <= HEARTBEAT_TTL_MS


async def test_a_process_is_found_without_an_index_too_and_forgotten_after_a_day(bus: Bus, records: Records) -> None:
    await records.write_heartbeat("api", "a", HeartbeatRecord(state="running"))
    await bus.do("DEL", keys.PROCESSES)
    assert list(await records.heartbeats()) == ["api:a"]
    await records.write_heartbeat("api", "b", HeartbeatRecord(state="running"))
    await bus.do("HSET", keys.PROCESSES, "api:long-gone", "1")
    await records.forget_processes()
    assert await bus.do("HKEYS", keys.PROCESSES) == ["api:b"]


async def test_a_heartbeat_that_cannot_be_read_hides_no_other(bus: Bus, records: Records) -> None:
    await records.write_heartbeat("api", "a", HeartbeatRecord(state="running"))
    await bus.do("HSET", keys.PROCESSES, "api:older-version", "1", "api:typed-by-hand", "1", "api:gone", "1")
    await bus.do("SET", keys.heartbeat("api", "older-version"), "running")
    await bus.do("HSET", keys.heartbeat("api", "typed-by-hand"), "v", "9", "state", "running")
    assert list(await records.heartbeats()) == ["api:a"]
