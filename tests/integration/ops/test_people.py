"""`ops passwd`, `ops link`, `ops token`."""

from __future__ import annotations

import pytest

from shared.bus.connection import Bus
from shared.sign_in.access_tokens import AccessTokens
from shared.sign_in.attempts import PER_NAME, Attempts
from shared.sign_in.follower_links import FollowerLinks
from shared.sign_in.passwords import verify_password
from shared.sign_in.people import People
from shared.sign_in.role import Role
from tests.integration.ops.command import ops
from tests.support import python_module
from tests.support.redis_server import RedisServer


def typed(url: str, text: str, *words: str) -> tuple[int, str]:
    """Run a command and type a text; return how it ended and all that it said."""
    ran = python_module.run("services.ops", words, {"REDIS_URL": url}, typed=text)
    return ran.returncode, ran.stdout + ran.stderr


async def test_passwd_makes_the_operator_and_changes_the_password(bus: Bus, redis_server: RedisServer) -> None:
    first = await ops(redis_server.url, "passwd", "--generate", "--json")
    assert {"name": "operator", "role": "operator"}.items() <= first.json.items()
    before = await People(bus).find("operator")
    assert before is not None
    assert verify_password(first.json["password"], before.password)
    for _ in range(PER_NAME + 1):
        await Attempts(bus).admit("operator", "")
    code, said = typed(redis_server.url, "a password of my own\n", "passwd")
    assert (code, "a password of my own" in said) == (0, False)
    after = await People(bus).find("operator")
    assert after is not None
    assert verify_password("a password of my own", after.password)
    assert after.generation != before.generation
    await Attempts(bus).forget("", "")
    assert await Attempts(bus).admit("operator", "192.0.2.1") == 0  # who was locked out gets in again


@pytest.mark.parametrize(("given", "why"), [("short", "12 to 256"), ("aaaaaaaaaaaaaa", "different"), ("", "12 to 256")])
async def test_a_poor_password_changes_nothing(bus: Bus, redis_server: RedisServer, given: str, why: str) -> None:
    code, said = typed(redis_server.url, f"{given}\n", "passwd")
    assert code == 2
    assert why in said
    assert await People(bus).is_empty()


async def test_people_have_roles_and_an_operator_always_remains(bus: Bus, redis_server: RedisServer) -> None:
    url = redis_server.url
    unknown = await ops(url, "passwd", "anna", "--generate")
    assert (unknown.code, "--role" in unknown.err) == (2, True)
    assert (await ops(url, "passwd", "--generate")).code == 0
    assert (await ops(url, "passwd", "anna", "--role", "viewer", "--generate")).code == 0
    assert (await ops(url, "passwd", "anna", "--generate")).code == 0
    listed = (await ops(url, "passwd", "--list", "--json")).json["people"]
    assert [(each["name"], each["role"]) for each in listed] == [("anna", "viewer"), ("operator", "operator")]
    for words in (["operator", "--remove"], ["operator", "--role", "viewer", "--generate"]):
        refused = await ops(url, "passwd", *words)
        assert (refused.code, "only operator" in refused.err) == (2, True)
    assert (await ops(url, "passwd", "anna", "--remove")).code == 0
    assert [person.name for person in await People(bus).all()] == ["operator"]
    for words, why in (
        (["anna", "--remove"], "no such person"),
        (["Anna"], "a name has"),
        (["anna", "--role", "follower"], "ops link"),
    ):
        refused = await ops(url, "passwd", *words)
        assert (refused.code, why in refused.err) == (2, True)


async def test_link_prints_a_link_of_a_user_who_exists(bus: Bus, redis_server: RedisServer) -> None:
    url = redis_server.url
    made = await ops(url, "link", "alice", API_PORT="8123")
    assert made.code == 0
    base, _, token = made.out.strip().rpartition("/link/")
    assert base == "http://127.0.0.1:8123"
    assert "once" in made.err
    found = await FollowerLinks(bus).redeem(token)
    assert found is not None
    assert found[0] == "alice"
    other = await ops(url, "link", "alice", "--json", API_URL="https://shoal.example")
    assert other.json["url"].startswith("https://shoal.example/link/")
    given = await ops(url, "link", "alice", "--url", "https://x.example:8443/")
    assert given.out.startswith("https://x.example:8443/link/")
    for words, why in (
        (["zed"], "there is no such user"),
        (["alice", "--url", "shoal.example"], "--url"),
        (["alice", "--url", "https://x.example/below"], "--url"),
    ):
        refused = await ops(url, "link", *words)
        assert (refused.code, why in refused.err) == (2, True)
    assert (await ops(url, "link", "alice", "--revoke")).code == 0
    assert await FollowerLinks(bus).redeem(other.json["url"].rpartition("/")[2]) is None


async def test_token_makes_lists_and_revokes(bus: Bus, redis_server: RedisServer) -> None:
    url = redis_server.url
    made = await ops(url, "token", "prometheus")
    found = await AccessTokens(bus).find(made.out.strip())
    assert found is not None
    assert (found.name, found.role) == ("prometheus", Role.VIEWER)
    assert (await ops(url, "token", "script", "--role", "operator", "--json")).json["role"] == "operator"
    again = await ops(url, "token", "prometheus")
    assert (again.code, "revoke it first" in again.err) == (2, True)
    listed = await ops(url, "token", "--json")
    assert [(each["name"], each["role"]) for each in listed.json["tokens"]] == [
        ("prometheus", "viewer"),
        ("script", "operator"),
    ]
    assert made.out.strip() not in listed.out
    assert (await ops(url, "token", "prometheus", "--revoke")).code == 0
    assert await AccessTokens(bus).find(made.out.strip()) is None
    assert (await ops(url, "token", "prometheus", "--revoke")).code == 2
