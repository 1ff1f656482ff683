"""The equity curve: what is written each minute, what is left out, what is kept, and how it is read."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.equity_samples import EquitySamples
from shared.contracts import keys
from shared.contracts.equity_sample import EquitySample
from shared.ledger.performance.equity import read_curve, read_curves

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
START: Final = 1_763_827_200_000
"""A full hour."""


def sample(equity: str = "1000", profit: str = "0") -> EquitySample:
    """Return a sample."""
    return EquitySample.of(currency="USD", equity=Decimal(equity), cash=Decimal(5), pnl=Decimal(profit))


async def _count(bus: Bus, step: str) -> int:
    return int(await bus.do("XLEN", keys.equity("alice", "kraken", step)))


async def test_a_minute_has_one_sample_and_the_first_stands(bus: Bus) -> None:
    samples = EquitySamples(bus, "alice", "kraken")
    assert samples.due(START)
    await samples.add(sample("1000"), START)
    assert not samples.due(START + MINUTE - 1)
    assert samples.due(START + MINUTE)
    successor = EquitySamples(bus, "alice", "kraken")  # a new process knows nothing of it
    assert await successor.add(sample("2000"), START + 5) == ""
    (point,) = await read_curve(bus, "alice", "kraken")
    assert (point.start, point.sample.equity) == (START, Decimal(1000))


async def test_a_process_that_was_frozen_writes_no_old_sample(bus: Bus) -> None:
    await EquitySamples(bus, "alice", "kraken").add(sample(), START + 2 * HOUR)
    assert await EquitySamples(bus, "alice", "kraken").add(sample("9"), START) == ""
    assert [point.sample.equity for point in await read_curve(bus, "alice", "kraken")] == [1000]


async def test_unchanged_amounts_are_written_hourly_only(bus: Bus) -> None:
    samples = EquitySamples(bus, "alice", "kraken")
    for minute in range(121):
        await samples.add(sample(), START + minute * MINUTE)
    assert [await _count(bus, step) for step in ("minute", "quarter", "hour")] == [1, 1, 3]
    await samples.add(sample("1001"), START + 121 * MINUTE)
    assert await _count(bus, "minute") == 2


async def test_each_resolution_is_kept_for_its_time(bus: Bus) -> None:
    samples = EquitySamples(bus, "alice", "kraken")
    end = START + 100 * DAY
    for number in range(0, 100 * 24, 6):
        at = START + number * HOUR
        await samples.add(sample(str(number + 1)), at)
    for number in range(300):
        at = end + number * MINUTE
        await samples.add(sample(str(number + 1)), at)
    for step, kept in (("minute", DAY), ("quarter", 7 * DAY), ("hour", 90 * DAY)):
        oldest = int(
            (await bus.do("XRANGE", keys.equity("alice", "kraken", step), "-", "+", "COUNT", 1))[0][0].split("-")[0]
        )
        assert oldest <= end + 300 * MINUTE - kept + 6 * HOUR, f"{step}: kept as long as promised"
        assert await _count(bus, step) < 1_000, f"{step}: bounded"


async def test_the_curve_has_the_finest_samples_of_each_span(bus: Bus) -> None:
    for step, starts in (
        ("hour", [START, START + HOUR, START + 2 * HOUR]),
        ("quarter", [START + HOUR, START + 2 * HOUR]),
        ("minute", [START + 2 * HOUR, START + 2 * HOUR + MINUTE]),
    ):
        for start in starts:
            fields = [part for pair in sample().fields().items() for part in pair]
            await bus.do("XADD", keys.equity("alice", "kraken", step), f"{start}-0", *fields)
    starts = [point.start for point in await read_curve(bus, "alice", "kraken")]
    assert starts == [START, START + HOUR, START + 2 * HOUR, START + 2 * HOUR + MINUTE]
    later = await read_curve(bus, "alice", "kraken", since=START + 2 * HOUR)
    assert [point.start for point in later] == starts[2:]
    assert await read_curves(bus, [("bob", "kraken")]) == [[]]


async def test_a_sample_that_cannot_be_read_is_left_out(bus: Bus) -> None:
    key = keys.equity("alice", "kraken", "minute")
    await bus.do("XADD", key, "5-0", "equity", "no amount")
    await EquitySamples(bus, "alice", "kraken").add(sample(), START)
    assert [point.start for point in await read_curve(bus, "alice", "kraken")] == [START]


async def test_a_key_of_another_type_is_reported_and_raises_nothing(bus: Bus) -> None:
    await bus.do("SET", keys.equity("alice", "kraken", "minute"), "no stream")
    assert "WRONGTYPE" in await EquitySamples(bus, "alice", "kraken").add(sample(), START)
