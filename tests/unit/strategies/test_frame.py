"""The caps on entries, and what a strategy may not return. Exits are never held back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from shared.domain.values.money import ONE, Price
from shared.domain.values.symbol import Symbol
from shared.strategies.entry_history import DAY_MS, EntryHistory
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.frame import Caps, Decided, Frame, InvalidIntentError, Pending
from shared.strategies.port import Context, Enter, Exit, Holding, Intent
from tests.unit.master_strategy.values import BTC, ETH, btc, rising, usd

SOL = Symbol.parse("SOL/USD")
NOW = 20_000 * DAY_MS + 3_600_000
SHARE = Decimal("0.05")


@dataclass
class _Returns:
    """A strategy that returns what it is given."""

    intents: Any
    name: str = "test"
    needs: int = 1

    def decide(self, context: Context) -> Sequence[Intent]:
        return self.intents  # type: ignore[no-any-return]


def _enter(*symbols: Symbol, share: Decimal = SHARE, plan: ExitPlan | None = None) -> list[Intent]:
    return [Enter(symbol, share, "test", plan) for symbol in symbols]


def _context(*held: Symbol, now: int = NOW, equity: str = "10000") -> Context:
    holdings = {symbol: Holding(btc("1"), Price(Decimal(100), symbol), 0) for symbol in held}
    return Context(now=now, candles=dict.fromkeys((BTC, ETH, SOL), rising()), holdings=holdings, equity=usd(equity))


def _decide(
    intents: object,
    *held: Symbol,
    history: EntryHistory | None = None,
    pending: Sequence[Pending] = (),
    now: int = NOW,
    equity: str = "10000",
    **caps: Any,
) -> Decided:
    context = _context(*held, now=now, equity=equity)
    return Frame(_Returns(intents), Caps(**caps)).decide(context, history or EntryHistory(), pending)


def _passed(decided: Decided) -> list[Symbol]:
    return [intent.symbol for intent in decided.intents]


def test_without_caps_every_intent_passes_in_its_order() -> None:
    decided = _decide([*_enter(SOL, BTC), Exit(ETH, ONE, "test")], ETH)
    assert _passed(decided) == [SOL, BTC, ETH]
    assert decided.refused == ()
    assert decided.history == EntryHistory(NOW, 20_000, 2)


def test_one_entry_per_cycle_keeps_the_most_wanted_one() -> None:
    decided = _decide(_enter(SOL, BTC), one_entry_per_cycle=True)
    assert _passed(decided) == [SOL]
    assert [(each.intent.symbol, each.reason) for each in decided.refused] == [(BTC, "one entry per cycle")]


def test_positions_are_counted_with_entries_under_way() -> None:
    assert _passed(_decide(_enter(BTC), ETH, max_positions=2)) == [BTC]
    decided = _decide(_enter(BTC), ETH, pending=[Pending(SOL, SHARE)], max_positions=2)
    assert [each.reason for each in decided.refused] == ["2 positions of at most 2"]


def test_entries_of_one_cycle_count_as_positions() -> None:
    decided = _decide(_enter(BTC, SOL), ETH, max_positions=2)
    assert _passed(decided) == [BTC]


def test_entries_of_a_day_are_counted_and_the_next_day_begins_at_zero() -> None:
    history = EntryHistory().entered(NOW - 10).entered(NOW - 5)
    decided = _decide(_enter(BTC), history=history, max_entries_per_day=2)
    assert [each.reason for each in decided.refused] == ["2 entries today of at most 2"]
    assert decided.history == history
    tomorrow = _decide(_enter(BTC), history=history, now=NOW + DAY_MS, max_entries_per_day=2)
    assert _passed(tomorrow) == [BTC]
    assert tomorrow.history == EntryHistory(NOW + DAY_MS, 20_001, 1)


def test_the_gap_between_entries_is_in_market_time() -> None:
    history = EntryHistory().entered(NOW)
    early = _decide(_enter(BTC), history=history, now=NOW + 299_000, entry_gap_seconds=300)
    assert [each.reason for each in early.refused] == ["299 s since the last entry, at least 300"]
    assert _passed(_decide(_enter(BTC), history=history, now=NOW + 300_000, entry_gap_seconds=300)) == [BTC]


def test_exposure_counts_holdings_by_the_newest_candle_and_entries_under_way() -> None:
    caps: dict[str, Any] = {"equity": "100000", "max_exposure_pct": Decimal(80)}
    left = Decimal("0.80") - rising()[-1].close / 100_000  # one unit of ETH is held, at that price
    assert _passed(_decide(_enter(BTC, share=left), ETH, **caps)) == [BTC]
    assert _decide(_enter(BTC, share=left + Decimal("0.0001")), ETH, **caps).intents == ()
    pending = [Pending(SOL, Decimal("0.0001"))]
    assert _decide(_enter(BTC, share=left), ETH, pending=pending, **caps).intents == ()


def test_without_an_equity_an_exposure_cap_lets_no_entry_through_and_every_exit() -> None:
    decided = _decide([*_enter(BTC), Exit(ETH, ONE, "test")], ETH, equity="0", max_exposure_pct=Decimal(80))
    assert _passed(decided) == [ETH]


def test_what_is_held_or_under_way_is_not_entered_again() -> None:
    assert _decide(_enter(BTC), BTC).intents == ()
    assert _decide(_enter(BTC), pending=[Pending(BTC, SHARE)]).intents == ()


def test_an_entry_answers_the_newest_candle_so_that_two_never_answer_one() -> None:
    """Symbols are read one after the other: some right before a candle ends, some right after."""
    candles = {BTC: rising(), ETH: rising(9)}
    held = {BTC: Holding(btc("1"), Price(Decimal(100), BTC), 0)}
    for symbol, passes in ((BTC, False), (ETH, True)):
        context = Context(now=NOW, candles=candles, holdings={}, equity=usd("10000"))
        decided = Frame(_Returns(_enter(symbol)), Caps(entry_gap_seconds=300)).decide(context, EntryHistory())
        assert bool(decided.intents) is passes
        assert decided.history.last_entry == (NOW if passes else None)
    context = Context(now=NOW, candles=candles, holdings=held, equity=usd("10000"))
    exits = [Exit(BTC, ONE, "test")]
    assert _passed(Frame(_Returns(exits), Caps()).decide(context, EntryHistory())) == [BTC]


def test_no_cap_holds_back_an_exit() -> None:
    caps: dict[str, Any] = {"max_positions": 0, "max_entries_per_day": 0, "entry_gap_seconds": 86_400}
    decided = _decide(
        [Exit(BTC, ONE, "a"), Exit(ETH, Decimal("0.5"), "b")],
        BTC,
        ETH,
        history=EntryHistory().entered(NOW),
        max_exposure_pct=Decimal(1),
        one_entry_per_cycle=True,
        **caps,
    )
    assert _passed(decided) == [BTC, ETH]


def test_history_is_rebuilt_from_recorded_entries_in_any_order() -> None:
    assert EntryHistory().entered(NOW).entered(NOW - DAY_MS) == EntryHistory(NOW, 20_000, 1)


def _plan(stop: object = Decimal(1), *targets: Target, **more: Any) -> ExitPlan:
    return ExitPlan(stop, targets, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("intents", "says"),
    [
        (None, "must return a list"),
        ("sell", "must return a list"),
        (["sell"], "Enter and Exit, not str"),
        ([Enter(Symbol.parse("DOGE/USD"), SHARE, "")], "DOGE/USD has no candles"),
        (_enter(SOL, SOL), "two intents"),
        ([Enter(SOL, 0.05, "")], "share must be a Decimal"),  # type: ignore[arg-type]
        (_enter(SOL, share=Decimal("1.01")), "at most 1"),
        (_enter(SOL, share=Decimal(0)), "above 0"),
        (_enter(SOL, share=Decimal("NaN")), "Decimal"),
        ([Enter(SOL, SHARE, None)], "reason must be a text"),  # type: ignore[arg-type]
        ([Exit(SOL, ONE, "")], "cannot sell it"),
        ([Exit(BTC, Decimal(2), "")], "fraction"),
        ([Enter(SOL, SHARE, "", "stop")], "must be an ExitPlan"),  # type: ignore[arg-type]
        (_enter(SOL, plan=_plan(Decimal("NaN"))), "stop must be a Decimal"),
        (_enter(SOL, plan=_plan(rising()[-1].close)), "not below the price"),
        (_enter(SOL, plan=_plan(Decimal(1), Target(Decimal(2), ONE))), "targets must be above"),
        (_enter(SOL, plan=_plan(Decimal(1), Target(Decimal(10**9), Decimal(2)))), "fraction of a target"),
        (_enter(SOL, plan=_plan(Decimal(1), trail=Decimal(-1))), "every price"),
    ],
)
def test_what_is_no_intent_of_this_context_is_an_error_that_names_it(intents: object, says: str) -> None:
    with pytest.raises(InvalidIntentError, match=says):
        _decide(intents, BTC)
