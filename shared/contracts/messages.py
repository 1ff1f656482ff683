"""The three messages of the one-way path: signal, order, report. Their field names are a public contract.

Each is converted to a domain value and back here; units are added and removed here and nowhere else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, model_validator

from shared.contracts.fields import Amount, Fraction, Id, Instant, Message, Noted, Positive, SymbolField, type_or_blank
from shared.domain.account import MASTER
from shared.domain.order import TERMINAL, Copy, Decision, Kind, OrderState, Side
from shared.domain.signal import Signal, Source
from shared.domain.values.master_name import NAME_WORDS, is_master_name
from shared.domain.values.money import Money, Price, Quantity


def _terminal(value: OrderState) -> OrderState:
    if value not in TERMINAL:
        raise ValueError("must be a terminal state")
    return value


def _master(value: str) -> str:
    if value and not is_master_name(value):
        raise ValueError(NAME_WORDS)
    return value


MasterField = Annotated[str, AfterValidator(_master)]
"""A named master, or an empty text."""
Outcome = Annotated[OrderState, AfterValidator(_terminal)]
_UNLESS_BLANK: Final = frozenset({"code", "master_order_id", "multiplier", "stage", "master"})
_EXACT: Final = frozenset({"cost", "fee_quote", "fee_base", "market", "master", "corrected"})


class SignalMessage(Message):
    """An entry of `shoal:signals`. Sizes in base, `quote_size`, `master_equity` and prices in quote units.

    An entry must have the field `master_equity`. Blank means that the equity is not fully known; `equity_reason` says why.
    """

    demands_version: ClassVar[bool] = True

    id: Id
    venue: str
    symbol: SymbolField
    side: Side
    kind: Kind
    base_size: Positive
    quote_size: Annotated[Amount | None, type_or_blank] = None
    price: Positive
    fraction: Annotated[Fraction | None, type_or_blank] = None
    position_before: Annotated[Amount | None, type_or_blank] = None
    position_after: Annotated[Amount | None, type_or_blank] = None
    master_equity: Annotated[Amount | None, type_or_blank] = None
    master_order_id: str = ""
    source: Source = Source.STRATEGY
    strategy: str = ""
    stop_loss: Annotated[Positive | None, type_or_blank] = None
    take_profit: Annotated[Positive | None, type_or_blank] = None
    filled_at: Instant
    emitted_at: Annotated[Instant | None, type_or_blank] = None
    equity_reason: str = ""
    master: str = ""
    owner: str = ""
    """The user name in the keys of a further account at its venue: `master.<name>`; not written for the usual ones."""
    fee: Noted = None
    """What the venue took for this fill, in quote; not written where it is not known. Users pay fees of their own."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.kind is Kind.EXIT and self.fraction is None:
            raise ValueError("an exit needs its fraction")
        if self.kind is Kind.ENTRY and "master_equity" not in self.model_fields_set:
            raise ValueError("an entry needs master_equity")
        if (self.kind is Kind.ENTRY) != (self.side is Side.BUY):
            raise ValueError("on spot an entry is a buy and an exit a sell")
        return self

    def to_domain(self) -> Signal:
        """Return the domain value, with units."""
        base, quote = self.symbol.base, self.symbol.quote
        return Signal(
            id=self.id,
            venue=self.venue,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            base_size=Quantity(self.base_size, base),
            quote_size=Money(self.base_size * self.price if self.quote_size is None else self.quote_size, quote),
            price=Price(self.price, self.symbol),
            fraction=self.fraction if self.kind is Kind.EXIT else None,
            position_before=Quantity(self.position_before or Decimal(0), base),
            position_after=Quantity(self.position_after or Decimal(0), base),
            master_equity=None if self.master_equity is None else Money(self.master_equity, quote),
            master_order_id=self.master_order_id,
            source=self.source,
            strategy=self.strategy,
            stop_loss=None if self.stop_loss is None else Price(self.stop_loss, self.symbol),
            take_profit=None if self.take_profit is None else Price(self.take_profit, self.symbol),
            filled_at=self.filled_at,
            emitted_at=self.filled_at if self.emitted_at is None else self.emitted_at,
            equity_reason=self.equity_reason,
            master=self.master,
            owner=self.owner or MASTER,
            fee=None if self.fee is None else Money(self.fee, quote),
        )

    @staticmethod
    def from_domain(signal: Signal) -> SignalMessage:
        """Return the message for a domain value, without units."""
        return SignalMessage.model_construct(
            id=signal.id,
            venue=signal.venue,
            symbol=signal.symbol,
            side=signal.side,
            kind=signal.kind,
            base_size=signal.base_size.amount,
            quote_size=signal.quote_size.amount,
            price=signal.price.amount,
            fraction=signal.fraction,
            position_before=signal.position_before.amount,
            position_after=signal.position_after.amount,
            master_equity=None if signal.master_equity is None else signal.master_equity.amount,
            master_order_id=signal.master_order_id,
            source=signal.source,
            strategy=signal.strategy,
            stop_loss=signal.stop_loss.amount if signal.stop_loss else None,
            take_profit=signal.take_profit.amount if signal.take_profit else None,
            filled_at=signal.filled_at,
            emitted_at=signal.emitted_at,
            equity_reason=signal.equity_reason,
            master=signal.master,
            owner="" if signal.owner == MASTER else signal.owner,
            fee=None if signal.fee is None else signal.fee.amount,
        )

    def fields(self) -> dict[str, str]:
        """Return the message as flat text fields, without a fee that is not known, and without the usual owner."""
        return {name: value for name, value in super().fields().items() if value or name not in {"fee", "owner"}}


