"""The faults of a chaos run at Coinbase.

Left out are what ends or parks a key by design (`key_revoked_mid_run`, `permission_denied`, `trade_permission_lost`,
`portfolio_switched`, `throttled_with_401`) and what is the whole venue's until it is turned off (`clock_ahead`, `clock_behind`).
"""

from __future__ import annotations

from typing import Final

from tests.chaos.harm.ailment import Ailment, condition
from tests.chaos.harm.at_streams import STREAMS

REFUSED_TOKEN: Final = "unauthorized_burst"  # the name of a fault
_PLACES: Final = "CreateOrder"
_LOST_REPLIES: Final = (
    Ailment("processed_then_reply_dropped", 10),
    Ailment("502_after_accept", 10),
    Ailment("html_error_page", 8),
    Ailment("truncated_json", 8),
    Ailment("unavailable_after_accept", 8),
    Ailment("internal_error_after_accept", 8),
    Ailment("fails_with_after_accept", 4, error="DUPLICATE_CLIENT_ORDER_ID"),
    Ailment("response_moves_order_id", 4),
    Ailment("slow_reply", 3, most=2, seconds=6.0, method=_PLACES),
    Ailment("slow_reply", 3, most=3, seconds=1.5),
    Ailment("delay_beyond_timeout_then_processed", 3, most=2, seconds=8.5),
    Ailment("delay_beyond_timeout_then_processed", 3, most=2, seconds=5.5),
    Ailment("delay_beyond_timeout_then_processed", 3, most=2, seconds=3.0),
)
"""A token lives for the time-out and two seconds: what is held up for 8.5 s comes too late, for 5.5 s it is taken unseen."""
_NEVER_HAPPENED: Final = (
    Ailment("drop_before_process", 4, most=3, method=_PLACES),
    Ailment("drop_before_process", 4),
    Ailment("http_502", 4),
    Ailment("http_503", 3),
    Ailment("http_503_go_sg", 3),
    Ailment("http_520", 3),
    Ailment("http_429", 3, most=3),
    Ailment("http_429_html", 3, most=3),
    Ailment("html_error_page_before_accept", 3),
    Ailment("unavailable_before_accept", 5),
    Ailment("rate_limited", 4, most=3),
    Ailment(REFUSED_TOKEN, 5, most=2),
)
_ODD_ANSWERS: Final = (
    Ailment("accepted_then_failed", 6, most=3),
    Ailment("pending_for", 6, most=4, seconds=3.0),
    Ailment("fills_late", 5, most=4, seconds=3.0),
    Ailment("replay_says_duplicate", 8),
    Ailment("duplicate_delivery", 6),
    Ailment("order_invisible_for_3s", 6, most=4),
    Ailment("partial_fill", 4, most=4),
    Ailment("partial_fill_then_cancel", 6),
    Ailment("balance_lags_fill", 6),
    Ailment("stale_open_orders", 3, most=3),
    Ailment("order_status_unknown", 5),
    Ailment("alias_in_fills", 3),
)
_CONDITIONS: Final = (
    condition("pair_halted", 3.0, of_a_pair=True),
    condition("product_disabled", 3.0, of_a_pair=True),
    condition("product_cancel_only", 3.0, of_a_pair=True),
    condition("product_limit_only", 3.0, of_a_pair=True),
    condition("product_auction_mode", 3.0, of_a_pair=True),
    condition("product_trading_disabled", 3.0, of_a_pair=True),
    condition("cancel_only_mode", 2.0),
    condition("maintenance_mode", 2.0),
    condition("ordermin_raised_mid_run", 3.0, of_a_pair=True),
    condition("precision_change", 3.0, of_a_pair=True, counted=False),
)
_OWN_STREAMS: Final = (
    Ailment("stream_two_fills_in_one_row", 2),
    Ailment("stream_without_client_id", 2),
)
AILMENTS: Final = (*_LOST_REPLIES, *_NEVER_HAPPENED, *_ODD_ANSWERS, *_CONDITIONS, *STREAMS, *_OWN_STREAMS)
