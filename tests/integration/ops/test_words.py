"""What commands answer to a person who mistypes, asks about nothing, or has no terminal."""

from __future__ import annotations

import pytest

from services.ops.checks.reconcile import describe
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.reconciliation import ReconcileAnswer
from shared.domain.control import Control, ControlMode
from shared.domain.order import OrderState
from tests.integration.ops.command import ops
from tests.support.copies import Copies
from tests.support.redis_server import RedisServer

REASON = ("--reason", "x")


@pytest.mark.parametrize(
    "command",
    [
        ("unknown", "--user", "zed"),
        ("streams", "--user", "zed"),
        ("why", "--user", "zed"),
        ("stopouts", "--user", "zed"),
        ("stages", "--user", "zed"),
        ("drift", "--user", "zed"),
        ("reconcile", "--user", "zed"),
        ("track", "zed"),
        ("resolve", "3d3612bb-d09c-4419-9c35-819f4366562a", "--none", "--user", "zed"),
        ("pause", "--user", "zed", *REASON),
        ("flatten", "--user", "zed", "--yes", *REASON),
        ("resume", "--user", "zed"),
    ],
    ids=lambda words: words[0],
)
async def test_a_user_who_does_not_exist_is_refused_with_the_names_that_do(
    bus: Bus, redis_server: RedisServer, command: tuple[str, ...]
) -> None:
    """Case N8."""
    ran = await ops(redis_server.url, *command)
    assert (ran.code, ran.out) == (2, "")
    names = "alice, bob, carol, master" if command[0] in {"unknown", "why", "resolve"} else "alice, bob, carol"
    assert ran.err.endswith(f"zed: there is no such user (known: {names})\n")


async def test_a_user_who_is_gone_can_still_be_named(bus: Bus, redis_server: RedisServer) -> None:
    """Case N8: without a file, but with a stream."""
    copies = Copies(bus)
    await copies.decide(await copies.signal(), "gone")
    for command in ("streams", "unknown", "why", "stopouts", "drift"):
        assert (await ops(redis_server.url, command, "--user", "gone")).code == 0, command
    assert (await ops(redis_server.url, "pause", "--user", "gone", *REASON)).code == 0
    reconciled = await ops(redis_server.url, "reconcile", "--user", "gone")
    assert (reconciled.code, "no executor has answered" in reconciled.out) == (1, True)


async def test_close_only_is_pause_and_what_was_stored_under_its_name_is_still_read(
    bus: Bus, redis_server: RedisServer
) -> None:
    """Case N6: there is one switch that stops entries, and an older name of it."""
    ran = await ops(redis_server.url, "close-only", *REASON)
    assert ran.out == "close-only is an alias of pause: entries stop, exits go on\neverybody: pause (x)\n"
    assert (await Records(bus).switches("alice"))[0].mode is ControlMode.PAUSE
    await bus.do("HSET", keys.CONTROL, "mode", "close_only", "reason", "before")
    assert Control.read({"mode": "close_only"}).mode is ControlMode.CLOSE_ONLY
    told = (await ops(redis_server.url, "status", "--json")).json
    assert told["control"]["mode"] == "close_only"
    assert told["readiness"]["notes"][0].startswith("everybody: close_only: before (")


async def test_why_without_an_id_is_about_the_latest_signal(bus: Bus, redis_server: RedisServer) -> None:
    """Case N9."""
    assert (await ops(redis_server.url, "why")).out == "there are no signals yet in shoal:signals\n"
    copies = Copies(bus)
    await copies.signal()
    told = await copies.signal()
    await copies.decide(told, "bob")
    shown = await ops(redis_server.url, "why", "--user", "bob", "--json")
    assert (shown.json["signal"]["id"], [each["user"] for each in shown.json["users"]]) == (told.id, ["bob"])


