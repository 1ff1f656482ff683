"""Which report belongs to which fill of the master, which size an entry should have had, and what else was traded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest

from shared.domain.mirror import mirror_id
from shared.domain.order import Copy, Decision, OrderState, Side, order_id
from shared.domain.signal import Signal
from shared.domain.values.money import ONE, ZERO
from shared.domain.values.symbol import Symbol
from shared.ledger.statement.parts.books import NOT_TRADED, Entry, Event, Exit, LateTrade, OwnExit, SymbolBook, Traded
from shared.ledger.statement.parts.causes import Cause
from shared.ledger.statement.parts.counterfactuals import explain
from shared.ledger.statement.records.assembly import assemble, exit_share, masters_fee
from shared.ledger.statement.records.material import Copied, Ending, Holding, Material, Opening
from shared.ledger.statement.records.scales import Scales
from shared.ledger.statement.statement import NoStatementError, state_account
from tests.support.examples import BTC_USD, NOW, a_copied_entry, an_entry, an_exit, an_id, btc, usd
from tests.unit.ledger.statement.months import LOT, a_trade

AT: Final = NOW + 500


def decided(signal: Signal, size: str | None = "0.05", **changes: Any) -> Copied:
    """Alice's decision about a signal; with half the master's equity."""
    copy = None if size is None else Copy(btc(size), signal.fraction, signal.price, NOW)
    usual = replace(
        a_copied_entry(),
        id=order_id(signal.id, "alice", "kraken"),
        signal_id=signal.id,
        side=signal.side,
        kind=signal.kind,
        copy=copy,
        multiplier=ONE,
    )
    return Copied(signal, replace(usual, **changes))


def ended(
    each: Copied, size: str = "", outcome: OrderState = OrderState.FILLED, code: str = "", **changes: Any
) -> Ending:
    """The report on a copy, at 60,000 and with a fee of 1."""
    decision = each.decision
    trade = None
    if size:
        amount = Decimal(size)
        trade = a_trade(
            decision.symbol,
            decision.side,
            amount,
            amount * 60_000,
            ONE,
            AT,
            name=decision.id,
            signal=decision.signal_id,
            outcome=outcome,
            code=code,
        )
    return replace(Ending(decision.id, decision.signal_id, outcome, code, AT, trade), **changes)


def material(copied: Sequence[Copied], endings: Sequence[Ending], **changes: Any) -> Material:
    usual = Material("kraken", "USD", NOW, NOW + 10_000, copied, endings, lots={BTC_USD: LOT})
    return replace(usual, **changes)


def events(copied: Sequence[Copied], endings: Sequence[Ending], **changes: Any) -> Sequence[Event]:
    """The events of the one coin that was traded."""
    (book,) = assemble(material(copied, endings, **changes)).books
    return book.events


def entry(copied: Sequence[Copied], endings: Sequence[Ending]) -> Entry:
    (event,) = events(copied, endings)
    assert isinstance(event, Entry)
    return event


def passed_over(copied: Sequence[Copied]) -> list[Ending]:
    """The reports on fills of an order of the master's that is mirrored, as the executor makes them."""
    return [ended(each, outcome=OrderState.SKIPPED, code="mirrored") for each in copied]


def test_a_copy_has_its_own_report_and_its_ideal_size() -> None:
    copy = decided(an_entry())
    found = entry([copy], [ended(copy, "0.05")])
    assert (found.ideal, found.copy.size, found.missed) == (Decimal("0.05"), Decimal("0.05"), "")
    assert found.copy.gross == 3000
    assert found.allowed is None


@pytest.mark.parametrize(("age", "market"), [(0, "60010"), (2_000, "60010"), (-900, "60010"), (2_001, None)])
def test_the_markets_price_counts_if_it_was_recent_when_the_venue_took_the_copy(age: int, market: str | None) -> None:
    for signal in (an_entry(), an_exit()):
        copy = decided(signal, "0.05" if signal.side is Side.BUY else None)
        copy = replace(
            copy, decision=replace(copy.decision, copy=Copy(btc("0.05"), signal.fraction, signal.price, NOW))
        )
        trade = a_trade(
            BTC_USD,
            signal.side,
            Decimal("0.05"),
            Decimal(3000),
            ONE,
            AT,
            name=copy.decision.id,
            signal=signal.id,
            market=Decimal(60_010),
            market_age=age,
        )
        (event,) = events([copy], [replace(ended(copy, "0.05"), trade=trade)])
        assert isinstance(event, (Entry, Exit))
        assert event.market == (None if market is None else Decimal(market))
        assert not event.rested
        unknown = replace(trade, accepted_at=None)
        (event,) = events([copy], [replace(ended(copy, "0.05"), trade=unknown)])
        assert isinstance(event, (Entry, Exit))
        assert event.market is None


