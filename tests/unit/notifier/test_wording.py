"""What leaves this machine in a message: short, and without secrets and whole ids."""

from __future__ import annotations

from datetime import UTC, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from services.notifier.rules.quiet import last_due, moment
from services.notifier.rules.wording import Words, lasted, shorten
from shared.config.settings import Mode

_ID = "0b5d2c1e-1111-5222-8333-123456789abc"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"order {_ID} is unknown", "order 0b5d2c1e is unknown"),
        ("see https://user:pass@host/hook?token=1", "see [address]"),
        ("key AbCdEf0123456789AbCdEf0123456789 refused", "key AbCdEf… refused"),
        ("two\nlines\tand \x1b[31mred", "two lines and [31mred"),
        ("KRAKEN_USER_BOB_API_KEY is blank", "KRAKEN_USER_BOB_API_KEY is blank"),
        ("shoal:orders:{alice} 0.001 BTC/USD", "shoal:orders:{alice} 0.001 BTC/USD"),
    ],
)
def test_what_others_wrote_is_shortened(text: str, expected: str) -> None:
    assert shorten(text) == expected


def test_a_long_reason_is_cut() -> None:
    assert len(shorten("word " * 200)) == 300


def test_live_is_in_the_title() -> None:
    assert Words(Mode.LIVE, UTC).title("x") == "LIVE Shoal: x"


@pytest.mark.parametrize(
    ("ms", "words"),
    [(-5, "0 s"), (40_000, "40 s"), (720_000, "12 min"), (11_100_000, "3 h 5 min"), (187_200_000, "2 d 4 h")],
)
def test_durations(ms: int, words: str) -> None:
    assert lasted(ms) == words


def test_instants_are_in_the_zone_of_the_settings() -> None:
    assert moment(1_795_780_800_000, timezone(timedelta(hours=1), "CET")) == "2026-11-27 13:00 CET"


def test_the_hour_of_the_summary_follows_local_time_through_a_change_of_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    noon_in_summer, noon_in_winter = 1_792_836_000_000, 1_792_926_000_000  # 2026-10-24 10:00, 2026-10-25 11:00 UTC
    day = last_due(time(12, 0), berlin, noon_in_winter) - last_due(time(12, 0), berlin, noon_in_summer)
    assert day == 25 * 3_600_000
    assert last_due(time(12, 0), berlin, noon_in_winter - 1) == noon_in_summer
