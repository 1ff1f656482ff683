"""The audit proves each named master's book by the reports, whatever corrects it, and finds what no report accounts for."""

from __future__ import annotations

import random
from dataclasses import replace
from decimal import Decimal
from typing import Final

import pytest

from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.domain.limits.policy import FollowedMaster
from shared.domain.order import Decision
from shared.domain.position import MAIN
from shared.domain.rename import Rename, Renames
from shared.domain.values.symbol import Symbol
from shared.ledger.audit.auditor import run_audit
from shared.ledger.audit.book_sums import BookState
from shared.ledger.audit.facts import AuditTime
from shared.ledger.audit.findings import AuditTally, FindingKind
from tests.integration.executor.rig import USER, Owner, Rig, crash, reconciler, until
from tests.support.copies import now_ms
from tests.support.examples import BTC_USD, a_policy

SWING, TREND = "swing", "trend"
NAMES: Final = (MAIN, SWING, TREND)
POSITIONS: Final = keys.positions(USER, "kraken")


@pytest.fixture
async def owner(rig: Rig) -> Owner:
    """A process that serves alice, who follows two named masters beside her venue's."""
    rig.policy = a_policy(USER, masters=tuple(FollowedMaster(name, "kraken", Decimal(90)) for name in (SWING, TREND)))
    return await rig.start()


def of(master: str, decision: Decision) -> Decision:
    return replace(decision, master=master)


async def audit(rig: Rig) -> AuditTally:
    return (await run_audit(rig.bus, AuditTime(now_ms(), 0), None, 0)).tally


async def proven(rig: Rig) -> AuditTally:
    """Return the audit of the books, having checked that nothing of them is a finding."""
    tally = await audit(rig)
    assert [each for each in tally.findings if each.kind is FindingKind.BOOK_DISAGREES] == []
    assert tally.books[BookState.OPEN] == tally.books[BookState.UNCOVERED] == 0
    assert tally.books[BookState.EQUAL] > 0
    return tally


@pytest.mark.parametrize("seed", range(4))
async def test_books_that_only_trades_have_changed_equal_their_reports(rig: Rig, owner: Owner, seed: int) -> None:
    chance = random.Random(seed)  # a sequence of orders, no secret
    rig.account.taker_fee = Decimal("0.0026")
    await rig.carry(owner, of(SWING, rig.entry("0.01")))
    for _ in range(10):
        order = rig.entry("0.007") if chance.random() < 0.5 else rig.close(chance.choice(["1", "0.5", "0.3"]))
        await rig.carry(owner, of(chance.choice(NAMES), order))
    tally = await proven(rig)
    assert tally.corrected == []
    assert "corrected" not in (await rig.bus.do("XRANGE", keys.reports(USER), "-", "+"))[-1][1]


