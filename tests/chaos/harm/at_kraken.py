"""The faults of a chaos run at Kraken.

Left out are `temporary_lockout`, `key_revoked_mid_run`, and what parks an account by design (`permission_denied`,
`account_disabled`).
"""

from __future__ import annotations

from typing import Final

from tests.chaos.harm.ailment import Ailment, condition
from tests.chaos.harm.at_streams import STREAMS

REFUSED_NONCE: Final = "invalid_nonce_burst"
_LOST_REPLIES: Final = (
    Ailment("processed_then_reply_dropped", 10),
    Ailment("502_after_accept", 10),
    Ailment("html_error_page", 8),
    Ailment("truncated_json", 8),
    Ailment("unavailable_after_accept", 8),
    Ailment("internal_error_after_accept", 8),
    Ailment("fails_with_after_accept", 4, error="EService:Timeout"),
    Ailment("response_moves_order_id", 4),
    Ailment("slow_reply", 3, most=2, seconds=6.0, method="AddOrder"),
    Ailment("slow_reply", 3, most=3, seconds=1.5),
    Ailment("delay_beyond_timeout_then_processed", 3, most=2, seconds=5.5),
    Ailment("delay_beyond_timeout_then_processed", 3, most=2, seconds=3.0),
)
_NEVER_HAPPENED: Final = (
    Ailment("drop_before_process", 4, most=3, method="AddOrder"),
    Ailment("drop_before_process", 4),
    Ailment("http_502", 4),
    Ailment("http_503", 4),
    Ailment("http_520", 3),
    Ailment("http_429", 3, most=3),
    Ailment("html_error_page_before_accept", 3),
    Ailment("unavailable_before_accept", 5),
    Ailment("busy", 4),
    Ailment("rate_limited", 4, most=3),
    Ailment("order_rate_limited", 3, most=3, method="AddOrder"),
    Ailment("throttled", 3, most=2),
    Ailment("too_many_requests", 2, most=3),
    Ailment(REFUSED_NONCE, 5, most=1),
)
_ODD_ANSWERS: Final = (
    Ailment("duplicate_delivery", 6),
    Ailment("order_invisible_for_3s", 6, most=4),
    Ailment("partial_fill", 4, most=4),
    Ailment("partial_fill_then_cancel", 6),
    Ailment("balance_lags_fill", 6),
    Ailment("stale_open_orders", 3, most=3),
    Ailment("order_status_unknown", 5),
    Ailment("other_spellings", 2),
    Ailment("error_with_result", 2),
    Ailment("warning", 3, error="WGeneral:Danger"),
)
_CONDITIONS: Final = (
    condition("pair_halted", 3.0, 2, of_a_pair=True),
    condition("cancel_only_mode", 2.0),
    condition("maintenance_mode", 2.0),
    condition("ordermin_raised_mid_run", 3.0, of_a_pair=True),
    condition("precision_change", 3.0, of_a_pair=True, counted=False),
)
_OWN_STREAMS: Final = (
    Ailment("stream_trade_partially_filled", 2),
    Ailment("stream_trade_without_client_id", 2),
)
AILMENTS: Final = (*_LOST_REPLIES, *_NEVER_HAPPENED, *_ODD_ANSWERS, *_CONDITIONS, *STREAMS, *_OWN_STREAMS)