class OrderMessage(Message):
    """An entry of `shoal:orders:{user}`: one decision. The id of the entry is the id of the signal's entry.

    A copied entry must have its bounds: without `limit_price` it would buy at any price, without `not_after` at any time.
    An entry at stage `shadow` has these bounds too, but the decision `shadow`: a reader that does not know it places nothing.
    `code` is any word, since versions differ in the codes that they know, and no code may make an entry unreadable.
    """

    demands_version: ClassVar[bool] = True

    id: Id
    signal_id: Id
    decision: Literal["copy", "skip", "shadow"]
    user: str
    venue: str
    symbol: SymbolField
    side: Side
    kind: Kind
    base_size: Annotated[Positive | None, type_or_blank] = None
    fraction: Annotated[Fraction | None, type_or_blank] = None
    limit_price: Annotated[Positive | None, type_or_blank] = None
    not_after: Annotated[Instant | None, type_or_blank] = None
    reason: str = ""
    code: str = ""
    """The reason as a stable word (ReasonCode), where it has one; not written where it has none."""
    master_order_id: str = ""
    """The venue's id of the master's order that has filled; not written where it is not known."""
    stage: str = ""
    """The user's stage, if that is less than the whole order; the size is scaled by it already. Not written elsewhere."""
    master_equity: Annotated[Amount | None, type_or_blank] = None
    user_equity: Annotated[Amount | None, type_or_blank] = None
    multiplier: Noted = None
    """The factor on the ratio of the equities; not written where the size does not follow that ratio."""
    master: MasterField = ""
    """The named master whose book the order changes; not written for the main book."""
    signal_at: Instant
    emitted_at: Annotated[Instant | None, type_or_blank] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.decision != "skip" and self.kind is Kind.ENTRY:
            for name in ("base_size", "limit_price", "not_after"):
                if getattr(self, name) is None:
                    raise ValueError(f"a copied entry needs {name}")
        if self.decision == "shadow" and self.kind is Kind.EXIT:
            raise ValueError("an exit is never only checked")
        if self.decision == "copy" and self.kind is Kind.EXIT and self.fraction is None:
            raise ValueError("a copied exit needs its fraction")
        if (self.kind is Kind.ENTRY) != (self.side is Side.BUY):
            raise ValueError("on spot an entry is a buy and an exit a sell")
        return self

    def to_domain(self) -> Decision:
        """Return the domain value, with units."""
        bounds = None
        if self.decision != "skip":
            bounds = Copy(
                base_size=None if self.base_size is None else Quantity(self.base_size, self.symbol.base),
                fraction=self.fraction,
                limit_price=None if self.limit_price is None else Price(self.limit_price, self.symbol),
                not_after=self.not_after,
            )
        quote = self.symbol.quote
        return Decision(
            id=self.id,
            signal_id=self.signal_id,
            user=self.user,
            venue=self.venue,
            symbol=self.symbol,
            side=self.side,
            kind=self.kind,
            copy=bounds if self.decision == "copy" else None,
            shadow=bounds if self.decision == "shadow" else None,
            stage=self.stage,
            reason=self.reason,
            master_equity=None if self.master_equity is None else Money(self.master_equity, quote),
            user_equity=None if self.user_equity is None else Money(self.user_equity, quote),
            signal_at=self.signal_at,
            emitted_at=self.signal_at if self.emitted_at is None else self.emitted_at,
            code=self.code,
            master_order_id=self.master_order_id,
            multiplier=self.multiplier,
            master=self.master,
        )

    @staticmethod
    def from_domain(decision: Decision) -> OrderMessage:
        """Return the message for a domain value, without units."""
        copy = decision.copy or decision.shadow
        return OrderMessage.model_construct(
            id=decision.id,
            signal_id=decision.signal_id,
            decision="shadow" if decision.shadow else "copy" if decision.copy else "skip",
            user=decision.user,
            venue=decision.venue,
            symbol=decision.symbol,
            side=decision.side,
            kind=decision.kind,
            base_size=copy.base_size.amount if copy and copy.base_size else None,
            fraction=copy.fraction if copy else None,
            limit_price=copy.limit_price.amount if copy and copy.limit_price else None,
            not_after=copy.not_after if copy else None,
            reason=decision.reason,
            code=decision.code,
            master_order_id=decision.master_order_id,
            stage=decision.stage,
            master_equity=None if decision.master_equity is None else decision.master_equity.amount,
            user_equity=decision.user_equity.amount if decision.user_equity else None,
            multiplier=decision.multiplier,
            master=decision.master,
            signal_at=decision.signal_at,
            emitted_at=decision.emitted_at,
        )

    def fields(self) -> dict[str, str]:
        """Return the message as flat text fields, without those of `_UNLESS_BLANK` where they are blank."""
        return {name: value for name, value in super().fields().items() if value or name not in _UNLESS_BLANK}


