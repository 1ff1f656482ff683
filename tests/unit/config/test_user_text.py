"""Settings that are kept for when a file is bad or gone come back as they were (case F2)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from shared.config.users.file import UserFile
from shared.config.users.text import read_settings, write_settings
from shared.domain.limits.policy import OnJoin, OnLeave, SizingMode

_PERCENT = st.one_of(st.none(), st.integers(1, 100), st.decimals(Decimal("0.01"), 100, places=2))
_LASTING = st.one_of(st.none(), st.integers(1, 10_000), st.sampled_from(["500ms", "36h", "7d"]))


_SYMBOLS: list[dict[str, object]] = [
    {},
    {"include": ["BTC/USD", "ETH/USD"], "map": {"BTC/USD": "BTC/USDC"}},
    {"exclude": ["SOL/USD"]},
]


_PLACES: list[dict[str, object]] = [
    {"venues": ["kraken"]},
    {"venues": ["coinbase", "kraken"]},
    {"venues": ["coinbase"], "follow": {"kraken": "coinbase"}},
    {"venues": ["coinbase", "kraken"], "follow": {"kraken": "coinbase", "coinbase": "none"}},
]


_STAGES: list[object] = [
    {},
    "shadow",
    0.25,
    {"start": 1},
    {"start": "shadow", "auto": True},
    {
        "start": 0.05,
        "max": 0.25,
        "auto": True,
        "trades": 7,
        "max_tracking_bps": 12.5,
        "faults": 2,
        "fault_window": "10m",
    },
]


@st.composite
def user_files(draw: st.DrawFn) -> UserFile:
    """Draw a whole file that can be used."""
    mode, daily = draw(st.sampled_from(SizingMode)), draw(_PERCENT)
    limits = {
        "max_order_pct": draw(_PERCENT),
        "max_positions": draw(st.none() | st.integers(1, 9)),
        "daily_loss_pct": daily,
        "on_stop_out": None if daily is None else draw(st.sampled_from(["close_all", "block_entries"])),
        "stop_out_lasts": None if daily is None else draw(_LASTING),
    }
    exits = {
        "stop_loss_pct": draw(st.just("off") | st.integers(1, 100)),
        "trailing_pct": draw(_PERCENT),
        "max_hold": draw(_LASTING),
    }
    sizing = {
        "mode": mode,
        "multiplier": draw(st.decimals(Decimal("0.001"), 100, places=3)),
        "quote_amount": draw(st.integers(1, 10**6)) if mode is SizingMode.FIXED_QUOTE else None,
    }
    return UserFile.model_validate(
        {
            "enabled": draw(st.booleans()),
            **draw(st.sampled_from([{"paper": True}, {"stage": "paper"}, *({"stage": each} for each in _STAGES)])),
            **draw(st.sampled_from(_PLACES)),
            "on_join": draw(st.sampled_from(OnJoin)),
            "on_leave": draw(st.sampled_from(OnLeave)),
            "guards": {"max_signal_age": draw(st.integers(1, 3600))},
            "symbols": draw(st.sampled_from(_SYMBOLS)),
            **{name: _set(section) for name, section in {"sizing": sizing, "limits": limits, "exits": exits}.items()},
        }
    )


def _set(section: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in section.items() if value is not None}


@given(user_files())
def test_kept_settings_come_back_as_they_were(file: UserFile) -> None:
    policy = file.policy("alice")
    assert read_settings("alice", write_settings(policy)) == policy


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"enabld": true}', '{"enabled": 5}', "[" * 5000])
def test_what_this_version_cannot_read_is_nothing(text: str) -> None:
    assert read_settings("alice", text) is None


def test_every_setting_of_a_file_is_kept() -> None:
    """A setting that is added to the file and not written would be lost: its default would come back."""
    with pytest.raises(ValidationError):
        UserFile.model_validate({"unknown": 1})
    sections = {name: field.annotation for name, field in UserFile.model_fields.items()}
    written = write_settings(UserFile(group="eu-1").policy("alice"))
    for name in sections:
        assert f'"{name}"' in written
