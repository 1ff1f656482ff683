"""`ops audit` as a person runs it."""

from __future__ import annotations

from shared.bus.connection import Bus
from shared.contracts import keys
from shared.domain.order import order_id
from tests.integration.ops.command import exchange, ops
from tests.support.copies import Copies
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer


def row(user: str, order: str, filled: str = "0.1") -> dict[str, object]:
    return {
        "user": user,
        "venue": "kraken",
        "symbol": "BTC/USD",
        "client_order_id": order,
        "order_id": "V1",
        "side": "buy",
        "filled_size": filled,
        "accepted_at": 1,
    }


async def test_a_whole_run_that_the_exchange_confirms_passes(bus: Bus, redis_server: RedisServer) -> None:
    copies = Copies(bus)
    await copies.follow("alice")
    told = await copies.signal()
    order = await copies.decide(told, "alice")
    await copies.report(told, "alice")
    async with exchange() as venue:
        venue.orders = [row("alice", order), row("master", "m")]
        venue.requests = [{"verdict": "ok"}, {"verdict": "EAPI:Invalid nonce", "fault": "invalid_nonce_burst"}]
        ran = await ops(redis_server.url, "audit", "--json", PAPER_URL=venue.url)
        assert (ran.code, ran.err) == (0, "")
        figures = ran.json
        names = ("ok", "signals", "users", "orders", "decisions", "missing", "duplicates", "open", "invalid_nonces")
        assert [figures[name] for name in names] == [True, 1, 1, 1, 1, 0, 0, 0, 0]
        assert figures["outcomes"] == {"filled": 1}
        shown = await ops(redis_server.url, "audit", PAPER_URL=venue.url)
    assert shown.code == 0
    assert "nothing missing, nothing duplicated" in shown.out


async def test_what_is_missing_or_double_gives_exit_code_1_and_is_named(bus: Bus, redis_server: RedisServer) -> None:
    copies = Copies(bus)
    await copies.follow("alice", "bob")
    told = await copies.signal()
    order = await copies.decide(told, "alice")
    await copies.report(told, "alice")
    async with exchange() as venue:
        venue.orders = [row("alice", order), row("alice", order)]
        venue.requests = [{"verdict": "EAPI:Invalid nonce"}]
        ran = await ops(redis_server.url, "audit", "--json", PAPER_URL=venue.url)
        assert ran.code == 1
        names = ("ok", "missing", "duplicates", "invalid_nonces")
        assert [ran.json[name] for name in names] == [False, 1, 1, 1]
        shown = await ops(redis_server.url, "audit", PAPER_URL=venue.url)
    assert shown.code == 1
    for words in ("NOT OK", "missing decision", "accepted twice by the venue", told.entry_id, order):
        assert words in shown.out


async def test_a_grace_turns_what_is_young_into_open(bus: Bus, redis_server: RedisServer) -> None:
    copies = Copies(bus)
    await copies.follow("alice")
    await copies.signal()
    ran = await ops(redis_server.url, "audit", "--no-venue", "--grace", "3600", "--json")
    assert (ran.code, ran.json["open"], ran.json["missing"]) == (0, 1, 0)
    ran = await ops(redis_server.url, "audit", "--no-venue", "--json")
    assert (ran.code, ran.json["open"], ran.json["missing"]) == (1, 0, 1)


async def test_an_exchange_that_is_down_is_named_in_one_line(bus: Bus, redis_server: RedisServer) -> None:
    await bus.do("PING")
    url = f"http://127.0.0.1:{free_port()}"
    ran = await ops(redis_server.url, "audit", PAPER_URL=url)
    assert ran.code == 2
    assert len(ran.err.splitlines()) == 1
    assert "PAPER_URL" in ran.err
    assert url in ran.err


async def test_in_live_mode_the_paper_exchange_is_asked_only_for_those_on_paper_money(
    bus: Bus, redis_server: RedisServer
) -> None:
    copies = Copies(bus)
    await copies.follow("alice", "bob")
    (told,) = await copies.settled(["alice", "bob"])
    nobody_there = f"http://127.0.0.1:{free_port()}"
    ran = await ops(redis_server.url, "audit", "--json", SHOAL_MODE="live", PAPER_URL=nobody_there)
    assert (ran.code, ran.json["venue_checked"]) == (0, False)
    await bus.do("HSET", keys.books("alice", "kraken"), "v", "1", "funds", "paper", "since", "0")
    async with exchange() as venue:
        venue.orders = [row("alice", order_id(told.id, "alice", "kraken"))]
        ran = await ops(redis_server.url, "audit", "--json", SHOAL_MODE="live", PAPER_URL=venue.url)
        assert (ran.code, ran.json["venue_checked"], ran.json["venue_users"]) == (0, True, 1)
        shown = await ops(redis_server.url, "audit", SHOAL_MODE="live", PAPER_URL=venue.url)
        words = " ".join(shown.out.split())
        assert "Not compared with the paper exchange's journal, because they are on real money: bob." in words
        venue.orders = []
        ran = await ops(redis_server.url, "audit", "--json", SHOAL_MODE="live", PAPER_URL=venue.url)
        assert [each["user"] for each in ran.json["findings"]] == ["alice"]