def test_an_order_that_rested_has_no_delay() -> None:
    copied = [decided(an_entry(master_order_id="OA"))]
    report = ended(copied[0], "0.05", signal_id=mirror_id("kraken", "OA"))
    endings = [*passed_over(copied), report]
    assert entry(copied, endings).rested
    stated = state_account(material(copied, endings))
    assert stated is not None
    lines = {(part.cause, line.code): line.count for part in stated.parts for line in part.lines}
    assert lines[Cause.PRICE, "entries"] == 1
    assert not any(cause is Cause.DELAY or line == "unseparated" for cause, line in lines)


def test_less_than_a_lot_is_rounding_and_a_lot_or_more_is_a_limit() -> None:
    ideal = Decimal("0.05")
    for less, allowed in ((LOT / 2, None), (LOT, ideal - LOT), (Decimal("0.02"), Decimal("0.03"))):
        ordered = str(ideal - less)
        copy = decided(an_entry(), ordered)
        assert entry([copy], [ended(copy, ordered)]).allowed == allowed


def test_a_size_that_was_cut_right_before_it_was_sent_is_a_limit_and_not_a_partial_fill() -> None:
    copy = decided(an_entry())
    found = entry([copy], [ended(copy, "0.02")])  # its report says filled: all that was sent
    assert (found.allowed, found.missed, found.done) == (Decimal("0.02"), "", ONE)


@pytest.mark.parametrize(
    ("outcome", "code", "filled", "missed", "done"),
    [
        (OrderState.PARTIAL, "", "0.02", "not_filled", "0.4"),
        (OrderState.PARTIAL, "price_too_high", "0.02", "price_too_high", "0.4"),
        (OrderState.EXPIRED, "", "", "not_filled", "0"),
        (OrderState.EXPIRED, "stale", "", "stale", "0"),
        (OrderState.REJECTED, "venue_funds", "", "venue_funds", "0"),
        (OrderState.FAILED, "", "", "failed", "0"),
    ],
)
def test_what_was_not_filled_has_the_code_of_its_report(
    outcome: OrderState, code: str, filled: str, missed: str, done: str
) -> None:
    copy = decided(an_entry())
    found = entry([copy], [ended(copy, filled, outcome, code)])
    assert (found.missed, found.done) == (missed, Decimal(done))


def test_a_copy_without_a_report_is_pending_and_a_skip_has_the_code_of_its_decision() -> None:
    assert entry([decided(an_entry())], []).missed == "pending"
    skipped = decided(an_entry(), None, code="parked")
    assert entry([skipped], []).missed == "parked"
    assert entry([skipped], [ended(skipped, outcome=OrderState.SKIPPED)]).missed == "parked"


def test_a_skip_that_the_venue_had_taken_is_a_copy() -> None:
    recalled = decided(an_entry(), None, code="stale")
    found = entry([recalled], [ended(recalled, "0.05", OrderState.FILLED, "recalled")])
    assert (found.missed, found.copy.size) == ("", Decimal("0.05"))


def test_who_holds_nothing_misses_no_exit() -> None:
    sale = decided(an_exit(), None, code="kill_switch")
    holding = {Holding("BTC", "USD"): Opening(Decimal("0.1"), Decimal("0.05"), Decimal(60_000))}
    (missed,) = events([sale], [], openings=holding)
    assert isinstance(missed, Exit)
    assert (missed.missed, missed.done) == ("kill_switch", ZERO)
    (vacuous,) = events([sale], [])
    assert isinstance(vacuous, Exit)
    assert vacuous.missed == ""


def test_a_copy_of_a_fill_from_before_the_period_is_carried_over() -> None:
    earlier = decided(an_entry("earlier"))
    (found,) = events([], [ended(earlier, "0.05")])
    assert isinstance(found, LateTrade)
    assert (found.side, found.copy.size) == (Side.BUY, Decimal("0.05"))


def test_a_sale_without_a_signal_is_the_users_own_by_its_rule() -> None:
    trade = a_trade(BTC_USD, Side.SELL, Decimal("0.05"), Decimal(3000), ONE, AT, name=an_id("own"), code="stop_loss")
    (found,) = events([], [Ending(trade.order_id, "", OrderState.FILLED, "stop_loss", AT, trade)])
    assert isinstance(found, OwnExit)
    assert (found.code, found.share) == ("stop_loss", ONE)