async def test_why_takes_the_beginning_of_an_id_if_it_is_of_one_signal(bus: Bus, redis_server: RedisServer) -> None:
    """Case N9."""
    copies = Copies(bus)
    told = [await copies.signal() for _ in range(20)]
    assert (await ops(redis_server.url, "why", told[3].id[:8], "--json")).json["signal"]["id"] == told[3].id
    several = await ops(redis_server.url, "why", _shared_beginning([each.id for each in told]))
    assert several.code == 2
    assert "begins the ids of" in several.err
    none = await ops(redis_server.url, "why", "zzz")
    assert (none.code, none.out) == (2, "")
    assert "no signal zzz" in none.err


async def test_why_lists_the_last_signals_of_one_user(bus: Bus, redis_server: RedisServer) -> None:
    """Case N9."""
    copies = Copies(bus)
    for number in range(4):
        told = await copies.signal()
        await copies.decide(told, "bob", copy=False, reason=f"reason {number}")
        await copies.report(told, "bob", OrderState.SKIPPED, reason=f"reason {number}")
    shown = (await ops(redis_server.url, "why", "--user", "bob", "--last", "3")).out
    assert [f"reason {number}" in shown for number in range(4)] == [False, True, True, True]
    listed = (await ops(redis_server.url, "why", "--last", "2", "--json")).json["signals"]
    assert [len(each["users"]) for each in listed] == [3, 3]
    both = await ops(redis_server.url, "why", told.id, "--last", "2")
    assert (both.code, both.err) == (2, "ops: --last lists the latest signals: leave the signal's id out\n")


async def test_flatten_with_nothing_held_says_so(bus: Bus, redis_server: RedisServer) -> None:
    """Case N10."""
    ran = await ops(redis_server.url, "flatten", "--yes", *REASON)
    assert ran.code == 0
    assert "nothing was held from copying, so nothing was sold" in ran.out


@pytest.mark.parametrize("command", [("flatten", *REASON), ("flatten", "--user", "bob", *REASON)])
async def test_without_a_terminal_a_question_says_what_to_add(
    bus: Bus, redis_server: RedisServer, command: tuple[str, ...]
) -> None:
    """Case N10: "add --yes", and not "Aborted!"; and the question says that nothing is held."""
    ran = await ops(redis_server.url, *command)
    assert (ran.code, ran.out) == (1, "")
    assert "No copied position is held by" in ran.err
    assert ran.err.endswith("ops: not done: there is no terminal to answer on; add --yes\n")
    assert await bus.do("EXISTS", keys.CONTROL, keys.control("bob")) == 0


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (("unknown",), "no order has an unknown outcome"),
        (("stopouts",), "no stop-outs"),
        (("stages",), "no user has a stage below 1, or one that moves"),
        (("dead", "list"), "Dead letters: none"),
        (("drift",), "neither the master nor any user holds a position"),
        (("why", "--last", "5"), "there are no signals yet"),
        (("streams",), "no entry yet"),
        (("status",), "no service has a heartbeat"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_an_empty_table_is_a_sentence(
    bus: Bus, redis_server: RedisServer, command: tuple[str, ...], sentence: str
) -> None:
    """Case N11."""
    ran = await ops(redis_server.url, *command)
    assert ran.code == 0
    assert sentence in ran.out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "not compared: no executor has answered"),
        (
            ReconcileAnswer(asked_at=1, at=2, reason="account is parked: bad key"),
            "not compared: account is parked: bad key",
        ),
        (ReconcileAnswer(asked_at=1, at=2), "agrees"),
        (ReconcileAnswer(asked_at=1, at=2, found=1, repaired=1), "1 differ, 1 repaired"),
        (ReconcileAnswer(asked_at=1, at=2, left_out="BTC/USD"), "agrees; not compared, because it is trading: BTC/USD"),
    ],
)
def test_what_came_of_reconciling_is_said_in_words(answer: ReconcileAnswer | None, words: str) -> None:
    """Case N7."""
    assert describe(answer) == words


def _shared_beginning(ids: list[str]) -> str:
    """Return a beginning that two of them have: of twenty, two share their first digit."""
    return next(each[0] for each in ids if sum(other.startswith(each[0]) for other in ids) > 1)
