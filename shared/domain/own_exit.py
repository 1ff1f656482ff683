"""A user's own exit: an exit without a signal. Pure, and by construction only ever a sale of what is held.

Its id is derived from the position and the rule, so that deciding again after a crash gives the same order.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID, uuid5

from shared.domain.order import Copy, Decision, Kind, Side
from shared.domain.position import MAIN, Position
from shared.domain.values.money import ONE
from shared.domain.values.symbol import Symbol

_OWN_EXITS: Final = UUID("b7a6c9a4-53a4-4c4e-8d0e-2f6f0f0c51e7")


def own_exit(user: str, venue: str, book: Position, rule: str, words: str, now: int, *, master: str = MAIN) -> Decision:
    """Return the decision to close what is held for a master by a rule (`stop_loss`, `flatten`, ...) at `now` (epoch ms).

    `book` is what is held for `master`, `words` carry the numbers.
    """
    state = f"{book.opened_at}:{book.updated_at}"
    name = f"{user}:{venue}:{book.symbol}:{state}:{rule}" + (f":{master}" if master else "")
    order_id = str(uuid5(_OWN_EXITS, name))
    return restore_own_exit(order_id, user, venue, book.symbol, f"{rule}: {words}", now, code=rule, master=master)


def restore_own_exit(
    order_id: str, user: str, venue: str, symbol: Symbol, reason: str, at: int, *, code: str = "", master: str = MAIN
) -> Decision:
    """Return a decision that was made at `at` (epoch ms) and has no outcome yet; `code` is the word of its rule."""
    return Decision(
        id=order_id,
        signal_id="",
        user=user,
        venue=venue,
        symbol=symbol,
        side=Side.SELL,
        kind=Kind.EXIT,
        copy=Copy(base_size=None, fraction=ONE, limit_price=None, not_after=None),
        reason=reason,
        master_equity=None,
        user_equity=None,
        signal_at=at,
        emitted_at=at,
        code=code,
        master=master,
    )
