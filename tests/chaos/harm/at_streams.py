"""The faults of private streams in a chaos run, which both venues have; what only one has is in its own table.

Left out is `stream_refused_1008`: a client that is unwelcome stays away for a quarter of an hour, and is polled.
"""

from __future__ import annotations

from typing import Final

from tests.chaos.harm.ailment import Ailment

STREAMS: Final = (
    Ailment("stream_cut", 6),
    Ailment("stream_close", 3),
    Ailment("stream_silence", 2, most=2, seconds=12.0),
    Ailment("stream_gap", 6),
    Ailment("stream_repeat", 5),
    Ailment("stream_reorder", 5),
    Ailment("stream_lag", 4, seconds=2.0),
    Ailment("stream_row_before_reply", 5, seconds=0.5),
    Ailment("stream_snapshot_in_batches", 2),
    Ailment("stream_token_refused", 2, most=2),
    Ailment("stream_connect_429", 1, most=2),
)