class ReportMessage(Message):
    """An entry of `shoal:reports:{user}`: the one terminal outcome of an order. `signal_id` is empty for a user's own exit."""

    demands_version: ClassVar[bool] = True

    id: Id
    order_id: Id
    signal_id: str = ""
    user: str
    venue: str
    symbol: SymbolField
    side: Side
    kind: Kind
    outcome: Outcome
    reason: str = ""
    code: str = ""
    """The reason as a stable word (ReasonCode), where it has one."""
    venue_order_id: str = ""
    filled_size: Annotated[Amount | None, type_or_blank] = None
    average_price: Annotated[Amount | None, type_or_blank] = None
    fee: Annotated[Amount | None, type_or_blank] = None
    """In quote; a fee that was taken in base is valued at the fill price."""
    cost: Annotated[Amount | None, type_or_blank] = None
    """What was paid or received for `filled_size`, in quote, before fees: exact where `average_price` is rounded. Not written if
    nothing filled."""
    fee_quote: Annotated[Amount | None, type_or_blank] = None
    """The part of the fee that was taken in quote; not written if none was taken in base: then it is `fee`."""
    fee_base: Annotated[Amount | None, type_or_blank] = None
    """The part that was taken in base, in base; not written if there is none."""
    market: str = ""
    """The price that was published when the venue had taken the order, and its instant (epoch ms), as `60000.1 1763829000000`: of
    the symbol, in quote. `settle.lua` adds it from the order's record; not written if none was recorded."""
    master: str = ""
    """The named master whose book the order changed; not written for the main book."""
    corrected: str = ""
    """What named masters' books have lost or gained in this step beside the fill, in base, as JSON by master
    (`book_corrections.py`); not written if nothing."""
    signal_at: Annotated[Instant | None, type_or_blank] = None
    sent_at: Annotated[Instant | None, type_or_blank] = None
    accepted_at: Annotated[Instant | None, type_or_blank] = None
    settled_at: Instant

    def fields(self) -> dict[str, str]:
        """Return the message as flat text fields, without exact amounts, the market's price, master and corrections if blank."""
        return {name: value for name, value in super().fields().items() if value or name not in _EXACT}
