"""Mirrored orders: a resting limit order of the master, placed, amended and cancelled for a user with the master's own.

The master's order is the wish, the venue's record of the user's legs the fact, and `next_step` the one rule that follows from
both, so that a restart needs nothing but these two. Once a user's copy is decided, the mirrored order alone is responsible for
what the master's order fills, until that has ended: its fills are not copied one by one. At the end the user's filled share is
compared with the master's. Pure: no I/O, no clock.

It must never ask for a leg while another one has no proven end, nor for more than the user's share of the master's order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum, auto
from typing import Final
from uuid import UUID, uuid5

from shared.domain.order import Copy, Decision, Kind, OrderState, Side
from shared.domain.reason import ReasonCode
from shared.domain.skip import Skip
from shared.domain.values.money import ZERO, Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

_NAMESPACE: Final = UUID(
    "5d9e3a52-6a0b-5a7b-9f0e-4c9f8e0b7d31"
)  # Shoal's own, for ids derived from the venue's order id


class MasterAction(StrEnum):
    """What has happened to a resting order of the master."""

    PLACED = "placed"
    AMENDED = "amended"  # another size or limit, or more of it has filled
    ENDED = "ended"  # filled, cancelled or expired: nothing more fills


class MirrorAction(StrEnum):
    """What a decision about a resting order wants done for the user."""

    PLACE = "place"
    AMEND = "amend"
    CANCEL = "cancel"  # the master's order has ended: what is still open is cancelled, what is filled is compared


ACTION_OF: Final = {
    MasterAction.PLACED: MirrorAction.PLACE,
    MasterAction.AMENDED: MirrorAction.AMEND,
    MasterAction.ENDED: MirrorAction.CANCEL,
}


@dataclass(frozen=True, slots=True)
class MasterOrder:
    """One version of a resting order on the master's account. Versions count from 1; instants in epoch ms, the venue's time."""

    id: str
    """The same for all versions; the place of a signal's id in what is derived from it."""
    venue: str
    master_order_id: str
    version: int
    action: MasterAction
    symbol: Symbol
    side: Side
    size: Quantity
    """All that is asked for, with what has filled."""
    limit_price: Price
    post_only: bool
    filled: Quantity
    fraction: Decimal | None
    """Of a sale: the share of the master's position that it sells in full, when it was placed; 0 < fraction <= 1."""
    master_equity: Money | None
    seen_at: int
    emitted_at: int
    equity_reason: str = ""
    placed_entry: str = ""
    """The id of the stream entry that says that it was placed; an empty text in that entry itself."""
    master: str = ""

    @property
    def kind(self) -> Kind:
        """Return whether it opens or closes a position: on spot by its side."""
        return Kind.ENTRY if self.side is Side.BUY else Kind.EXIT

    @property
    def leader(self) -> str:
        """Return the name of the master: its venue's, where it has no other."""
        return self.master or self.venue


def mirror_id(venue: str, master_order_id: str) -> str:
    """Derive the id of a master's resting order from the venue's facts."""
    return str(uuid5(_NAMESPACE, f"{venue}:{master_order_id}"))


@dataclass(frozen=True, slots=True)
class MirrorDecision:
    """One decision about a master's resting order for one user; `decision` has the user's size (entry) or fraction (exit)."""

    decision: Decision
    action: MirrorAction
    master_venue: str
    master_order_id: str
    version: int
    master_size: Decimal
    master_filled: Decimal
    post_only: bool = False


@dataclass(frozen=True, slots=True)
class Mirror:
    """One user's copy of a master's resting order, as it is wanted. What became of it is in its order's record."""

    decision: Decision
    """The decision that placed it, with the terms of then."""
    master_venue: str
    master_order_id: str
    post_only: bool
    version: int
    terms_version: int
    """The version that last changed size or limit."""
    limit_price: Price
    master_size: Decimal
    master_filled: Decimal
    at: int
    """When the master's order was seen to be so (epoch ms, the venue's time)."""
    ended: bool = False
    """The master's order has ended."""
    scale: Decimal | None = None
    """The user's base amount per base amount of the master's; None for an exit that has not been sized yet."""
    blocked: str = ""
    """Why nothing of it is placed any more; an empty text if nothing forbids it."""
    blocked_code: str = ""
    abandoned: str = ""
    """Why it is ended although the master's order may not have: then nothing is bought to catch up."""

    @staticmethod
    def of(placed: MirrorDecision) -> Mirror:
        """Return the copy that a decision to place wants. Raises ValueError if it lacks size, fraction or limit."""
        decision, copy = placed.decision, placed.decision.copy
        if copy is None or copy.limit_price is None:
            raise ValueError("not a decision to place an order")
        if (copy.base_size if decision.kind is Kind.ENTRY else copy.fraction) is None or placed.master_size <= 0:
            raise ValueError("a mirrored order without its size")
        return Mirror(
            decision=decision,
            master_venue=placed.master_venue,
            master_order_id=placed.master_order_id,
            post_only=placed.post_only,
            version=placed.version,
            terms_version=placed.version,
            limit_price=copy.limit_price,
            master_size=placed.master_size,
            master_filled=placed.master_filled,
            at=decision.signal_at,
            scale=None if copy.base_size is None else copy.base_size.amount / placed.master_size,
        )

    def updated(self, newer: MirrorDecision) -> Mirror:
        """Return the copy as a newer decision wants it; the same object for one that is not newer."""
        copy = newer.decision.copy
        if newer.version <= self.version or copy is None or copy.limit_price is None:
            return self
        changed = (newer.master_size, copy.limit_price) != (self.master_size, self.limit_price)
        return replace(
            self,
            version=newer.version,
            terms_version=newer.version if changed else self.terms_version,
            limit_price=copy.limit_price,
            master_size=newer.master_size,
            master_filled=newer.master_filled,
            at=newer.decision.signal_at,
            ended=newer.action is MirrorAction.CANCEL,
        )

    @property
    def target(self) -> Decimal:
        """Return the user's share of the whole order; zero while that is not sized."""
        return ZERO if self.scale is None else self.scale * self.master_size

    @property
    def due(self) -> Decimal:
        """Return the user's share of what the master's order has filled; zero while that is not sized."""
        return ZERO if self.scale is None else self.scale * self.master_filled

    @property
    def closes_all(self) -> bool:
        """Return whether the master sold its whole position with this order."""
        copy = self.decision.copy
        whole = copy is not None and copy.fraction is not None and copy.fraction >= 1
        return whole and self.ended and self.master_filled >= self.master_size


