"""The price feed on real processes: one stream per venue for all executors, and exits by price however that stream ends."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from shared.contracts import keys
from tests.support.paper_control import WORDS
from tests.support.processes import wait_for
from tests.support.stack import Stack

EACH_VENUE: Final = pytest.mark.parametrize("venue", list(WORDS))
USERS: Final = ("alice", "bob", "carol")


def _price_streams(stack: Stack) -> list[Any]:
    """Return the open streams with prices."""
    return [row for row in stack.get("/paper/streams")["open"] if "ticker" in row["channels"]]


def _published(stack: Stack, price: str) -> bool:
    written = stack.client.hget(keys.prices(stack.venue), "BTC/USD")
    return str(written or "").startswith(f"{price} ")


@EACH_VENUE
def test_one_stream_serves_all_executors_and_its_loss_costs_no_exit(tmp_path: Path, venue: str) -> None:
    with Stack(tmp_path, list(USERS), venue=venue) as stack:
        for user in USERS:
            stack.open_account(user, USD=5000, BTC=1)
        stack.write_user("alice", "[exits]\nstop_loss_pct = 2\n")
        stack.write_user("bob", "[exits]\nstop_loss_pct = 5\n")
        stack.write_user("carol", "[exits]\nstop_loss_pct = 10\n")
        stack.price("BTC/USD", "60000")
        for user in USERS:
            stack.executor([user])
        stack.engine()
        stack.wait_ready(*USERS)
        assert _price_streams(stack) == []  # nothing is held, so nothing is streamed
        stack.signal()
        for user in USERS:
            assert stack.wait_reports(user, 1)[0]["outcome"] == "filled"
        wait_for(lambda: len(_price_streams(stack)) == 1, 30, "what is held is streamed")

        stack.price("BTC/USD", "58500")
        assert stack.wait_reports("alice", 2)[1]["reason"].startswith("stop_loss: 58500 USD")
        assert len(_price_streams(stack)) == 1

        stack.fault("stream_silence", method="ticker", count=1, seconds=600)
        stack.price("BTC/USD", "56500")  # which the stream does not show
        assert stack.wait_reports("bob", 2)[1]["reason"].startswith("stop_loss: 56500 USD")
        wait_for(partial(_published, stack, "56500"), 30, "REST has it")

        stack.fault("stream_cut", method="ticker", count=1)
        stack.price("BTC/USD", "53000")
        assert stack.wait_reports("carol", 2)[1]["reason"].startswith("stop_loss: 53000 USD")
        wait_for(lambda: len(_price_streams(stack)) <= 1, 30, "no connection is left behind")
