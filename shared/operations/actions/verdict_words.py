"""What a verdict on an order means, in words: what it books, what is traded because of it, and what a wrong one would do.

The words follow what executor and master do with a verdict (`shared/execution/operator_verdict.py`): an entry ends by it, an exit
goes on with what it has not sold.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from shared.contracts.verdict import VerdictKind, VerdictRecord
from shared.domain.account import is_master
from shared.domain.order import Side
from shared.domain.values.money import ZERO, plain
from shared.domain.values.numerals import DECIMAL, whole
from shared.operations.actions.order_verdicts import StoredOrder


def verdict_words(found: StoredOrder, verdict: VerdictRecord) -> str:
    """Return the sentence that is confirmed."""
    which = f"order {found.order_id} of {found.user}"
    base, quote = _assets(found)
    if verdict.verdict is VerdictKind.NONE:
        return f"settles {which} as never filled: {_after_none(found, base)}"
    size, price = verdict.verdict_size or ZERO, verdict.verdict_price or ZERO
    holding = "the master's position" if is_master(found.user) else "the copied position"
    moved = f"{holding} {'grows' if _buys(found) else 'shrinks'} by {plain(size)} {base}"
    fee = f", fee {plain(verdict.verdict_fee)} {quote}" if verdict.verdict_fee else ""
    return f"settles {which} as filled: {moved} at {plain(price)} {quote} ({size * price:,.2f} {quote}{fee})"


def verdict_notes(found: StoredOrder, verdict: VerdictRecord, now: int) -> tuple[str, ...]:
    """Return what a wrong verdict would do, what is traded after it, and when it counts; `now` in epoch ms."""
    base, _ = _assets(found)
    notes = [_if_wrong(found, verdict, base)]
    left = _asked(found) - (verdict.verdict_size or ZERO)
    if verdict.verdict is VerdictKind.FILLED and left > 0 and not _buys(found) and not is_master(found.user):
        notes.append(f"the exit goes on with the {plain(left)} {base} that it has not sold")
    deadline = whole(found.fields.get("deadline_at"))
    if deadline is not None and deadline > now:
        until = datetime.fromtimestamp(deadline / 1000, UTC)
        notes.append(
            f"the order could still arrive at the venue: the verdict counts from {until:%Y-%m-%d %H:%M:%S} UTC on"
        )
    if not found.owner:
        name = "master" if is_master(found.user) else "executor"
        notes.append(f"no {name} serves {found.user} now: the order is settled when one does")
    return tuple(notes)


def _after_none(found: StoredOrder, base: str) -> str:
    if is_master(found.user):
        return "it ends, and nothing is booked"
    if _buys(found):
        return "it ends, nothing is booked, and it is not sent again"
    size = f"up to {plain(asked)} {base}" if (asked := _asked(found)) else base
    return f"the exit goes on, and sells {size} again"


def _if_wrong(found: StoredOrder, verdict: VerdictRecord, base: str) -> str:
    if verdict.verdict is VerdictKind.FILLED:
        wrong = "if the venue did not fill it"
        if _buys(found):
            return f"{wrong}, {base} is booked that the account does not have, and later exits are refused"
        return f"{wrong}, {base} stays in the account that no exit will sell"
    wrong = "if the venue did fill it"
    if _buys(found):
        return f"{wrong}, the account holds {base} that is not booked, and no exit will sell it"
    if is_master(found.user):
        return f"{wrong}, {base} stays booked that the master has sold"
    return f"{wrong}, the same {base} is sold twice, as far as the account has it"


def _buys(found: StoredOrder) -> bool:
    return found.fields.get("side") == Side.BUY


def _asked(found: StoredOrder) -> Decimal:
    text = found.fields.get("base_size", "")
    return Decimal(text) if DECIMAL.fullmatch(text) else ZERO


def _assets(found: StoredOrder) -> tuple[str, str]:
    base, _, quote = found.fields.get("symbol", "").partition("/")
    return base, quote
