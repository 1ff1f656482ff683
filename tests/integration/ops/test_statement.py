"""`ops statement` as a person runs it."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from shared.bus.connection import Bus
from shared.ledger.statement.month import Month
from tests.integration.ops.command import ops
from tests.support.paper_month import MONTH, PaperMonth
from tests.support.recorded_month import record
from tests.support.redis_server import RedisServer


@pytest.fixture
async def month(bus: Bus) -> PaperMonth:
    """A month of alice's, as it is in Redis."""
    made = PaperMonth(2, 24)
    await record(bus, made)
    return made


async def test_the_table_names_every_part_and_adds_up(month: PaperMonth, redis_server: RedisServer) -> None:
    ran = await ops(redis_server.url, "statement", "--user", "alice", "--month", str(MONTH))
    assert ran.code == 0, ran.err
    for words in (
        "the master's result at scale",
        "Delay",
        "Spread and slippage",
        "Fees",
        "Rounding and minimums",
        "Skipped",
        "Own limits",
        "Own exits",
        "Deposits and withdrawals",
        "Carried over",
        "the difference",
        "the user's result",
        "kraken, in USD",
    ):
        assert words in ran.out


async def test_json_csv_and_html_say_the_same(month: PaperMonth, redis_server: RedisServer, tmp_path: Path) -> None:
    wanted = ("statement", "--user", "alice", "--month", str(MONTH))
    (account,) = (await ops(redis_server.url, *wanted, "--json")).json["accounts"]
    listed = await ops(redis_server.url, *wanted, "--csv")
    rows = list(csv.DictReader(io.StringIO(listed.out)))
    assert sum(Decimal(row["amount"]) for row in rows if row["row"] == "part") == Decimal(account["gap"])
    assert [row["amount"] for row in rows if row["row"] == "result"] == [account["result"]]
    file = tmp_path / "alice.html"
    ran = await ops(redis_server.url, *wanted, "--html", str(file))
    assert (ran.code, ran.out) == (0, f"written: {file}\n")
    assert file.stat().st_mode & 0o077 == 0
    for part in account["parts"]:
        assert part["title"] in file.read_text()


async def test_the_present_month_is_the_usual_one_and_may_be_empty(
    month: PaperMonth, redis_server: RedisServer
) -> None:
    ran = await ops(redis_server.url, "statement", "--user", "alice", "--json")
    assert ran.json["running"]
    assert Month.parse(ran.json["month"]) > MONTH
    ran = await ops(redis_server.url, "statement", "--user", "bob")
    assert "nothing was decided or held" in ran.out


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--user", "zed"), "there is no such user"),
        (("--user", "alice", "--month", "November"), "not a month like 2026-11"),
        (("--user", "alice", "--html", "/nowhere/x.html"), "No such file or directory"),
    ],
)
async def test_what_is_wrong_is_one_line(
    month: PaperMonth, redis_server: RedisServer, words: tuple[str, ...], why: str
) -> None:
    ran = await ops(redis_server.url, "statement", *words)
    assert ran.code == 2
    assert why in ran.err
    assert len(ran.err.splitlines()) == 1
