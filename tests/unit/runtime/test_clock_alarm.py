"""A host's clock that is wrong is reported as it changes, stops entries when it is far off, and is reported as over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from shared.domain.fault import Fault, FaultKind, Faults
from shared.domain.values.clock_offset import ClockOffset
from shared.runtime.clock_alarm import ClockAlarm


@dataclass
class _Host:
    """A host whose offset the test sets."""

    ms: int | None = 0
    uncertainty_ms: int = 50
    faults: Faults = field(default_factory=Faults)

    def offset(self) -> ClockOffset | None:
        return None if self.ms is None else ClockOffset("kraken", self.ms, self.uncertainty_ms)

    @property
    def fault(self) -> Fault | None:
        return next(iter(self.faults.standing), None)


@pytest.fixture
def log() -> Iterator[list[EventDict]]:
    with capture_logs() as captured:
        yield captured


def test_an_offset_is_reported_above_a_second_and_stops_entries_above_five(log: list[EventDict]) -> None:
    host = _Host()
    alarm = ClockAlarm(host.faults, host.offset)
    for ms in (0, 900, -900, 1_000):
        host.ms = ms
        assert alarm.refusal() == ""
        assert host.fault is None
    host.ms = 1_100
    assert alarm.refusal() == ""
    assert host.fault is not None
    assert (host.fault.kind, host.fault.subject, host.fault.blocks) == (FaultKind.CLOCK, "kraken", False)
    host.ms = -6_200
    assert "this host's clock is 6.2 s behind kraken's; orders use kraken's time" in alarm.refusal()
    assert (host.fault.blocks, "no entry is sent" in host.fault.reason) == (True, True)
    host.ms = 0
    assert alarm.refusal() == ""
    assert host.fault is None
    assert [entry["log_level"] for entry in log] == ["warning", "warning", "info"]


def test_only_what_is_sure_counts(log: list[EventDict]) -> None:
    host = _Host(ms=6_000, uncertainty_ms=5_500)
    alarm = ClockAlarm(host.faults, host.offset)
    assert alarm.refusal() == ""
    assert host.fault is None
    host.ms = None
    assert alarm.look() is None
    assert log == []


def test_a_clock_at_a_limit_is_not_told_of_again_and_again(log: list[EventDict]) -> None:
    host = _Host(uncertainty_ms=0)
    alarm = ClockAlarm(host.faults, host.offset)
    for ms in (5_010, 4_990, 5_010, 4_990):
        host.ms = ms
        assert alarm.refusal() != ""
    assert len(log) == 1
    host.ms = 3_900
    assert alarm.refusal() == ""
    assert host.fault is not None
    assert len(log) == 2