def rest_of_sale(mirror: Mirror, share: Decimal) -> Decision:
    """Return the exit that sells what is left of a mirrored sale: `share` (0..1) of what is held. Raises ValueError for a buy."""
    if mirror.decision.kind is not Kind.EXIT:
        raise ValueError("only a sale has a rest that must be sold")
    copy = Copy(base_size=None, fraction=share, limit_price=None, not_after=None)
    return replace(mirror.decision, copy=copy, master_order_id="")


class Step(StrEnum):
    """What has to be done for a mirrored order now."""

    REST = auto()  # its leg stays open
    CANCEL = auto()  # its leg is cancelled, and followed to its proven end
    PLACE = auto()  # a leg is placed for what is missing of the target
    CATCH_UP = auto()  # what the master has sold and the user has not is sold at once
    WAIT = auto()  # nothing, until the master's order changes
    FINISH = auto()  # compare the shares, make up for what is missing, settle


def next_step(
    mirror: Mirror, filled: Decimal, *, placed: int, live: bool, forbidden: bool = False, halted: bool = False
) -> Step:
    """Return the next step of a mirrored order of which `filled` (base) was filled by its legs.

    `placed` is the version of the terms of the last leg that rested (0: none), `live` whether it has no proven end yet.
    `forbidden`: a switch or guard forbids such an order now. `halted`: nothing may be sent, cancels included.
    """
    if halted:
        return Step.REST if live else Step.WAIT
    stale = placed < mirror.terms_version
    if live:
        return Step.CANCEL if mirror.ended or mirror.blocked or forbidden or stale else Step.REST
    if mirror.ended:
        return Step.FINISH
    if stale and not mirror.blocked and not forbidden:
        return Step.PLACE
    behind = mirror.decision.kind is Kind.EXIT and mirror.due > filled
    return Step.CATCH_UP if behind else Step.WAIT


@dataclass(frozen=True, slots=True)
class MirrorEnd:
    """How a mirrored order ended, for its report."""

    outcome: OrderState
    reason: str
    code: str = ""


def judge_end(mirror: Mirror, filled: Decimal, smallest: Decimal) -> MirrorEnd:
    """Compare the user's filled amount with their share of the master's; what differs by less than `smallest` (base) is equal."""
    due, asset = mirror.due, mirror.decision.symbol.base
    masters = f"the master filled {plain(mirror.master_filled)} of {plain(mirror.master_size)} {asset}"
    if mirror.abandoned:
        masters = f"{mirror.abandoned}; when last seen {masters}"
    if filled == 0:
        return _unfilled(mirror, masters, nothing_due=due < smallest)
    words = f"filled {plain(filled)} {asset}; {masters}"
    if filled - due >= smallest:
        words += f": {plain(_shown(filled - due))} {asset} more than the user's share of {plain(_shown(due))}, kept"
    if due - filled < smallest:
        return MirrorEnd(OrderState.FILLED, words)
    words += f": {plain(_shown(due - filled))} {asset} less than the user's share of {plain(_shown(due))}"
    return MirrorEnd(OrderState.PARTIAL, f"{words}; {mirror.blocked}" if mirror.blocked else words, mirror.blocked_code)


def _unfilled(mirror: Mirror, masters: str, *, nothing_due: bool) -> MirrorEnd:
    if mirror.blocked:
        outcome = OrderState.REJECTED if mirror.blocked_code.startswith("venue_") else OrderState.EXPIRED
        return MirrorEnd(outcome, f"{mirror.blocked}; {masters}", mirror.blocked_code)
    if nothing_due:
        return MirrorEnd(OrderState.EXPIRED, f"nothing filled; {masters}", ReasonCode.MASTER_CANCELLED)
    return MirrorEnd(OrderState.EXPIRED, f"nothing filled; {masters}", ReasonCode.NOT_REACHED)


def _shown(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.00000001")).normalize()


def block(mirror: Mirror, why: Skip) -> Mirror:
    """Return the copy with the reason why nothing of it is placed any more; the first reason stands."""
    return mirror if mirror.blocked else replace(mirror, blocked=why.reason, blocked_code=why.code)
