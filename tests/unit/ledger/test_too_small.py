"""How many of the master's entries an account would miss, by the engine's own sizes."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.key_report import Finding, Grade
from shared.domain.limits.policy import BelowMinimum, SizingPolicy, SymbolPolicy, UserPolicy
from shared.domain.signal import Signal
from shared.domain.stages.stage import Stage, StagePolicy
from shared.ledger.too_small import judge_minimums
from tests.support.examples import BTC_USD, a_policy, an_account, an_entry, an_instrument, btc, usd

TABLE = {BTC_USD: an_instrument(min_size=Decimal("0.001"))}


def entry(number: int, size: str) -> Signal:
    return an_entry(f"signal {number}", base_size=btc(size), quote_size=usd(Decimal(size) * 60_000))


def judged(sizes: Sequence[str], policy: UserPolicy | None = None, **account: Any) -> Finding:
    entries = [entry(number, size) for number, size in enumerate(sizes)]
    return judge_minimums(entries, policy or a_policy(), an_account(**account), TABLE)


def test_the_share_of_entries_that_are_too_small_is_named() -> None:
    """Half of each goes to alice: 0.0005 and 0.0009 BTC are below the minimum of 0.001."""
    found = judged(["0.001", "0.0018", "0.002", "0.1", "0.1", "0.1", "0.1"])
    assert found.grade is Grade.WARNING
    assert "would miss 29 % of the master's last 7 entries" in found.text
    assert "(BTC/USD)" in found.text


def test_nothing_too_small_is_ok() -> None:
    found = judged(["0.1", "0.2"])
    assert (found.grade, found.text) == (
        Grade.OK, "none of the master's last 2 entries is too small for this account",
    )  # fmt: skip


def test_who_rounds_up_misses_none() -> None:
    policy = a_policy(sizing=SizingPolicy(below_minimum=BelowMinimum.ROUND_UP))
    assert judged(["0.001"], policy).grade is Grade.OK


def test_what_something_else_decides_does_not_count() -> None:
    assert "no recent entry" in judged([]).text
    unwanted = a_policy(symbols=SymbolPolicy(exclude=frozenset({BTC_USD})))
    assert "no recent entry" in judged(["0.001"], unwanted).text
    assert "no recent entry" in judge_minimums([entry(1, "0.001")], a_policy(), an_account(), {}).text
    assert "not been read" in judge_minimums([entry(1, "0.1")], a_policy(), None, TABLE).text
    assert "not been read" in judged(["0.1"], equity=None).text


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (StagePolicy(start=Stage.CANARY), "would miss 50 % at stage 0.05 of the master's last 2 entries"),
        (StagePolicy(start=Stage.SHADOW, auto=True), "would miss 50 % at stage 0.05 of the master's last 2 entries"),
        (StagePolicy(start=Stage.SHADOW), "none of the master's last 2 entries is too small"),
        (StagePolicy(start=Stage.SHADOW, auto=True, max=Stage.SHADOW), "none of the master's last 2 entries"),
    ],
)
def test_the_smallest_stage_of_a_user_is_what_counts(stage: StagePolicy, words: str) -> None:
    """0.02 and 0.1 BTC of the master's are 0.0005 and 0.0025 at 5 % of a half."""
    assert words in judged(["0.02", "0.1"], a_policy(stage=stage)).text
