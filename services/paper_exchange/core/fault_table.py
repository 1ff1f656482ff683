"""The names of all faults, and where in the processing of a request each one acts.

BEFORE     before the venue has read the request: it is never processed
REFUSE     instead of the venue's own check of the same kind; nothing is processed
DELAY      authenticated on arrival, then kept waiting, then processed
AFTER      processed; the answer to the client is corrupted
EFFECT     changes what processing does or what queries show
CONDITION  a state of the venue, as long as the switch is on
STREAM     changes what a WebSocket connection does; its `method` is a channel (`executions`, `user`, `ticker`)
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

ORDERS: Final = frozenset({"AddOrder", "CreateOrder"})
QUERIES: Final = frozenset({"OpenOrders", "ClosedOrders", "QueryOrders", "GetOrder", "ListOrders"})
STREAMS: Final = frozenset({"executions", "balances", "user"})
"""The private channels. A public one is struck only by a fault that names it."""


class Stage(Enum):
    """Where a fault acts."""

    BEFORE = auto()
    REFUSE = auto()
    DELAY = auto()
    AFTER = auto()
    EFFECT = auto()
    CONDITION = auto()
    STREAM = auto()


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One row: the stage, the methods it concerns by default (none = all private ones), its own duration, its venue.

    `seconds` is that duration (the delay, how long an order is invisible); 0 means that it has none, and `seconds` in a
    request then says how long the switch stays on. An empty `venue` is every venue; a fault never fires at another one.
    """

    stage: Stage
    methods: frozenset[str] = frozenset()
    seconds: float = 0.0
    venue: str = ""


def _all(stage: Stage, *names: str, venue: str = "") -> dict[str, FaultSpec]:
    return {name: FaultSpec(stage, venue=venue) for name in names}


# Of the paper Coinbase alone, where they act on the wire (coinbase/wire_faults.py) or on what the venue says of itself.
_COINBASE_WIRE: Final[dict[str, FaultSpec]] = {
    **_all(Stage.BEFORE, "http_429_html", "http_503_go_sg", venue="coinbase"),
    **_all(Stage.REFUSE, "unauthorized_burst", venue="coinbase"),
    **_all(
        Stage.CONDITION,
        "throttled_with_401",
        "trade_permission_lost",
        "portfolio_switched",
        "product_disabled",
        "product_cancel_only",
        "product_limit_only",
        "product_post_only",
        "product_trading_disabled",
        "product_auction_mode",
        "product_view_only",
        "product_offline",
        venue="coinbase",
    ),
    "clock_ahead": FaultSpec(Stage.CONDITION, seconds=30.0, venue="coinbase"),
    "clock_behind": FaultSpec(Stage.CONDITION, seconds=30.0, venue="coinbase"),
}


# Of the paper Coinbase alone, where they act on orders (coinbase/orders/).
_COINBASE_ORDERS: Final[dict[str, FaultSpec]] = {
    "accepted_then_failed": FaultSpec(Stage.EFFECT, ORDERS, venue="coinbase"),
    "pending_for": FaultSpec(Stage.EFFECT, ORDERS, seconds=3.0, venue="coinbase"),
    "replay_says_duplicate": FaultSpec(Stage.EFFECT, ORDERS, venue="coinbase"),
    "fills_late": FaultSpec(Stage.EFFECT, ORDERS, seconds=3.0, venue="coinbase"),
    "fills_listed_late": FaultSpec(Stage.EFFECT, ORDERS, seconds=3.0, venue="coinbase"),
    "alias_in_fills": FaultSpec(Stage.EFFECT, frozenset({"ListFills"}), venue="coinbase"),
}


# Of the streams of both venues. Each strikes an update or a heartbeat, where nothing else is said.
_STREAMS: Final[dict[str, FaultSpec]] = {
    "stream_cut": FaultSpec(Stage.STREAM, STREAMS),  # no close frame
    "stream_close": FaultSpec(Stage.STREAM, STREAMS),  # code 1000
    "stream_refused_1008": FaultSpec(Stage.STREAM, STREAMS, venue="kraken"),  # at a subscription
    "stream_silence": FaultSpec(Stage.STREAM, STREAMS, seconds=3600.0),  # open, and nothing comes
    "stream_gap": FaultSpec(Stage.STREAM, STREAMS),  # an update is left out: the sequence skips
    "stream_repeat": FaultSpec(Stage.STREAM, STREAMS),  # the rows of an update come again, in the next message
    "stream_reorder": FaultSpec(
        Stage.STREAM, STREAMS
    ),  # an update's rows come after those of the next; the sequence is in order
    "stream_lag": FaultSpec(Stage.STREAM, STREAMS, seconds=2.0),
    "stream_snapshot_in_batches": FaultSpec(Stage.STREAM, STREAMS),  # at a subscription
    "stream_token_refused": FaultSpec(Stage.STREAM, STREAMS),  # at a subscription
    "stream_connect_429": FaultSpec(Stage.STREAM),  # at the handshake, which has no user yet
    "stream_row_before_reply": FaultSpec(Stage.AFTER, ORDERS, seconds=0.5),  # the answer waits; the stream does not
    "stream_trade_partially_filled": FaultSpec(Stage.STREAM, STREAMS, venue="kraken"),
    "stream_trade_without_client_id": FaultSpec(Stage.STREAM, STREAMS, venue="kraken"),
}


