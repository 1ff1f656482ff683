"""Mirrored orders on the wire: what happens to the master's resting orders, what was decided about them, and what is mirrored
now.

Two streams (`shoal:master_orders`, `shoal:resting:{user}`) and one hash (`shoal:mirrored:{user}:<venue>`). Field names are a
public contract, as those of the other messages.
"""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import model_validator

from shared.contracts.fields import (
    Amount,
    Count,
    Fraction,
    Id,
    Instant,
    MalformedMessageError,
    Message,
    Positive,
    SymbolField,
    read_json_object,
    type_or_blank,
)
from shared.domain.mirror import MasterAction, MasterOrder, Mirror, MirrorAction, MirrorDecision
from shared.domain.order import Copy, Decision, Kind, Side
from shared.domain.values.money import Money, Price, Quantity

YES, NO = "yes", "no"
_YesNo = Literal["yes", "no"]
_MIRROR: Final = "mirror"
_FILLS: Final = "fills"


class MasterOrderMessage(Message):
    """An entry of `shoal:master_orders`: one version of a resting order. Sizes in base, `master_equity` and the limit in
    quote."""

    demands_version: ClassVar[bool] = True

    id: Id
    venue: str
    symbol: SymbolField
    side: Side
    action: MasterAction
    version: Count
    master_order_id: str
    base_size: Positive
    limit_price: Positive
    post_only: _YesNo = "no"
    filled_size: Amount
    fraction: Annotated[Fraction | None, type_or_blank] = None
    master_equity: Annotated[Amount | None, type_or_blank] = None
    equity_reason: str = ""
    placed_entry: str = ""
    master: str = ""
    seen_at: Instant
    emitted_at: Instant

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.side is Side.SELL and self.fraction is None:
            raise ValueError("a sale needs its fraction")
        if not self.master_order_id:
            raise ValueError("master_order_id is empty")
        return self

    def to_domain(self) -> MasterOrder:
        """Return the domain value, with units."""
        base, quote = self.symbol.base, self.symbol.quote
        return MasterOrder(
            id=self.id,
            venue=self.venue,
            master_order_id=self.master_order_id,
            version=self.version,
            action=self.action,
            symbol=self.symbol,
            side=self.side,
            size=Quantity(self.base_size, base),
            limit_price=Price(self.limit_price, self.symbol),
            post_only=self.post_only == YES,
            filled=Quantity(self.filled_size, base),
            fraction=self.fraction if self.side is Side.SELL else None,
            master_equity=None if self.master_equity is None else Money(self.master_equity, quote),
            seen_at=self.seen_at,
            emitted_at=self.emitted_at,
            equity_reason=self.equity_reason,
            placed_entry=self.placed_entry,
            master=self.master,
        )

    @staticmethod
    def from_domain(order: MasterOrder) -> MasterOrderMessage:
        """Return the message for a domain value, without units."""
        return MasterOrderMessage.of(
            id=order.id,
            venue=order.venue,
            symbol=order.symbol,
            side=order.side,
            action=order.action,
            version=order.version,
            master_order_id=order.master_order_id,
            base_size=order.size.amount,
            limit_price=order.limit_price.amount,
            post_only=YES if order.post_only else NO,
            filled_size=order.filled.amount,
            fraction=order.fraction,
            master_equity=None if order.master_equity is None else order.master_equity.amount,
            equity_reason=order.equity_reason,
            placed_entry=order.placed_entry,
            master=order.master,
            seen_at=order.seen_at,
            emitted_at=order.emitted_at,
        )


class RestingOrderMessage(Message):
    """An entry of `shoal:resting:{user}`: one decision about a resting order of the master.

    `base_size` (entry) is the user's size for all of `master_size`, `fraction` (exit) the share of what the user holds. Both are
    only in a decision to place; the user's size follows the master's from then on.
    """

    demands_version: ClassVar[bool] = True

    id: Id
    signal_id: Id
    decision: Literal["copy", "skip"]
    action: MirrorAction
    user: str
    venue: str
    symbol: SymbolField
    side: Side
    kind: Kind
    base_size: Annotated[Positive | None, type_or_blank] = None
    fraction: Annotated[Fraction | None, type_or_blank] = None
    limit_price: Annotated[Positive | None, type_or_blank] = None
    post_only: _YesNo = "no"
    master_venue: str
    master_order_id: str
    version: Count
    master_size: Positive
    master_filled: Amount
    reason: str = ""
    code: str = ""
    master_equity: Annotated[Amount | None, type_or_blank] = None
    user_equity: Annotated[Amount | None, type_or_blank] = None
    signal_at: Instant
    emitted_at: Instant

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.kind is Kind.ENTRY) != (self.side is Side.BUY):
            raise ValueError("on spot an entry is a buy and an exit a sell")
        if self.decision == "skip":
            return self
        if self.limit_price is None:
            raise ValueError("a mirrored order needs limit_price")
        if self.action is MirrorAction.PLACE:
            needed = "base_size" if self.kind is Kind.ENTRY else "fraction"
            if getattr(self, needed) is None:
                raise ValueError(f"an order to place needs {needed}")
        return self

    def to_domain(self) -> MirrorDecision:
        """Return the domain value, with units."""
        base, quote = self.symbol.base, self.symbol.quote
        copy = None
        if self.decision == "copy":
            copy = Copy(
                base_size=None if self.base_size is None else Quantity(self.base_size, base),
                fraction=self.fraction,
                limit_price=None if self.limit_price is None else Price(self.limit_price, self.symbol),
                not_after=None,
            )
        decision = Decision(
            id=self.id,
            signal_id=self.signal_id,
            user=self.user,
            venue=self.venue,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            copy=copy,
            reason=self.reason,
            master_equity=None if self.master_equity is None else Money(self.master_equity, quote),
            user_equity=None if self.user_equity is None else Money(self.user_equity, quote),
            signal_at=self.signal_at,
            emitted_at=self.emitted_at,
            code=self.code,
            master_order_id=self.master_order_id,
        )
        return MirrorDecision(
            decision=decision,
            action=self.action,
            master_venue=self.master_venue,
            master_order_id=self.master_order_id,
            version=self.version,
            master_size=self.master_size,
            master_filled=self.master_filled,
            post_only=self.post_only == YES,
        )

    @staticmethod
    def from_domain(mirrored: MirrorDecision) -> RestingOrderMessage:
        """Return the message for a domain value, without units."""
        decision, copy = mirrored.decision, mirrored.decision.copy
        return RestingOrderMessage.of(
            id=decision.id,
            signal_id=decision.signal_id,
            decision="skip" if copy is None else "copy",
            action=mirrored.action,
            user=decision.user,
            venue=decision.venue,
            symbol=decision.symbol,
            side=decision.side,
            kind=decision.kind,
            base_size=copy.base_size.amount if copy and copy.base_size else None,
            fraction=copy.fraction if copy else None,
            limit_price=copy.limit_price.amount if copy and copy.limit_price else None,
            post_only=YES if mirrored.post_only else NO,
            master_venue=mirrored.master_venue,
            master_order_id=mirrored.master_order_id,
            version=mirrored.version,
            master_size=mirrored.master_size,
            master_filled=mirrored.master_filled,
            reason=decision.reason,
            code=decision.code,
            master_equity=decision.master_equity.amount if decision.master_equity else None,
            user_equity=decision.user_equity.amount if decision.user_equity else None,
            signal_at=decision.signal_at,
            emitted_at=decision.emitted_at,
        )


