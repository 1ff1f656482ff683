"""The equity curve: what is written each minute, what is left out, what is kept, and how it is read."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.state.equity_samples import EquitySamples
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS, EquitySample
from shared.ledger.performance.equity import read_curve, read_curves, read_step

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
START: Final = 1_763_827_200_000
"""A full hour."""


def sample(equity: str = "1000", profit: str = "0") -> EquitySample:
    """Return a sample."""
    return EquitySample(currency="USD", equity=Decimal(equity), pnl=Decimal(profit))


async def _count(bus: Bus, step: str) -> int:
    return len(await read_step(bus, "alice", "kraken", step))


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
    for minute in range(50):
        await samples.add(sample(), START + minute * MINUTE)
    assert [await _count(bus, step) for step in ("minute", "quarter", "hour")] == [1, 1, 1]
    await samples.add(sample("1001"), START + 50 * MINUTE)
    assert await _count(bus, "minute") == 2
    for minute in range(51, 121):
        await samples.add(sample("1001"), START + minute * MINUTE)
    assert await _count(bus, "hour") == 3


async def test_each_resolution_is_kept_for_its_time(bus: Bus) -> None:
    samples = EquitySamples(bus, "alice", "kraken")
    end = START + 100 * DAY
    for number in range(0, 100 * 24, 6):
        await samples.add(sample(str(number + 1)), START + number * HOUR)
    for number in range(100):
        await samples.add(sample(str(number + 1)), end + number * MINUTE)
    now = end + 99 * MINUTE
    for name, step in EQUITY_STEPS.items():
        found = await read_step(bus, "alice", "kraken", name)
        assert found[-1].start == step.start(now), name
        assert now - step.kept_ms < found[0].start <= now - step.kept_ms + 12 * HOUR, f"{name}: as long as promised"
        assert len(found) <= step.places, f"{name}: bounded"
    curve = await read_curve(bus, "alice", "kraken")
    assert [point.start for point in curve] == sorted({point.start for point in curve})


async def test_ninety_days_of_changing_samples_stay_below_twenty_kilobytes(bus: Bus) -> None:
    samples = EquitySamples(bus, "alice", "kraken")
    for number in range(0, 90 * 96, 4):  # each writes all that is due, with amounts of eleven digits
        await samples.add(
            sample(f"{1_234_567 + number}.1234", f"-{345_678 + number}.5678"), START + number * 15 * MINUTE
        )
    for number in range(600):
        await samples.add(
            sample(f"{1_234_567 + number}.1234", f"-{345_678 + number}.5678"), START + 90 * DAY + number * MINUTE
        )
    used = [await bus.do("MEMORY", "USAGE", keys.equity("alice", "kraken", step)) for step in EQUITY_STEPS]
    assert sum(map(int, used)) < 20_000


async def test_the_curve_has_the_finest_samples_of_each_span(bus: Bus) -> None:
    samples = EquitySamples(bus, "alice", "kraken")
    starts = [START + number * MINUTE for number in (*range(0, 120, 15), *range(120, 181))]
    for number, start in enumerate(starts):
        await samples.add(sample(str(number + 1)), start)
    found = [point.start for point in await read_curve(bus, "alice", "kraken")]
    assert found == starts, "quarters until the minutes begin, which are of the last hour"
    later = await read_curve(bus, "alice", "kraken", since=START + 2 * HOUR)
    assert [point.start for point in later] == starts[8:]
    assert await read_curves(bus, [("bob", "kraken")]) == [[]]


async def test_samples_in_another_currency_begin_again(bus: Bus) -> None:
    samples = EquitySamples(bus, "alice", "kraken")
    await samples.add(sample(), START)
    await samples.add(EquitySample("EUR", Decimal(900)), START + MINUTE)
    minutes = await read_step(bus, "alice", "kraken", "minute")
    assert [(point.start, point.sample.currency) for point in minutes] == [(START + MINUTE, "EUR")]


async def test_a_sample_that_cannot_be_read_is_left_out(bus: Bus) -> None:
    await EquitySamples(bus, "alice", "kraken").add(sample(), START)
    step, key = EQUITY_STEPS["minute"], keys.equity("alice", "kraken", "minute")
    await bus.do("SETRANGE", key, step.offset(START + MINUTE), "-" * step.record)
    assert [point.start for point in await read_step(bus, "alice", "kraken", "minute")] == [START]


async def test_a_key_of_another_type_is_reported_and_raises_nothing(bus: Bus) -> None:
    await bus.do("XADD", keys.equity("alice", "kraken", "minute"), "*", "v", "1")
    assert "WRONGTYPE" in await EquitySamples(bus, "alice", "kraken").add(sample(), START)
    assert [point.start for point in await read_curve(bus, "alice", "kraken")] == [START], "the others are written"
