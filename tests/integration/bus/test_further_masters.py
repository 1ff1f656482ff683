"""Keys of the further accounts that masters have at a venue: who writes them, and what is read of them beside the usual ones."""

from __future__ import annotations

from decimal import Decimal

import pytest

from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.bus.state.watch import Watch
from shared.contracts import keys
from shared.contracts.access import rules
from shared.domain.account import MASTER, further_name, is_master, master_owner
from shared.domain.position import Position
from shared.domain.values.money import Quantity
from shared.domain.values.symbol import Symbol
from tests.support.examples import BTC_USD, NOW, usd

SWING = master_owner("swing")


async def _as_master(bus: Bus, *command: str) -> str:
    await bus.do("ACL", "SETUSER", "the-master", "on", "nopass", *_words(rules("master-strategy")))
    return str(await bus.do("ACL", "DRYRUN", "the-master", *command))


def _words(text: str) -> list[str]:
    """Split rules as Redis does: a selector in brackets is one word."""
    words, depth, word = [], 0, ""
    for each in text:
        depth += (each == "(") - (each == ")")
        if each == " " and not depth:
            words.append(word)
            word = ""
        else:
            word += each
    return [*words, word]


@pytest.mark.parametrize("owner", [MASTER, SWING])
async def test_the_master_writes_the_keys_of_all_its_accounts(bus: Bus, owner: str) -> None:
    for key in (keys.lease(owner), keys.order(owner, "o1"), keys.account(owner, "kraken"), keys.nonce(owner, "fp")):
        assert await _as_master(bus, "SET", key, "x") == "OK"
    assert await _as_master(bus, "HSET", keys.FURTHER_MASTERS, "swing kraken", "1") == "OK"


@pytest.mark.parametrize("user", ["alice", "masterly", "master-swing"])
async def test_the_master_writes_no_users_keys(bus: Bus, user: str) -> None:
    assert "no permissions" in await _as_master(bus, "SET", keys.order(user, "o1"), "x")


def test_owners_of_masters_are_told_from_users() -> None:
    assert [is_master(each) for each in (MASTER, SWING, "masterly", "alice")] == [True, True, False, False]
    assert [further_name(each) for each in (MASTER, SWING, "alice")] == ["", "swing", ""]


async def test_prices_are_read_of_what_a_further_account_holds(bus: Bus) -> None:
    for owner, symbol in ((MASTER, BTC_USD), (SWING, Symbol.parse("ETH/USD"))):
        position = Position.flat(symbol, NOW).bought(Quantity(Decimal(1), symbol.base), usd(1), NOW)
        await Records(bus).write_position(owner, "kraken", position)
    assert await Watch(bus).asked_for("kraken", 0) == {BTC_USD}
    await Records(bus).note_further_master("swing", "kraken")
    assert await Watch(bus).asked_for("kraken", 0) == {BTC_USD, Symbol.parse("ETH/USD")}
    assert await Watch(bus).asked_for("coinbase", 0) == set()