class _MirrorRecord(Message):
    """One field of `shoal:mirrored:{user}:<venue>`: JSON under the master's order id."""

    order_id: Id
    signal_id: Id
    symbol: SymbolField
    side: Side
    kind: Kind
    base_size: Annotated[Positive | None, type_or_blank] = None
    fraction: Annotated[Fraction | None, type_or_blank] = None
    reason: str = ""
    decided_at: Instant
    master_venue: str
    post_only: _YesNo = "no"
    version: Count
    terms_version: Count
    limit_price: Positive
    master_size: Positive
    master_filled: Amount
    at: Instant
    ended: _YesNo = "no"
    scale: Annotated[Decimal | None, type_or_blank] = None
    blocked: str = ""
    blocked_code: str = ""
    abandoned: str = ""


def write_mirror(mirror: Mirror) -> str:
    """Return a mirrored order as the text of its field."""
    decision, copy = mirror.decision, mirror.decision.copy
    record = _MirrorRecord.of(
        order_id=decision.id,
        signal_id=decision.signal_id,
        symbol=decision.symbol,
        side=decision.side,
        kind=decision.kind,
        base_size=copy.base_size.amount if copy and copy.base_size else None,
        fraction=copy.fraction if copy else None,
        reason=decision.reason,
        decided_at=decision.signal_at,
        master_venue=mirror.master_venue,
        post_only=YES if mirror.post_only else NO,
        version=mirror.version,
        terms_version=mirror.terms_version,
        limit_price=mirror.limit_price.amount,
        master_size=mirror.master_size,
        master_filled=mirror.master_filled,
        at=mirror.at,
        ended=YES if mirror.ended else NO,
        scale=mirror.scale,
        blocked=mirror.blocked,
        blocked_code=mirror.blocked_code,
        abandoned=mirror.abandoned,
    )
    return json.dumps(record.fields())


def read_mirror(user: str, venue: str, master_order_id: str, written: str) -> Mirror:
    """Parse a mirrored order. Raises MalformedMessageError."""
    record = _MirrorRecord.parse(read_json_object(written))
    symbol = record.symbol
    if (record.base_size if record.kind is Kind.ENTRY else record.fraction) is None:
        raise MalformedMessageError("a mirrored order without its size")
    limit = Price(record.limit_price, symbol)
    size = None if record.base_size is None else Quantity(record.base_size, symbol.base)
    decision = Decision(
        id=record.order_id,
        signal_id=record.signal_id,
        user=user,
        venue=venue,
        symbol=symbol,
        side=record.side,
        kind=record.kind,
        copy=Copy(base_size=size, fraction=record.fraction, limit_price=limit, not_after=None),
        reason=record.reason,
        master_equity=None,
        user_equity=None,
        signal_at=record.decided_at,
        emitted_at=record.decided_at,
        master_order_id=master_order_id,
    )
    return Mirror(
        decision=decision,
        master_venue=record.master_venue,
        master_order_id=master_order_id,
        post_only=record.post_only == YES,
        version=record.version,
        terms_version=record.terms_version,
        limit_price=limit,
        master_size=record.master_size,
        master_filled=record.master_filled,
        at=record.at,
        ended=record.ended == YES,
        scale=record.scale,
        blocked=record.blocked,
        blocked_code=record.blocked_code,
        abandoned=record.abandoned,
    )


def write_mark(*, mirrored: bool, at: int) -> str:
    """Return how the fills of one of the master's orders are copied for a user, and since when (epoch ms): `mirror
    1764210000000`."""
    return f"{_MIRROR if mirrored else _FILLS} {at}"


def read_mark(written: str) -> tuple[bool, int]:
    """Parse such a mark: whether the order is mirrored, and since when. One that cannot be read counts as mirrored: it buys
    nothing."""
    kind, _, at = written.partition(" ")
    return kind != _FILLS, int(at) if at.isascii() and at.isdigit() and len(at) < 15 else 0
