"""What is sent to and answered by the routes of actions."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from services.api.actions.body_examples import EXAMPLE_TOKEN
from shared.domain.values.money import plain
from shared.ledger.account_views import View
from shared.operations.control_log import Change
from shared.operations.desk import Done, Preview
from shared.operations.request import Action, ActionRequest

Word = Annotated[str, Field(max_length=200)]


class Parameters(BaseModel):
    """What an action is about. Fields that an action does not use stay empty."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    user: Word = Field("", description="A user's id; empty (with symbol empty too): all users")
    symbol: Word = Field("", description="A symbol such as BTC/USD, for kill switches of one symbol")
    venue: Word = Field("", description="With lift: only this account")
    stream: Word = Field("", description="With retry and drop: the stream of the dead letter")
    entry: Word = Field("", description="With retry and drop: the entry's id in that stream")
    order: Word = Field("", description="With resolve: the order's id")
    outcome: Word = Field("", description="With resolve: filled or none, as seen at the venue")
    size: Word = Field("", description="With resolve: what was filled, in base; empty: all of it")
    price: Word = Field("", description="With resolve: the average price; empty: the limit price")
    fee: Word = Field("", description="With resolve: the fee in quote")

    def request(self, action: Action, changes: Mapping[str, str] | None = None) -> ActionRequest:
        """Return what is asked for."""
        values = {name: getattr(self, name) for name in Parameters.model_fields}
        return ActionRequest(action=action, changes=tuple((changes or {}).items()), **values)


class ActionBody(Parameters):
    """A confirmed action: the parameters as in its preview, the token that the preview gave, and the reason."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={"examples": [{"user": "alice", "token": EXAMPLE_TOKEN, "reason": "news"}]},
    )

    token: Annotated[str, Field(max_length=5_000)] = Field("", description="From the preview; valid for ten minutes")
    reason: Annotated[str, Field(max_length=1_000)] = Field("", description="Why; kept in the control log")
    settings: Annotated[dict[str, Annotated[str, Field(max_length=4_000)]], Field(max_length=200)] = Field(
        {}, description="With settings: values by key, such as limits.max_order_pct; an empty value removes a setting"
    )


class ConsequenceView(View):
    """What an action would do now. Send `token` back to do it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "flatten",
                    "of": "alice",
                    "text": "sells 3 positions of alice, about 1,240.00 USD at market, and stops entries until resume",
                    "details": ["alice at kraken: 0.01 BTC (cost 600.00 USD)"],
                    "notes": [],
                    "figures": {"positions": "3", "value USD": "1240"},
                    "token": EXAMPLE_TOKEN,
                },
                {
                    "action": "resolve",
                    "of": "alice 0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11",
                    "text": "settles order 0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11 of alice as never filled: "
                    "it ends, nothing is booked, and it is not sent again",
                    "details": ["venue: kraken", "state: unknown", "side: buy", "symbol: BTC/USD", "base size: 0.5"],
                    "notes": [
                        "if the venue did fill it, the account holds BTC that is not booked, and no exit will sell it"
                    ],
                    "figures": {},
                    "token": EXAMPLE_TOKEN,
                },
                {
                    "action": "lift",
                    "of": "alice",
                    "text": "lifts the stop-out of alice at kraken: entries go on, and losses are counted from now on",
                    "details": ["kraken: until 2026-11-28 00:00 UTC, lost 6 % today"],
                    "notes": [],
                    "figures": {},
                    "token": EXAMPLE_TOKEN,
                },
            ]
        }
    )

    action: Action
    of: str
    text: str
    details: list[str]
    notes: list[str]
    figures: dict[str, str]
    token: str

    @staticmethod
    def of_preview(action: Action, preview: Preview) -> ConsequenceView:
        """Return the view of a preview."""
        found = preview.consequence
        return ConsequenceView(
            action=action,
            of=found.of,
            text=found.text,
            details=list(found.details),
            notes=list(found.notes),
            figures={name: plain(Decimal(value)) for name, value in found.figures.items()},
            token=preview.token,
        )


class DoneView(View):
    """What was done. `repeated`: by an earlier request with the same token; this one did nothing more."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "action": "pause",
                    "of": "alice",
                    "text": "pauses alice: no entries; exits go on",
                    "by": "operator",
                    "at": 1_700_000_000_000,
                    "reason": "news",
                    "repeated": False,
                }
            ]
        }
    )

    action: Action
    of: str
    text: str
    by: str
    at: int
    reason: str
    repeated: bool

    @staticmethod
    def of_done(done: Done) -> DoneView:
        """Return the view of what was done."""
        return DoneView(
            action=done.action,
            of=done.of,
            text=done.text,
            by=done.by,
            at=done.at,
            reason=done.reason,
            repeated=done.repeated,
        )


class ChangeView(View):
    """One entry of the control log. `at` in epoch ms."""

    id: str
    of: str
    action: str
    before: str
    mode: str
    effect: str
    reason: str
    by: str
    at: int
    confirmation: str

    @staticmethod
    def of_change(change: Change) -> ChangeView:
        """Return the view of an entry."""
        values: dict[str, Any] = {name: getattr(change, name) for name in ChangeView.model_fields}
        return ChangeView(**values)
