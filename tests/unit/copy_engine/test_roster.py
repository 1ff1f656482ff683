"""Users in their turns and chunks, and whose settings are equal."""

from __future__ import annotations

from itertools import pairwise

import pytest

from services.copy_engine.roster import Roster
from shared.domain.policy import SymbolPolicy
from shared.domain.symbol import Symbol
from tests.support.examples import BTC_USD, a_policy

BTC_USDC, BTC_EUR = Symbol("BTC", "USDC"), Symbol("BTC", "EUR")


def test_equal_settings_share_a_number_and_others_do_not() -> None:
    mapped = {"symbols": SymbolPolicy(map={BTC_USD: BTC_USDC})}
    users = [
        a_policy("alice"),
        a_policy("bob", **mapped),
        a_policy("carol"),
        a_policy("dave", symbols=SymbolPolicy(map={BTC_USD: BTC_EUR})),
        a_policy("erin", symbols=SymbolPolicy(map={BTC_USD: BTC_USDC})),
        a_policy("frank", venues=("kraken", "coinbase")),
    ]
    (members,) = Roster(users).chunks(0)
    assert [member.settings for member in members] == [0, 1, 0, 2, 1, 3]


@pytest.mark.parametrize(("count", "turn"), [(0, 0), (1, 5), (16, 0), (17, 3), (1_000, 7), (1_000, 1_001)])
def test_the_chunks_of_a_roster_hold_everybody_once_beginning_with_another_each_turn(count: int, turn: int) -> None:
    users = [a_policy(f"user-{number}") for number in range(count)]
    chunks = list(Roster(users).chunks(turn))
    order = [member.policy for chunk in chunks for member in chunk]
    start = turn % count if count else 0
    assert order == users[start:] + users[:start]
    sizes = [len(chunk) for chunk in chunks]
    assert all(size == min(16 * 2**number, 128) for number, size in enumerate(sizes[:-1]))
    assert all(before <= 128 and after > 0 for before, after in pairwise(sizes))
