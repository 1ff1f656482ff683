"""The words of a statement: a title and an explanation for every part, and a label for every line of a part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from shared.domain.order import OrderState
from shared.domain.reason import ReasonCode
from shared.ledger.statement.parts.causes import (
    FEES_OF_THE_MASTER,
    FEES_PAID,
    NOT_FILLED,
    OF_THE_EQUITY,
    OF_THE_SETTINGS,
    ON_ENTRIES,
    ON_EXITS,
    PENDING,
    STEPS,
    UNSEPARATED,
    Cause,
)


class Words(NamedTuple):
    """How a part is shown to people."""

    title: str
    meaning: str


PARTS: Final[Mapping[Cause, Words]] = {
    Cause.DELAY: Words(
        "Delay",
        "The market had moved from the master's price by the time the venue had taken the copy, by the price that was published "
        "then.",
    ),
    Cause.PRICE: Words(
        "Spread and slippage",
        "Copies were bought and sold at other prices than the one that was published when the venue had taken them.",
    ),
    Cause.FEES: Words("Fees", "The fees that were paid, compared with the master's fees at the user's scale."),
    Cause.ROUNDING: Words(
        "Rounding and minimums",
        "Sizes are rounded down to the venue's step. What is below its minimum is skipped, or raised to it if the settings "
        "say so.",
    ),
    Cause.SKIPPED: Words("Skipped", "Fills of the master that were not copied, or not in full, by reason."),
    Cause.LIMITS: Words("Own limits", "Sizes that the user's limits, or the cash of the account, made smaller."),
    Cause.OWN_EXITS: Words(
        "Own exits",
        "Positions that the user's own rules (stop, take profit, stop-out) sold before the master did, by rule.",
    ),
    Cause.RATIO: Words(
        "Deposits and withdrawals",
        "The ratio of the user's equity to the master's was not the same all month: deposits, withdrawals, and results that "
        "differ change it, and so do a new multiplier or stage.",
    ),
    Cause.CARRIED: Words(
        "Carried over",
        "When the period began, the user held more or less than the master at scale, because of earlier months or of joining "
        "later.",
    ),
}
"""In the order in which they are shown."""

LINES: Final[Mapping[str, str]] = {
    OF_THE_EQUITY: "the ratio of the equities has changed",
    OF_THE_SETTINGS: "the multiplier or the stage has changed",
    ON_ENTRIES: "on entries",
    ON_EXITS: "on exits",
    UNSEPARATED: "with the delay: no recent price was recorded with these copies",
    FEES_PAID: "fees paid",
    FEES_OF_THE_MASTER: "the master's fees at scale",
    STEPS: "steps and minimums of copies that were made",
    NOT_FILLED: "not filled: the price was outside the user's bound",
    PENDING: "no outcome by the end of the period",
    OrderState.SKIPPED: "skipped, without a recorded reason",
    OrderState.REJECTED: "rejected by the venue, without a recorded reason",
    OrderState.FAILED: "failed, without a recorded reason",
    ReasonCode.SETTINGS_UNUSABLE: "the user's settings could not be used",
    ReasonCode.DISABLED: "the user was disabled",
    ReasonCode.VENUE_NOT_FOLLOWED: "the venue was not followed",
    ReasonCode.FOLLOW_CHANGED: "a change of the followed masters had not taken effect",
    ReasonCode.SHADOW: "stage shadow: only checked by the venue",
    ReasonCode.SHADOW_REFUSED: "stage shadow: the venue would have refused it",
    ReasonCode.STAGE_CHANGED: "decided for a higher stage than the user's file allowed by then",
    ReasonCode.SYMBOL_FILTERED: "the symbol is filtered out",
    ReasonCode.KILL_SWITCH: "the kill switch was set",
    ReasonCode.NOT_CONNECTED: "the account was not connected",
    ReasonCode.PARKED: "the account was parked",
    ReasonCode.BALANCE_UNKNOWN: "the balance was not known",
    ReasonCode.BALANCE_TOO_OLD: "the balance was too old",
    ReasonCode.KEY_UNCHECKED: "the API key had not passed its check",
    ReasonCode.RECORD_UNREADABLE: "a record could not be read",
    ReasonCode.CURRENCY_MISMATCH: "the pair is paid in another currency",
    ReasonCode.NO_RATE: "no rate between two currencies was known",
    ReasonCode.NOTHING_HELD: "nothing was held any more",
    ReasonCode.DUST: "too little was held to be sold",
    ReasonCode.STOPPED_OUT: "stopped out after a loss",
    ReasonCode.MAX_TRADES: "the limit of trades per day was reached",
    ReasonCode.MAX_POSITIONS: "the limit of positions was reached",
    ReasonCode.MAX_ORDER: "the limit per order left too little",
    ReasonCode.MAX_EXPOSURE: "the limit of exposure left too little",
    ReasonCode.MAX_SYMBOL: "the limit per symbol left too little",
    ReasonCode.MASTER_SHARE: "the master's share of the equity left too little",
    ReasonCode.INSUFFICIENT_FUNDS: "the cash of the account left too little",
    ReasonCode.MASTER_EQUITY_UNKNOWN: "the master's equity was not known",
    ReasonCode.MASTER_CASH_UNKNOWN: "the master's cash was not known",
    ReasonCode.NO_RATIO: "no ratio to the master could be taken",
    ReasonCode.NOT_TRADED: "the venue does not trade the pair",
    ReasonCode.PAIR_RESTRICTED: "the venue took no entries on the pair",
    ReasonCode.BELOW_MINIMUM: "below the venue's minimum",
    ReasonCode.PRICE_UNKNOWN: "no price was known",
    ReasonCode.PRICE_TOO_HIGH: "the price had risen too far",
    ReasonCode.VENUE_FUNDS: "the venue refused it: too little cash or coins",
    ReasonCode.VENUE_MINIMUM: "the venue refused it: below its minimum",
    ReasonCode.VENUE_PRECISION: "the venue refused it: too many decimals",
    ReasonCode.VENUE_HALTED: "the venue took no such orders",
    ReasonCode.VENUE_KEY: "the venue refused the API key",
    ReasonCode.VENUE_OTHER: "the venue refused it",
    ReasonCode.STALE: "too late: older than the user accepts",
    ReasonCode.FUTURE_FILL: "the fill was dated in the future",
    ReasonCode.CLOCK: "the host's clock was wrong",
    ReasonCode.MIRRORED: "mirrored: the order has no outcome yet",
    ReasonCode.MASTER_SILENT: "the master's orders had not been seen for too long",
    ReasonCode.ENDED_AT_VENUE: "the order was ended at the venue",
    ReasonCode.EXIT_FIRST: "an exit sold it first",
    ReasonCode.NOT_REACHED: "mirrored: the master's order filled, the user's did not",
    ReasonCode.STOP_LOSS: "stop loss",
    ReasonCode.TRAILING: "trailing stop",
    ReasonCode.TAKE_PROFIT: "take profit",
    ReasonCode.MAX_HOLD: "held for the longest time allowed",
    ReasonCode.STOP_OUT: "stop-out",
    ReasonCode.ON_LEAVE: "the user left",
    ReasonCode.FLATTEN: "flattened by the kill switch",
    ReasonCode.ORDER_UNRESOLVED: "another order of the symbol was unresolved",
    ReasonCode.FUNDS_CHANGED: "decided before the account changed between paper and real money",
    ReasonCode.ORDER_MALFORMED: "the decision lacked what it needs",
    ReasonCode.SETTLED_BY_HAND: "settled by an operator",
    ReasonCode.DECISION_FAILED: "the decision failed",
}


def line_words(line: str) -> str:
    """Return the label of a line; a code of another version stands for itself."""
    return LINES.get(line, line.replace("_", " "))
