"""Without sign-in only this machine is answered, on paper money alone."""

from __future__ import annotations

import asyncio

import pytest

from services.api.access.open_access import refuse_unless_local
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from tests.support.bound import bound_to
from tests.support.signed_in import running_site

OFF = {"api_sign_in": "off"}


def refusal(host: str, **more: object) -> str:
    """Return why the API does not start there; an empty string if it does."""
    try:
        refuse_unless_local(Settings(api_host=host, **more), bound_to(host))  # type: ignore[arg-type]
    except ConfigurationError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("host", "more", "why"),
    [
        ("0.0.0.0", OFF, "others can reach 0.0.0.0"),
        ("192.0.2.7", OFF, "others can reach 192.0.2.7"),
        ("::", OFF, "others can reach ::"),
        ("::ffff:192.0.2.7", OFF, "others can reach ::ffff:192.0.2.7"),
        ("127.0.0.1", {**OFF, "shoal_mode": "live"}, "SHOAL_MODE is live"),
        ("127.0.0.1", {**OFF, "api_hosts": "shoal.example"}, "API_HOSTS"),
        ("127.0.0.1", {**OFF, "api_url": "https://shoal.example"}, "API_URL"),
    ],
)
def test_it_does_not_start_open_where_others_could_reach_it(host: str, more: dict[str, str], why: str) -> None:
    found = refusal(host, **more)
    assert found.startswith("API_SIGN_IN: it is off, but ")
    assert why in found
    assert "\n" not in found


def test_it_is_the_address_that_counts_not_the_name_of_the_host() -> None:
    """A setting may say `localhost`, or a name that leads elsewhere."""
    with pytest.raises(ConfigurationError):
        refuse_unless_local(Settings(api_host="localhost", api_sign_in="off"), bound_to("192.0.2.7"))


@pytest.mark.parametrize(
    ("host", "more"),
    [
        ("127.0.0.1", OFF),
        ("127.0.0.2", OFF),
        ("::1", OFF),
        ("::ffff:127.0.0.1", OFF),
        ("127.0.0.1", {**OFF, "api_url": "http://localhost:8000"}),
        ("0.0.0.0", {}),
        ("0.0.0.0", {"api_hosts": "shoal.example", "shoal_mode": "live"}),
    ],
)
def test_it_starts_where_only_this_machine_or_people_with_a_password_get_in(host: str, more: dict[str, str]) -> None:
    assert refusal(host, **more) == ""


def test_sign_in_is_on_unless_it_is_switched_off() -> None:
    assert Settings().api_sign_in == "on"


@pytest.mark.parametrize(
    "header",
    [
        {"x-forwarded-for": "203.0.113.7"},
        {"x-forwarded-for": "127.0.0.1"},
        {"forwarded": "for=127.0.0.1"},
        {"x-real-ip": "127.0.0.1"},
        {"via": "1.1 proxy"},
        {"x-forwarded-host": "localhost"},
        {"x-forwarded-proto": "http"},
        {"cf-connecting-ip": "203.0.113.7"},
        {"true-client-ip": "203.0.113.7"},
    ],
)
async def test_a_visitor_through_a_proxy_is_not_local(bus: Bus, header: dict[str, str]) -> None:
    async with running_site(bus, api_sign_in="off") as site:
        browser = site.browser()
        assert await browser.status() == 200
        for path in ("/", "/status", "/metrics", "/signals", "/session", "/openapi.json"):
            reply = await browser.ask("GET", path, header)
            assert reply.status == 403, path
            assert "only this machine" in reply.text
        assert (await browser.ask("GET", "/healthz", header)).status == 200
        assert (await browser.ask("GET", "/readyz", header)).text == '{"ready":false}'
    async with running_site(bus) as site:  # with sign-in such a header opens nothing either
        assert (await site.browser().ask("GET", "/status", header)).status == 401


async def test_a_visitor_from_elsewhere_is_not_local(bus: Bus) -> None:
    """Whatever was bound: the addresses of the connection are looked at too."""
    async with running_site(bus, api_sign_in="off") as site:
        answers = []

        async def send(message: object) -> None:
            answers.append(message)

        async def receive() -> dict[str, object]:
            await asyncio.sleep(0)
            return {"type": "http.request", "body": b"", "more_body": False}

        for client, server in (
            (("203.0.113.7", 1), ("127.0.0.1", 1)),
            (("127.0.0.1", 1), ("203.0.113.7", 1)),
            (None, ("127.0.0.1", 1)),
            (("::ffff:203.0.113.7", 1), ("::1", 1)),
            (("::ffff:127.0.0.1", 1), ("::1", 1)),
        ):
            scope = {
                "type": "http",
                "method": "GET",
                "path": "/session",
                "raw_path": b"/session",
                "query_string": b"",
                "headers": [(b"host", b"127.0.0.1")],
                "client": client,
                "server": server,
                "scheme": "http",
                "http_version": "1.1",
                "root_path": "",
            }
            await site.app(scope, receive, send)
        statuses = [each["status"] for each in answers if each["type"] == "http.response.start"]  # type: ignore[index]
        assert statuses == [403, 403, 403, 403, 200]


async def test_a_follower_in_the_demo_sees_what_a_follower_sees(bus: Bus) -> None:
    async with running_site(bus, api_sign_in="off") as site:
        follower = await site.follower("alice")
        assert await follower.status() == 403
        assert await site.browser().status() == 200