async def test_a_book_that_changed_without_a_report_is_found(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    await rig.carry(owner, of(TREND, rig.entry("0.02")))
    await proven(rig)
    written = pairs(await rig.bus.do("HGETALL", POSITIONS))["BTC/USD"]
    await rig.bus.do("HSET", POSITIONS, "BTC/USD", written.replace('"swing"', '"other"'))
    tally = await audit(rig)
    found = {each.subject: each.detail for each in tally.findings if each.kind is FindingKind.BOOK_DISAGREES}
    assert sorted(found) == ["BTC/USD other", "BTC/USD swing"]
    assert "0 is held, the reports say 0.03 and corrections 0: -0.03 is not accounted for" in found["BTC/USD swing"]
    await rig.bus.do("HDEL", POSITIONS, "BTC/USD")
    assert (await audit(rig)).found[FindingKind.BOOK_DISAGREES] == 2


async def test_a_record_that_cannot_be_read_is_found(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    await rig.bus.do("HSET", POSITIONS, "BTC/USD", "{}")
    assert (await audit(rig)).found[FindingKind.BOOK_DISAGREES] == 1


@pytest.mark.usefixtures("short_retries")
async def test_coins_that_the_owner_took_are_in_the_report_that_found_it(
    rig: Rig, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.executor.orders.exit_progress._WAIT_FIRST", 0.001)
    await rig.carry(owner, of(TREND, rig.entry("0.05")))
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    rig.account.move("BTC", Decimal("-0.055"))
    report = await rig.carry(owner, of(SWING, rig.close()))
    assert report.filled_size == Decimal("0.025")
    assert report.corrected == '{"swing": "-0.005", "trend": "-0.05"}'
    tally = await proven(rig)
    assert {row.key.master: row.corrected for row in tally.corrected} == {
        SWING: Decimal("-0.005"),
        TREND: Decimal("-0.05"),
    }


async def test_repairs_of_the_books_add_up_beside_the_reports(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, rig.entry("0.06"))
    await rig.carry(owner, of(SWING, rig.entry("0.02")))
    for taken in ("-0.04", "-0.02"):
        rig.account.move("BTC", Decimal(taken))
        rig.clock.now += 60_000
        assert await reconciler(owner.context, set).repair(BTC_USD)
    assert pairs(await rig.bus.do("HGETALL", keys.book_corrections(USER, "kraken"))) == {"BTC/USD swing": "-0.015"}
    (row,) = (await proven(rig)).corrected
    assert (row.held, row.reported, row.corrected) == (Decimal("0.005"), Decimal("0.02"), Decimal("-0.015"))


async def test_a_rename_moves_a_book_out_of_its_old_name(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, of(SWING, rig.entry("0.02")))
    new, renames = Symbol.parse("XBT/USD"), Renames((Rename("BTC", "XBT", Decimal(10)),))
    assert await owner.context.positions.move(BTC_USD, new, renames)
    sums = pairs(await rig.bus.do("HGETALL", keys.book_corrections(USER, "kraken")))
    assert sums["BTC/USD swing"] == "-0.02"
    assert (
        sums["XBT/USD swing"]
        == (await rig.bus.do("HGET", POSITIONS, "XBT/USD")).split('"base_size": "')[1].split('"')[0]
    )
    await proven(rig)


async def test_a_book_with_a_part_of_an_unfinished_exit_is_open(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    rig.account.rests = True
    task = await rig.begin(owner, of(SWING, rig.close()))

    async def sent() -> bool:
        return len(owner.venue.sent) == 2

    await until(sent, "the exit is sent")
    tally = await audit(rig)
    assert (tally.books[BookState.OPEN], tally.found[FindingKind.BOOK_DISAGREES]) == (1, 0)
    await crash(task)


async def test_of_a_book_older_than_the_reports_only_the_impossible_is_found(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    await rig.carry(owner, of(SWING, rig.entry("0.02")))
    for stream in (keys.reports(USER), keys.orders(USER)):
        await rig.bus.do("XTRIM", stream, "MAXLEN", 1)
    assert (await audit(rig)).books[BookState.UNCOVERED] == 1
    await rig.carry(owner, of(SWING, rig.close()))
    await rig.carry(owner, of(SWING, rig.entry("0.01")))
    assert (await audit(rig)).books[BookState.EQUAL] == 1
    await rig.bus.do("HDEL", POSITIONS, "BTC/USD")
    for stream in (keys.reports(USER), keys.orders(USER)):
        await rig.bus.do("XTRIM", stream, "MAXLEN", 1)
    assert (await audit(rig)).found[FindingKind.BOOK_DISAGREES] == 1


async def test_a_crumb_that_is_written_off_is_in_the_report(rig: Rig, owner: Owner) -> None:
    await rig.carry(owner, of(SWING, rig.entry("0.05")))
    rig.account.move("BTC", Decimal("-0.00000001"))
    report = await rig.carry(owner, of(SWING, rig.close()))
    assert (report.filled_size, report.corrected) == (Decimal("0.04999999"), '{"swing": "-0.00000001"}')
    assert await rig.position() is None
    await proven(rig)


async def test_a_sale_whose_fee_in_base_is_more_than_the_book_has_left_is_in_the_report(rig: Rig, owner: Owner) -> None:
    rig.account.taker_fee = Decimal("0.01")
    await rig.carry(owner, rig.entry("0.05"))
    await rig.carry(owner, of(SWING, rig.entry("0.03")))
    rig.account.fee_in_base = True
    report = await rig.carry(owner, of(SWING, rig.close()))
    assert (report.filled_size, report.corrected) == (Decimal("0.03"), '{"swing": "0.0003"}')
    await proven(rig)
