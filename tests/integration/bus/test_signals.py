"""The signal stream: each fill is told once, however often it is found."""

from __future__ import annotations

import asyncio

from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.contracts import keys
from shared.contracts.messages import SignalMessage
from tests.support.examples import NOW, an_entry, an_exit, an_id

DAY = 24 * 3600 * 1000


async def test_a_signal_is_appended_word_for_word(bus: Bus) -> None:
    entry_id = await SignalLog(bus).emit(an_entry())
    (found,) = await SignalLog(bus).latest(10)
    assert (found.stream, found.id) == (keys.SIGNALS, entry_id)
    assert SignalMessage.parse(found.fields).to_domain() == an_entry()
    blank = {"fee", "owner"}  # not known, and that of the usual account: not written
    assert list(found.fields) == [name for name in SignalMessage.model_fields if name not in blank]


async def test_a_fill_that_is_found_again_is_not_told_again(bus: Bus) -> None:
    log = SignalLog(bus)
    assert await log.emit(an_entry()) is not None
    assert await log.emit(an_entry(emitted_at=NOW + DAY)) is None
    assert await log.emit(an_exit("another")) is not None
    assert len(await log.latest(10)) == 2


async def test_of_many_that_tell_the_same_fill_at_once_one_does(bus: Bus) -> None:
    told = await asyncio.gather(*(SignalLog(bus).emit(an_entry()) for _ in range(20)))
    assert sum(entry_id is not None for entry_id in told) == 1
    assert len(await SignalLog(bus).latest(10)) == 1


async def test_an_id_is_forgotten_only_after_thirty_days(bus: Bus) -> None:
    log = SignalLog(bus)
    await log.emit(an_entry("old"))
    await log.emit(an_entry("later", emitted_at=NOW + 20 + 30 * DAY))
    assert await log.emit(an_entry("old")) is None
    await log.emit(an_entry("latest", emitted_at=NOW + 21 + 30 * DAY))
    assert await bus.do("ZSCORE", keys.EMITTED, an_id("old")) is None
    assert await bus.do("ZCARD", keys.EMITTED) == 2


async def test_the_newest_signals_come_first(bus: Bus) -> None:
    log = SignalLog(bus)
    ids = [await log.emit(an_entry(str(number))) for number in range(4)]
    assert [entry.id for entry in await log.latest(2)] == [ids[3], ids[2]]


async def test_how_far_fills_were_told_is_remembered(bus: Bus) -> None:
    log = SignalLog(bus)
    assert await log.fill_cursor("master", "kraken") is None
    await log.set_fill_cursor("master", "kraken", NOW)
    assert await SignalLog(bus).fill_cursor("master", "kraken") == NOW
    assert await log.fill_cursor("master", "coinbase") is None
