"""A what-if as people and programs read it: rows of what differs, and sentences about what was not compared and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.domain.order import Copy, Decision
from shared.domain.values.money import ONE, plain
from shared.what_if.effect import profits
from shared.what_if.recorded_decision import GAP_WORDS
from shared.what_if.rejudging import Rejudged
from shared.what_if.what_if import Mismatch, WhatIf

ASSUMPTIONS: Final = (
    "An estimate: smaller entries are taken to have filled in proportion at their own price, added ones at the master's price "
    "with the account's fee; exits sell the same share of what is held; what is left is valued at its last price of the period. "
    "Each decision is judged with the account as it was then: cash and positions that a changed decision would have left are not "
    "carried on to later ones."
)
_LOSSES: Final = frozenset({"limits.daily_loss_pct", "limits.max_drawdown_pct", "limits.stop_out_lasts"})
_AGE: Final = "guards.max_signal_age"
_BOUNDS: Final = frozenset({_AGE, "guards.max_slippage_bps"})


@dataclass(frozen=True, slots=True)
class RowView:
    """One decision that differs: as it was, as it would have been, and why."""

    at: int
    entry_id: str
    signal_id: str
    venue: str
    symbol: str
    kind: str
    recorded: str
    would_be: str
    recorded_code: str
    code: str
    reason: str

    @staticmethod
    def of(each: Rejudged) -> RowView:
        """Return the row of a decision."""
        before, after = each.before, each.after
        return RowView(
            at=each.recorded.at,
            entry_id=each.recorded.entry_id,
            signal_id=before.signal_id,
            venue=before.venue,
            symbol=str(before.symbol),
            kind=before.kind.value,
            recorded=_words(before, after),
            would_be=_words(after, before),
            recorded_code=before.code,
            code=after.code,
            reason=after.reason,
        )


def rows_of(found: WhatIf) -> list[RowView]:
    """Return a row for each decision that differs, oldest first."""
    return [RowView.of(each) for each in found.rows]


def mismatch_words(mismatch: Mismatch) -> str:
    """Describe a decision that did not come out the same."""
    recorded = mismatch.recorded
    differing = "; ".join(map(str, mismatch.differences))
    return f"{recorded.signal.kind} of {recorded.signal.symbol}, entry {recorded.entry_id}: {differing}"


def effect_words(found: WhatIf) -> list[str]:
    """Return what would have differed in trades, then the profit by currency with two decimals."""
    effect = found.effect
    counts = (
        (effect.entries_not_made, "not made"),
        (effect.entries_added, "made that were skipped"),
        (effect.entries_smaller, "smaller"),
        (effect.entries_larger, "larger"),
    )
    exits = ((effect.exits_smaller, "smaller"), (effect.exits_larger, "larger"))
    said = [f"entries: {_counted(counts)}", f"exits: {_counted(exits)}"]
    for currency, (was, would) in profits(effect).items():
        said.append(
            f"P&L of the copied trades, estimated: {was:+,.2f} {currency} as it was, {would:+,.2f} {currency} with the change, "
            f"{would - was:+,.2f} {currency} difference"
        )
    return said


def notes_of(found: WhatIf) -> list[str]:
    """Return sentences about what was not compared, and about what the change leaves out."""
    said = [f"{count} decisions cannot be repeated: they {GAP_WORDS[gap]}" for gap, count in found.gaps.items()]
    said += [f"{count} decisions cannot be judged by the change: {why}" for why, count in found.missing.items()]
    keys = found.change.keys
    if keys & _LOSSES:
        said.append("losses are those measured at each signal: one that came and went between two signals is not seen")
    if found.counted_trades:
        said.append("limits.max_trades_per_day was off: the trades of a day are counted from the user's reports")
    if keys & _BOUNDS:
        said.append(
            "whether an order would have filled within another price or age is not known: fills stay as they were"
        )
    if found.cut:
        said.append("there were more decisions in this period: only the latest were read")
    return said


def what_if_json(found: WhatIf) -> dict[str, Any]:
    """Return all of it for programs; amounts as text with all digits."""
    effect = found.effect
    return {
        "user": found.user,
        "set": dict(found.change.typed),
        "first": found.first,
        "last": found.last,
        "repeated": found.repeated,
        "equal": found.repeated - len(found.mismatches),
        "mismatches": [
            {
                "entry_id": each.recorded.entry_id,
                "signal_id": each.recorded.message.signal_id,
                "differences": {part.name: [part.recorded, part.repeated] for part in each.differences},
            }
            for each in found.mismatches
        ],
        "not_repeatable": {gap.value: count for gap, count in found.gaps.items()},
        "not_judged": dict(found.missing),
        "rows": [{name: getattr(row, name) for name in RowView.__slots__} for row in rows_of(found)],
        "effect": {
            "entries_not_made": effect.entries_not_made,
            "entries_added": effect.entries_added,
            "entries_smaller": effect.entries_smaller,
            "entries_larger": effect.entries_larger,
            "exits_smaller": effect.exits_smaller,
            "exits_larger": effect.exits_larger,
            "pnl": {
                currency: {"recorded": plain(was), "would_be": plain(would)}
                for currency, (was, would) in profits(effect).items()
            },
        },
        "notes": notes_of(found),
        "assumptions": ASSUMPTIONS,
    }


def _counted(counts: Sequence[tuple[int, str]]) -> str:
    return ", ".join(f"{count} {what}" for count, what in counts if count) or "as they were"


def _words(decision: Decision, other: Decision) -> str:
    """Describe a decision in a few words, with its bounds only where they are what differs."""
    if (shadow := decision.shadow) is not None:
        return f"checked only: {_size(shadow, decision)}"
    if (copy := decision.copy) is None:
        return f"skip: {decision.code or 'no code'}"
    text = f"copy {_size(copy, decision)}"
    if other.copy is not None and other.copy.base_size == copy.base_size:
        if copy.limit_price is not None and copy.limit_price != other.copy.limit_price:
            text += f", limit {copy.limit_price}"
        if copy.not_after is not None and copy.not_after != other.copy.not_after:
            text += f", expires after {(copy.not_after - decision.signal_at) / 1000:g} s"
    return text


def _size(copy: Copy, decision: Decision) -> str:
    if copy.base_size is not None:
        return str(copy.base_size)
    percent = plain((copy.fraction or ONE) * 100)
    return f"{percent} % of the position in {decision.symbol.base}"
