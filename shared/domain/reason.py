"""Reason codes: why something was not done, as one stable word beside the sentence for people.

Programs count and compare codes, never sentences. The words are part of the wire contract (`code` of orders and reports): a word
is never reused for another meaning. Readers must accept words that they do not know, because other versions write them.
"""

from __future__ import annotations

from enum import StrEnum


class ReasonCode(StrEnum):
    """One line of meaning per code, grouped by what has to change before the next signal is copied."""

    # the user's settings
    SETTINGS_UNUSABLE = (
        "settings_unusable"  # the user's file cannot be used, or lacks a value that its sizing mode needs
    )
    DISABLED = "disabled"  # the user is disabled, and at most exits are followed
    VENUE_NOT_FOLLOWED = "venue_not_followed"  # the signal's master is copied on none of the user's venues (`follow`)
    FOLLOW_CHANGED = "follow_changed"  # `follow` was changed, and what was copied before keeps it from taking effect
    SHADOW = "shadow"  # stage "shadow": the venue would have taken the order; it was only checked
    SHADOW_REFUSED = "shadow_refused"  # stage "shadow": the venue would have refused the order
    STAGE_CHANGED = "stage_changed"  # decided for a higher stage than the user's file allows now
    SYMBOL_FILTERED = "symbol_filtered"  # `symbols.include` or `symbols.exclude` leaves the symbol out

    # the operator
    KILL_SWITCH = "kill_switch"  # pause, close_only, flatten or halt is set for all, for the user or for the symbol

    # the user's account
    NOT_CONNECTED = "not_connected"  # no executor has connected the account yet
    PARKED = "parked"  # the account cannot trade now
    BALANCE_UNKNOWN = "balance_unknown"  # equity or cash has not been read
    BALANCE_TOO_OLD = "balance_too_old"  # the balance was read too long ago to size an entry by it
    KEY_UNCHECKED = "key_unchecked"  # the API key has not passed its check (`ops doctor`) within the last 24 h
    RECORD_UNREADABLE = "record_unreadable"  # a record in Redis that a limit needs cannot be read
    CURRENCY_MISMATCH = "currency_mismatch"  # the pair is paid in another currency than the account's cash
    NO_RATE = "no_rate"  # two currencies have to be compared and no rate between them is known
    NOTHING_HELD = "nothing_held"  # an exit finds nothing that was bought by copying
    DUST = "dust"  # what an exit would sell is below the venue's minimum

    # the user's limits and funds
    STOPPED_OUT = "stopped_out"  # a loss has stopped entries for now
    MAX_TRADES = "max_trades"  # limits.max_trades_per_day is reached
    MAX_POSITIONS = "max_positions"  # limits.max_positions is reached
    MAX_ORDER = "max_order"  # limits.max_order_pct or limits.max_order_quote leaves less than the venue's minimum
    MAX_EXPOSURE = "max_exposure"  # limits.max_exposure_pct leaves less than the venue's minimum
    MAX_SYMBOL = "max_symbol"  # limits.max_symbol_pct leaves less than the venue's minimum
    MASTER_SHARE = "master_share"  # follow.<master>.share_pct leaves less than the venue's minimum
    INSUFFICIENT_FUNDS = "insufficient_funds"  # the account's cash leaves less than the venue's minimum

    # the master's account
    MASTER_EQUITY_UNKNOWN = "master_equity_unknown"  # the master's equity is not fully known, or was read too long ago
    MASTER_CASH_UNKNOWN = "master_cash_unknown"  # the sizing mode `cash` needs the master's cash, which is not known
    NO_RATIO = "no_ratio"  # the master's equity or cash is not positive

    # the venue and the market
    NOT_TRADED = "not_traded"  # the venue does not list the pair
    PAIR_RESTRICTED = "pair_restricted"  # the venue lists the pair, but takes no new entries on it now
    BELOW_MINIMUM = "below_minimum"  # the user's share of the entry is below the venue's minimum
    PRICE_UNKNOWN = "price_unknown"  # no price is known, or only one that is too old
    PRICE_TOO_HIGH = "price_too_high"  # the price is further above the master's than the user accepts

    # the venue's refusal of an order
    VENUE_FUNDS = "venue_funds"  # the account has too little for it
    VENUE_MINIMUM = "venue_minimum"  # it is below the venue's minimum
    VENUE_PRECISION = "venue_precision"  # price or size has too many decimals: our facts about the pair are old
    VENUE_HALTED = "venue_halted"  # the venue or the pair takes no such orders now
    VENUE_KEY = "venue_key"  # the key is refused, locked out, or used by another program
    VENUE_OTHER = "venue_other"  # refused in words that belong to no family

    # time
    STALE = "stale"  # an entry is past the age that the user accepts
    FUTURE_FILL = "future_fill"  # the master's fill is dated in the future: a clock is wrong
    CLOCK = "clock"  # this host's clock is too far from the venue's to judge an entry's age

    # mirrored orders (`orders = "mirror"`)
    MIRRORED = "mirrored"  # the master's order is mirrored for the user: its fills are not copied one by one
    COPIED_BY_FILLS = "copied_by_fills"  # the master's order had filled before it was mirrored: its fills are copied
    MASTER_CANCELLED = "master_cancelled"  # the master's order ended, and nothing had filled
    MASTER_SILENT = "master_silent"  # the master's open orders have not been seen for too long
    ENDED_AT_VENUE = (
        "ended_at_venue"  # the user's order ended at the venue, by hand or by the venue, before the master's did
    )
    EXIT_FIRST = "exit_first"  # an exit sold what a mirrored sale was holding
    NOT_REACHED = "not_reached"  # the master's order filled, the user's did not, and it was too late to catch up

    # joining what the master has open
    POSITION_INCREASED = "position_increased"  # the master has added to the position since, by a signal of its own
    ALREADY_HELD = "already_held"  # the user holds the asset from copying already
    HISTORY_INCOMPLETE = "history_incomplete"  # the signals by which the master opened the position are no longer there

    # the user's own exits: the rule that closed the position
    STOP_LOSS = "stop_loss"
    TRAILING = "trailing"
    TAKE_PROFIT = "take_profit"
    MAX_HOLD = "max_hold"
    STOP_OUT = "stop_out"  # a stop-out with `on_stop_out = "close_all"`
    ON_LEAVE = "on_leave"  # the user was disabled with `on_leave = "close_now"`
    FLATTEN = "flatten"  # the kill switch `flatten`

    # Shoal itself
    ORDER_UNRESOLVED = "order_unresolved"  # another order of the symbol has no proven end yet
    FUNDS_CHANGED = "funds_changed"  # it was decided before the account went over to paper or real money
    ORDER_MALFORMED = "order_malformed"  # a decision to copy lacks what it needs
    SETTLED_BY_HAND = "settled_by_hand"  # an operator's word stands for the venue's record
    DECISION_FAILED = "decision_failed"  # an error while deciding: never an order
    RECALLED = (
        "recalled"  # Redis lost the decision to copy and a skip replaced it, but the venue had taken the order before
    )