def test_own_exits_stand_where_they_were_made() -> None:
    bought = decided(an_entry("bought"))
    sold = decided(an_exit("sold", filled_at=NOW + 60_000), None, multiplier=ONE)
    sold = replace(sold, decision=replace(sold.decision, copy=Copy(None, ONE, None, None), signal_at=NOW + 60_000))
    trade = a_trade(BTC_USD, Side.SELL, Decimal("0.05"), Decimal(3000), ONE, AT + 9_000, name=an_id("own"))
    own = Ending(trade.order_id, "", OrderState.FILLED, "trailing", trade.at, trade)
    nothing = ended(sold, "", OrderState.SKIPPED, "nothing_held", at=NOW + 60_200)
    found = events([bought, sold], [ended(bought, "0.05"), nothing, own])
    assert [type(each) for each in found] == [Entry, OwnExit, Exit]


def test_a_mirrored_order_is_spread_over_the_fills_that_it_copies_and_adds_up() -> None:
    parts = [
        an_entry(f"part {number}", base_size=btc(size), quote_size=usd(Decimal(size) * 60_000), master_order_id="OA")
        for number, size in enumerate(("0.03", "0.03", "0.01"))
    ]
    copied = [decided(each) for each in parts]
    report = ended(copied[0], "0.035", signal_id=mirror_id("kraken", "OA"))
    assert report.trade is not None
    found = [each for each in events(copied, [*passed_over(copied), report]) if isinstance(each, Entry)]
    assert [each.missed for each in found] == ["", "", ""]
    assert sum(each.copy.size for each in found) == Decimal("0.035")
    assert sum(each.copy.fee for each in found) == ONE
    assert found[0].copy.size == Decimal("0.015")
    assert state_account(material(copied, [*passed_over(copied), report])) is not None


def test_a_mirrored_order_that_ended_short_misses_the_rest_by_its_code() -> None:
    copied = [decided(an_entry(master_order_id="OA"))]
    short = ended(copied[0], "0.025", OrderState.PARTIAL, "not_reached", signal_id=mirror_id("kraken", "OA"))
    found = entry(copied, [*passed_over(copied), short])
    assert (found.missed, found.done) == ("not_reached", Decimal("0.5"))
    assert entry(copied, passed_over(copied)).missed == "mirrored"


def test_the_shares_of_sales_are_exact_where_the_sizes_say_what_the_fraction_says() -> None:
    third = an_exit(fraction="1", base_size=btc("0.1"), position_before=btc("0.3"))
    third = replace(third, fraction=Decimal("0.333333333333"))
    assert exit_share(third) == Decimal("0.333333333333333333333333")
    apart = replace(third, fraction=Decimal("0.25"))  # a share of more than the position
    assert exit_share(apart) == Decimal("0.25")
    assert exit_share(replace(third, fraction=ONE)) == ONE


def scales_of(*copied: Copied) -> list[Decimal]:
    scales = Scales(copied)
    return [scales.ideal(each).size for each in copied]


def test_ideal_sizes_follow_the_equities_the_multiplier_and_the_stage_of_each_decision() -> None:
    half = decided(an_entry("1"))
    richer = decided(an_entry("2"), user_equity=usd(10_000))
    doubled = decided(an_entry("3"), multiplier=Decimal(2))
    assert scales_of(half, richer, doubled) == [Decimal("0.05"), Decimal("0.1"), Decimal("0.1")]
    scales = Scales([half, doubled])
    assert scales.ratio == Decimal("0.5")
    scales.ideal(half)
    assert scales.ideal(doubled).at_equity == Decimal("0.05")


def test_a_stage_scales_the_ideal_size_and_an_entry_that_was_not_sized_has_the_stage_before() -> None:
    first = decided(an_entry("1"), "0.0025", stage="0.05")
    skipped = decided(an_entry("2"), None, code="parked")
    climbed = decided(an_entry("3"), "0.0125", stage="0.25")
    whole = decided(an_entry("4"))
    scales = Scales([skipped, first, skipped, climbed, whole])
    assert scales.ratio == Decimal("0.025")
    ideal = [scales.ideal(each) for each in (skipped, first, skipped, climbed, whole)]
    assert [each.size for each in ideal] == [Decimal(size) for size in ("0.0025", "0.0025", "0.0025", "0.0125", "0.05")]
    assert {each.at_equity for each in ideal} == {Decimal("0.0025")}


