"""The rule of mirrored orders: what has to be done follows from what the master's order is and what the user's legs have
filled."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st

from shared.domain.mirror import (
    Mirror,
    MirrorAction,
    MirrorDecision,
    Step,
    block,
    judge_end,
    mirror_id,
    next_step,
    rest_of_sale,
)
from shared.domain.order import Copy, Kind, OrderState, Side
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.money import Price
from tests.support.examples import BTC_USD, a_copied_entry, btc, btc_price

STEP = Decimal("0.0001")
WHY = Skip("stopped", ReasonCode.KILL_SWITCH)


def wanted(
    action: MirrorAction = MirrorAction.PLACE,
    version: int = 1,
    *,
    size: str = "0.1",
    filled: str = "0",
    limit: str = "59000",
    sale: bool = False,
) -> MirrorDecision:
    copy = Copy(None if sale else btc("0.05"), Decimal("0.5") if sale else None, btc_price(limit), None)
    decision = replace(
        a_copied_entry(),
        copy=copy,
        kind=Kind.EXIT if sale else Kind.ENTRY,
        side=Side.SELL if sale else Side.BUY,
        signal_at=version,
    )
    return MirrorDecision(decision, action, "kraken", "O1", version, Decimal(size), Decimal(filled))


def a_mirror(*, sale: bool = False, **more: object) -> Mirror:
    mirror = Mirror.of(wanted(sale=sale))
    mirror = replace(mirror, scale=Decimal("0.5")) if sale else mirror
    return replace(mirror, **more)  # type: ignore[arg-type]  # a test's own values


def step(mirror: Mirror, filled: str = "0", *, placed: int = 1, live: bool = False, **more: bool) -> Step:
    return next_step(mirror, Decimal(filled), placed=placed, live=live, **more)


def test_an_order_is_placed_once_for_each_change_of_its_terms() -> None:
    mirror = a_mirror()
    assert step(mirror, placed=0) is Step.PLACE
    assert step(mirror, live=True) is Step.REST
    assert step(mirror) is Step.WAIT
    filled = mirror.updated(wanted(MirrorAction.AMEND, 2, filled="0.04"))
    assert step(filled, live=True) is Step.REST
    moved = filled.updated(wanted(MirrorAction.AMEND, 3, limit="58000"))
    assert step(moved, live=True) is Step.CANCEL
    assert step(moved) is Step.PLACE
    assert step(moved, placed=3) is Step.WAIT
    assert step(replace(moved, master_size=Decimal("0.2"), terms_version=4), placed=3, live=True) is Step.CANCEL


def test_an_older_version_changes_nothing() -> None:
    mirror = a_mirror().updated(wanted(MirrorAction.CANCEL, 3, filled="0.02"))
    assert mirror.updated(wanted(MirrorAction.AMEND, 2, limit="58000")) is mirror
    assert mirror.updated(wanted(MirrorAction.CANCEL, 3)) is mirror
    assert mirror.ended


def test_the_end_cancels_what_rests_and_then_finishes() -> None:
    ended = a_mirror(ended=True)
    assert step(ended, live=True) is Step.CANCEL
    assert step(ended) is Step.FINISH
    assert step(ended, placed=0) is Step.FINISH


@pytest.mark.parametrize("sale", [False, True])
def test_what_is_forbidden_or_blocked_is_cancelled_and_not_placed(sale: bool) -> None:
    mirror = a_mirror(sale=sale)
    assert step(mirror, placed=0, forbidden=True) is Step.WAIT
    assert step(mirror, live=True, forbidden=True) is Step.CANCEL
    blocked = block(mirror, WHY)
    assert step(blocked, placed=0) is Step.WAIT
    assert step(blocked, live=True) is Step.CANCEL
    assert step(replace(blocked, ended=True)) is Step.FINISH
    assert block(blocked, Skip("later", ReasonCode.STALE)) is blocked


@pytest.mark.parametrize("ended", [False, True])
def test_a_halt_cancels_nothing_and_sends_nothing(ended: bool) -> None:
    mirror = a_mirror(ended=ended)
    assert step(mirror, live=True, halted=True) is Step.REST
    assert step(mirror, placed=0, halted=True) is Step.WAIT


def test_only_a_sale_that_rests_nowhere_catches_up_before_the_end() -> None:
    behind = a_mirror(sale=True, master_filled=Decimal("0.04"))
    assert step(behind, live=True) is Step.REST
    assert step(behind) is Step.CATCH_UP
    assert step(behind, "0.02") is Step.WAIT
    assert step(a_mirror(master_filled=Decimal("0.04"))) is Step.WAIT


@given(
    mirror=st.builds(
        a_mirror,
        sale=st.booleans(),
        ended=st.booleans(),
        blocked=st.sampled_from(["", "why"]),
        terms_version=st.integers(1, 3),
    ),
    placed=st.integers(0, 3),
    filled=st.decimals(0, 1, places=3),
    live=st.booleans(),
    forbidden=st.booleans(),
    halted=st.booleans(),
)
def test_no_step_sends_beside_a_live_leg_or_under_what_stops_it(
    mirror: Mirror, placed: int, filled: Decimal, live: bool, forbidden: bool, halted: bool
) -> None:
    found = next_step(mirror, filled, placed=placed, live=live, forbidden=forbidden, halted=halted)
    if live:
        assert found in {Step.REST, Step.CANCEL}
    else:
        assert found not in {Step.REST, Step.CANCEL}
    if halted:
        assert found in {Step.REST, Step.WAIT}
    if found is Step.PLACE:
        assert (mirror.blocked, forbidden, mirror.ended) == ("", False, False)
    if mirror.ended and not halted:
        assert found in {Step.CANCEL, Step.FINISH}


def test_shares_follow_the_scale_of_the_decision() -> None:
    mirror = a_mirror().updated(wanted(MirrorAction.AMEND, 2, size="0.3", filled="0.06"))
    assert (mirror.target, mirror.due) == (Decimal("0.15"), Decimal("0.03"))
    assert Mirror.of(wanted(sale=True)).target == 0  # not sized yet


@pytest.mark.parametrize(
    ("masters", "users", "outcome", "code"),
    [
        ("0.1", "0.05", OrderState.FILLED, ""),
        ("0.1", "0.04995", OrderState.FILLED, ""),
        ("0.1", "0.02", OrderState.PARTIAL, ""),
        ("0", "0", OrderState.EXPIRED, "master_cancelled"),
        ("0.1", "0", OrderState.EXPIRED, "not_reached"),
        ("0.02", "0.05", OrderState.FILLED, ""),
    ],
)
def test_the_end_compares_the_shares(masters: str, users: str, outcome: OrderState, code: str) -> None:
    end = judge_end(a_mirror(ended=True, master_filled=Decimal(masters)), Decimal(users), STEP)
    assert (end.outcome, end.code) == (outcome, code)


def test_the_end_says_what_is_missing_or_too_much_and_why() -> None:
    ended = a_mirror(ended=True, master_filled=Decimal("0.1"))
    assert "0.03 BTC less than the user's share of 0.05" in judge_end(ended, Decimal("0.02"), STEP).reason
    more = judge_end(replace(ended, master_filled=Decimal("0.02")), Decimal("0.05"), STEP)
    assert "0.04 BTC more than the user's share of 0.01, kept" in more.reason
    stopped = judge_end(block(ended, WHY), Decimal(0), STEP)
    assert (stopped.outcome, stopped.code) == (OrderState.EXPIRED, "kill_switch")
    refused = judge_end(block(ended, Skip("no funds", ReasonCode.VENUE_FUNDS)), Decimal(0), STEP)
    assert refused.outcome is OrderState.REJECTED
    assert "gone" in judge_end(replace(ended, abandoned="gone"), Decimal(0), STEP).reason


def test_everything_was_sold_only_if_all_of_a_whole_sale_filled() -> None:
    sale = a_mirror(sale=True, ended=True, master_filled=Decimal("0.1"))
    assert not sale.closes_all
    whole = replace(sale, decision=replace(sale.decision, copy=Copy(None, Decimal(1), btc_price("59000"), None)))
    assert whole.closes_all
    assert not replace(whole, master_filled=Decimal("0.09")).closes_all
    assert not replace(whole, ended=False).closes_all


@pytest.mark.parametrize(
    "copy",
    [
        None,
        Copy(None, None, btc_price("59000"), None),
        Copy(btc("0.05"), None, None, None),
    ],
)
def test_nothing_is_mirrored_without_size_and_limit(copy: Copy | None) -> None:
    placed = wanted()
    with pytest.raises(ValueError, match=r"mirrored order|to place"):
        Mirror.of(replace(placed, decision=replace(placed.decision, copy=copy)))


def test_the_id_is_of_the_venue_s_order() -> None:
    assert mirror_id("kraken", "O1") == mirror_id("kraken", "O1")
    assert len({mirror_id("kraken", "O1"), mirror_id("coinbase", "O1"), mirror_id("kraken", "O2")}) == 3
    assert Price(Decimal(1), BTC_USD) == btc_price(1)


def test_only_a_sale_has_a_rest_that_is_sold() -> None:
    rest = rest_of_sale(a_mirror(sale=True), Decimal("0.4"))
    assert (rest.kind, rest.side, rest.copy) == (Kind.EXIT, Side.SELL, Copy(None, Decimal("0.4"), None, None))
    with pytest.raises(ValueError, match="only a sale"):
        rest_of_sale(a_mirror(), Decimal("0.4"))
