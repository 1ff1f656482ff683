"""An order settled and a stop-out ended by a program: with a preview, once, by operators only, and on record."""

from __future__ import annotations

import pytest

from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.stop_out_lift import lift_field
from shared.operations.control_log import read_changes
from shared.sign_in.role import Role
from tests.integration.api.actions.test_actions import ask, program
from tests.support.operating import leave_unknown, stop_out
from tests.support.signed_in import Site

ORDER = "0b9f3c1e-8f2b-5a64-9d0e-2f6a4f0c1d11"
RESOLVE = {"user": "alice", "order": ORDER, "outcome": "none"}


async def test_an_order_is_settled_once(site: Site) -> None:
    await leave_unknown(site.bus, ORDER, side="sell")
    headers = await program(site)
    query = "&".join(f"{name}={value}" for name, value in RESOLVE.items())
    status, shown = await ask(site, "GET", f"/actions/resolve?{query}", headers)
    assert (status, shown["of"]) == (200, f"alice {ORDER}")
    assert shown["text"].endswith("as never filled: the exit goes on, and sells up to 0.5 BTC again")
    assert any("sold twice" in note for note in shown["notes"])
    body = {**RESOLVE, "token": shown["token"], "reason": "not in its history"}
    answers = [await ask(site, "POST", "/actions/resolve", headers, body) for _ in range(2)]
    assert [(status, done["repeated"]) for status, done in answers] == [(200, False), (200, True)]
    record = pairs(await site.bus.do("HGETALL", keys.order("alice", ORDER)))
    assert (record["verdict"], record["verdict_by"]) == ("none", "token robot-operator")
    (change,) = await read_changes(site.bus, 10)
    assert (change.action, change.by, change.reason) == ("resolve", "token robot-operator", "not in its history")


async def test_a_confirmed_verdict_is_not_another_one(site: Site) -> None:
    await leave_unknown(site.bus, ORDER)
    headers = await program(site)
    _, shown = await ask(site, "GET", f"/actions/resolve?user=alice&order={ORDER}&outcome=none", headers)
    body = {**RESOLVE, "token": shown["token"], "reason": "x"}
    status, refused = await ask(site, "POST", "/actions/resolve", headers, {**body, "outcome": "filled"})
    assert (status, refused["type"]) == (400, "urn:shoal:bad-confirmation")
    await site.bus.do("HSET", keys.order("alice", ORDER), "attempts", "2")  # it has gone on to another send
    status, refused = await ask(site, "POST", "/actions/resolve", headers, body)
    assert (status, refused["type"]) == (409, "urn:shoal:consequence-changed")
    assert "verdict" not in pairs(await site.bus.do("HGETALL", keys.order("alice", ORDER)))


async def test_a_stop_out_is_ended_once(site: Site) -> None:
    until = await stop_out(site.bus, "alice")
    headers = await program(site)
    _, shown = await ask(site, "GET", "/actions/lift?user=alice&venue=kraken", headers)
    assert shown["text"].startswith("lifts the stop-out of alice at kraken: entries go on")
    body = {"user": "alice", "venue": "kraken", "token": shown["token"], "reason": "it was a withdrawal"}
    answers = [await ask(site, "POST", "/actions/lift", headers, body) for _ in range(2)]
    assert [(status, done["repeated"]) for status, done in answers] == [(200, False), (200, True)]
    assert pairs(await site.bus.do("HGETALL", keys.control("alice")))[lift_field("kraken")] == str(until)
    (change,) = await read_changes(site.bus, 10)
    assert (change.action, change.of, change.reason) == ("lift", "alice", "it was a withdrawal")


@pytest.mark.parametrize(
    ("path", "status", "kind", "words"),
    [
        (f"/actions/resolve?user=alice&order={ORDER}&outcome=maybe", 422, "action-refused", "filled or none"),
        (f"/actions/resolve?user=alice&order={ORDER}&outcome=filled&size=0.6", 422, "action-refused", "at most 0.5"),
        ("/actions/resolve?user=alice&order=0&outcome=none", 404, "unknown-target", "no order"),
        ("/actions/lift?user=bob", 422, "action-refused", "bob is not stopped out"),
        ("/actions/lift?user=alice&venue=coinbase", 422, "action-refused", "not stopped out at coinbase"),
        ("/actions/lift?user=zed", 404, "unknown-target", "no user"),
    ],
)
async def test_what_makes_no_sense_is_a_problem_document(
    site: Site, path: str, status: int, kind: str, words: str
) -> None:
    await leave_unknown(site.bus, ORDER)
    await stop_out(site.bus, "alice")
    found, refused = await ask(site, "GET", path, await program(site))
    assert (found, refused["type"]) == (status, f"urn:shoal:{kind}")
    assert words in refused["detail"]


async def test_viewers_and_followers_neither_settle_nor_lift(site: Site) -> None:
    await leave_unknown(site.bus, ORDER)
    await stop_out(site.bus, "alice")
    viewer = await program(site, Role.VIEWER)
    follower = await site.follower("alice")
    for path in (
        f"/actions/resolve?user=alice&order={ORDER}&outcome=none",
        "/actions/lift?user=alice",
        f"/operations/orders/alice/{ORDER}",
        "/users/alice/confirm/lift",
    ):
        assert (await ask(site, "GET", path, viewer))[0] == 403, path
        assert (await follower.ask("GET", path)).status == 403, path
    answer = await follower.ask("GET", "/users/alice")
    assert "no entries until" in answer.text
    assert "/confirm/lift" not in answer.text


async def test_the_document_has_an_example_of_each(site: Site) -> None:
    _, document = await ask(site, "GET", "/openapi.json", await program(site))
    body = document["paths"]["/actions/{action}"]["post"]["requestBody"]["content"]
    examples = body["application/json"]["examples"]
    assert examples["resolve-filled"]["value"]["outcome"] == "filled"
    assert examples["lift"]["value"]["venue"] == "kraken"
    assert {"order", "outcome", "size", "venue"} <= body["application/x-www-form-urlencoded"]["schema"][
        "properties"
    ].keys()
