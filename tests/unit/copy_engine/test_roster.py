"""Users in their turns and chunks, and whose settings are equal."""

from __future__ import annotations

from itertools import pairwise

import pytest

from services.copy_engine.followers.roster import Roster
from shared.domain.limits.policy import SymbolPolicy
from shared.domain.values.symbol import Symbol
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
    start = users.index(order[0]) if count else 0
    assert order == users[start:] + users[:start]
    sizes = [len(chunk) for chunk in chunks]
    assert all(size == min(16 * 2**number, 256) for number, size in enumerate(sizes[:-1]))
    assert all(before <= 256 and after > 0 for before, after in pairwise(sizes))


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
def test_among_few_everybody_is_first_in_turn(count: int) -> None:
    assert firsts(count, turns=count) == list(range(count))


@pytest.mark.parametrize("count", [101, 128, 1_000, 5_000])
def test_among_many_a_hundred_turns_reach_every_part_alike(count: int) -> None:
    found = sorted(firsts(count, turns=100))
    assert 0 <= found[0] <= found[-1] < count
    widest = max(after - before for before, after in pairwise([*found, found[0] + count]))
    assert widest <= 2 * count / 100 + 1


def firsts(count: int, *, turns: int) -> list[int]:
    """Return the indices of the users who go first in the first turns."""
    users = [a_policy(f"user-{number:04}") for number in range(count)]
    roster = Roster(users)
    return [int(next(iter(roster.chunks(turn)))[0].policy.user.removeprefix("user-")) for turn in range(turns)]