# Of the streams of the paper Coinbase alone (coinbase/streams/).
_COINBASE_STREAMS: Final[dict[str, FaultSpec]] = {
    "stream_two_fills_in_one_row": FaultSpec(Stage.STREAM, STREAMS, venue="coinbase"),  # a fill comes with the next row
    "stream_without_client_id": FaultSpec(Stage.STREAM, STREAMS, venue="coinbase"),  # of messages, as the schema has it
}


FAULTS: Final[dict[str, FaultSpec]] = {
    **_all(Stage.BEFORE, "drop_before_process", "http_429", "http_502", "http_503", "http_520"),
    "hang": FaultSpec(Stage.BEFORE, seconds=3600.0),
    "html_error_page_before_accept": FaultSpec(Stage.BEFORE),
    **_all(
        Stage.REFUSE,
        "key_revoked_mid_run",
        "rate_limited",
        "too_many_requests",
        "permission_denied",
        "unavailable_before_accept",
        "refused_with",
    ),
    **_all(
        Stage.REFUSE,
        "temporary_lockout",
        "invalid_nonce_burst",
        "order_rate_limited",
        "throttled",
        "account_disabled",
        "busy",
        venue="kraken",
    ),
    "delay_beyond_timeout_then_processed": FaultSpec(Stage.DELAY, ORDERS, seconds=12.0),
    "processed_then_reply_dropped": FaultSpec(Stage.AFTER, ORDERS),
    "502_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "html_error_page": FaultSpec(Stage.AFTER, ORDERS),
    "truncated_json": FaultSpec(Stage.AFTER, ORDERS),
    "unavailable_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "internal_error_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "fails_with_after_accept": FaultSpec(Stage.AFTER, ORDERS),
    "warning": FaultSpec(Stage.AFTER, ORDERS, venue="kraken"),
    "response_moves_order_id": FaultSpec(Stage.AFTER, ORDERS),
    "duplicate_delivery": FaultSpec(Stage.AFTER, ORDERS),
    "slow_reply": FaultSpec(Stage.AFTER, seconds=5.0),
    "order_invisible_for_3s": FaultSpec(Stage.EFFECT, ORDERS, seconds=3.0),
    "partial_fill": FaultSpec(Stage.EFFECT, ORDERS, seconds=2.0),
    "partial_fill_then_cancel": FaultSpec(Stage.EFFECT, ORDERS),
    "fill_during_cancel": FaultSpec(Stage.EFFECT, frozenset({"CancelOrder", "CancelOrders"})),
    "balance_lags_fill": FaultSpec(Stage.EFFECT, seconds=3.0),
    "stale_open_orders": FaultSpec(Stage.EFFECT, frozenset({"OpenOrders", "ListOrders"}), seconds=5.0),
    "order_status_unknown": FaultSpec(Stage.EFFECT, QUERIES),
    "volume_in_quote": FaultSpec(Stage.EFFECT, QUERIES, venue="kraken"),
    "row_without_type": FaultSpec(Stage.EFFECT, frozenset({"ClosedOrders"}), venue="kraken"),
    "other_spellings": FaultSpec(Stage.EFFECT, venue="kraken"),
    "error_with_result": FaultSpec(Stage.EFFECT, venue="kraken"),
    **_all(
        Stage.CONDITION,
        "ordermin_raised_mid_run",
        "precision_change",
        "pair_halted",
        "pair_not_listed",
        "cancel_only_mode",
        "post_only_mode",
        "maintenance_mode",
    ),
    **_COINBASE_WIRE,
    **_COINBASE_ORDERS,
    **_STREAMS,
    **_COINBASE_STREAMS,
    "fee_in_base": FaultSpec(Stage.EFFECT, ORDERS, venue="kraken"),
}

# Faults that answer with the error string that they were armed with.
WITH_ERROR_TEXT: Final = frozenset({"refused_with", "fails_with_after_accept", "warning"})

# Faults whose answer comes late, and whole.
DELAYED_REPLIES: Final = frozenset({"slow_reply", "stream_row_before_reply"})

# Faults that strike before it is known whose connection it is.
WITHOUT_USER: Final = frozenset({"stream_connect_429"})