def test_an_entry_that_was_only_checked_is_missed_as_a_whole() -> None:
    checked = decided(an_entry(), None, stage="shadow")
    found = entry([checked], [ended(checked, outcome=OrderState.SKIPPED, code="shadow")])
    assert (found.ideal, found.missed, found.done) == (Decimal("0.05"), "shadow", ZERO)


def test_a_decision_without_a_known_equity_follows_the_one_before() -> None:
    first, richer = decided(an_entry("1"), user_equity=usd(2_000)), decided(an_entry("2"), user_equity=usd(4_000))
    parked = decided(an_entry("3"), None, user_equity=None)
    assert scales_of(first, richer, parked) == [Decimal("0.02"), Decimal("0.04"), Decimal("0.04")]


def test_a_decision_of_a_former_version_counts_as_ordered_and_is_mentioned() -> None:
    old = decided(an_entry(), "0.04", multiplier=None)
    found = state_account(material([old], [ended(old, "0.04")]))
    assert found is not None
    assert found.ratio == Decimal("0.4")
    assert any("do not state the ratio" in note for note in found.notes)
    assert [part.amount for part in found.parts if part.cause in {"ratio", "limits", "rounding"}] == [0, 0, 0]


def test_an_unknown_fee_of_the_master_counts_as_zero_and_is_mentioned() -> None:
    copy = decided(an_entry(fee=None))
    found = state_account(material([copy], [ended(copy, "0.05")]))
    assert found is not None
    assert [part.amount for part in found.parts if part.cause == "fees"] == [-1]
    assert "master's fee was not recorded for 1" in found.notes[0]


def test_a_fee_of_the_master_in_the_coin_counts_at_the_price_of_its_fill() -> None:
    assert masters_fee(an_entry(fee=usd(0), position_after=btc("0.0996"))) == 24
    sold = an_exit(fraction="0.5", fee=usd(0), position_after=btc("0.0498"))
    assert masters_fee(replace(sold, quote_size=usd(3000))) == 12
    assert masters_fee(an_entry(fee=usd("4.8"))) == Decimal("4.8")
    assert masters_fee(an_entry(fee=usd("4.8"), position_after=btc("0.05"))) == Decimal(
        "4.8"
    )  # of another thing than a fee


def test_dollars_and_usdc_are_one_holding_and_euros_another() -> None:
    assert Holding.of(Symbol("BTC", "USDC")) == Holding.of(BTC_USD) != Holding.of(Symbol("BTC", "EUR"))


def test_nothing_at_all_is_no_statement() -> None:
    assert state_account(material([], [])) is None
    assert NOT_TRADED.size == ZERO


def test_without_any_ratio_nothing_of_the_masters_is_the_users() -> None:
    parked: Decision = decided(an_entry(), None, user_equity=None, code="parked").decision
    found = state_account(material([Copied(an_entry(), parked)], []))
    assert found is not None
    assert (found.ratio, found.at_scale, found.result, found.gap) == (ZERO, ZERO, ZERO, ZERO)


def test_an_account_of_which_more_was_sold_than_was_bought_has_no_statement() -> None:
    """After a coin was renamed its purchase stands under another name: its result would lack what it had cost."""
    trade = a_trade(BTC_USD, Side.SELL, Decimal("0.05"), Decimal(3000), ONE, AT, name=an_id("own"), code="stop_loss")
    sold = Ending(trade.order_id, "", OrderState.FILLED, "stop_loss", AT, trade)
    with pytest.raises(NoStatementError, match="more BTC was sold than was bought"):
        state_account(material([], [sold]))
    bought = Opening(ZERO, Decimal("0.0499"), Decimal(60_000))  # a fee in base was taken of the owner's coins
    assert state_account(material([], [sold], openings={Holding("BTC", "USD"): bought})) is not None


def test_all_that_an_order_that_rested_paid_more_is_slippage() -> None:
    """Also where a part of it was sold late, at a price that was recorded."""
    paid = Traded(ONE, Decimal(59_900), ZERO)
    sale = Exit(Traded(ONE, Decimal(60_000), ZERO), ONE, paid, market=Decimal(59_950), rested=True)
    for rested, delay, slippage in ((True, "0", "-100"), (False, "-50", "-50")):
        book = SymbolBook(BTC_USD, ONE, ONE, Decimal(60_000), Decimal(60_000), [replace(sale, rested=rested)])
        parts = explain([book], ONE).parts
        assert (parts[Cause.DELAY, "exits"], parts[Cause.PRICE, "exits"]) == (Decimal(delay), Decimal(slippage))
