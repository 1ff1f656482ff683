"""Rows of the master's account that cannot be read, and scans that fail: reported, and nothing follows from what they lack."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from structlog.testing import capture_logs

from shared.domain.fault import FaultKind
from shared.domain.order import Kind, Side
from shared.domain.values.money import ONE
from shared.venues.errors import Unavailable
from shared.venues.port import OmittedRow, RowReason
from tests.unit.master_strategy.memory_master import MemoryMaster


async def test_one_row_that_cannot_be_read_is_reported_and_all_others_are_told() -> None:
    """Case E1."""
    master = MemoryMaster()
    await master.start()
    master.account.left_out.append(
        OmittedRow("OBAD", RowReason.UNREADABLE, "ValueError in the row", "", master.now + 1)
    )
    await master.trade(Side.BUY, "1")
    with capture_logs() as logs:
        await master.settle(3)
    assert [signal.kind for signal in master.signals] == [Kind.ENTRY]
    assert [line["row"] for line in logs if line["event"] == "a row of the master's account is left out"] == ["OBAD"]
    assert [fault.subject for fault in master.faults.standing] == ["kraken OBAD"]


async def test_an_unread_row_is_read_again_for_a_while_and_then_given_up() -> None:
    """Case B3: it is not dropped for ever, nor does it hold everything back for ever."""
    master = MemoryMaster()
    await master.start()
    master.account.left_out.append(OmittedRow("ONEW", RowReason.UNKNOWN_PAIR, "the pair X", "", master.now + 1, "X"))
    await master.settle(20)
    assert [fault.subject for fault in master.faults.standing] == ["kraken ONEW"]  # long after the usual overlap
    master.now += 3_600_000
    await master.settle(2)
    assert not master.faults.standing
    assert master.memory.uncopied["ONEW"].reason == RowReason.UNKNOWN_PAIR


async def test_nothing_is_concluded_of_an_account_while_a_row_is_unread() -> None:
    master = MemoryMaster()
    await master.start()
    await master.trade(Side.BUY, "1")
    await master.scan()
    master.account.left_out.append(OmittedRow("OBAD", RowReason.UNREADABLE, "a sale, perhaps", "", master.now + 1))
    master.account.move("BTC", Decimal(-1))
    await master.settle(18)
    assert [signal.fraction for signal in master.signals] == [None]
    master.account.left_out.clear()
    await master.settle(4)
    assert [signal.fraction for signal in master.signals] == [None, ONE]


async def test_scans_that_fail_for_a_minute_block_until_one_succeeds() -> None:
    """Case E6."""
    master = MemoryMaster()
    await master.start()
    watch = asyncio.create_task(master.health.watch())
    await asyncio.sleep(0)
    master.venue.fail("closed_orders", Unavailable("busy"), times=1)
    assert not await master.watcher.scan_or_report()
    master.now += 50_000
    master.health.look()
    assert not master.faults.standing
    master.now += 15_000
    master.health.look()
    (fault,) = master.faults.standing
    assert (fault.kind, fault.blocks, "busy" in fault.reason) == (FaultKind.MASTER_SCAN, True, True)
    assert await master.watcher.scan_or_report()
    assert not master.faults.standing
    watch.cancel()
