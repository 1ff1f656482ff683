"""The bounds on attempts to sign in."""

from __future__ import annotations

import pytest

from services.api.access.sessions import Sessions
from services.api.access.sign_in.desk import Admitted, Refused, SignIn
from services.api.access.sign_in.verifier import PasswordVerifier
from shared.bus.connection import Bus
from shared.contracts import keys
from shared.sign_in.attempts import PER_ADDRESS, PER_BROWSER, PER_NAME, WINDOW_MS, Attempts
from shared.sign_in.known_browsers import LASTS_MS, KnownBrowsers
from shared.sign_in.people import People
from shared.sign_in.role import Role
from shared.sign_in.secret_tokens import digest
from tests.support.signed_in import HASHED, PASSWORD, running_site


async def test_after_ten_wrong_passwords_the_right_one_is_refused_too_also_by_a_new_process(bus: Bus) -> None:
    async with running_site(bus) as site:
        await site.person()
        browser = site.browser()
        csrf = await browser.csrf()
        for _ in range(PER_ADDRESS):
            assert (await browser.post("/sign-in", csrf=csrf, name="operator", password="wrong")).status == 403
        reply = await browser.post("/sign-in", csrf=csrf, name="operator", password=PASSWORD)
        assert reply.status == 429
        assert "too many attempts" in reply.text
        wait = int(reply.headers["retry-after"])
        assert 0 < wait <= WINDOW_MS // 1000
    async with running_site(bus) as site:
        browser = site.browser()
        forged = {"x-forwarded-for": "192.0.2.9", "origin": site.origin, "sec-fetch-site": "same-origin"}
        form = {"csrf": await browser.csrf(), "name": "operator", "password": PASSWORD}
        assert (
            await browser.ask("POST", "/sign-in", forged, form)
        ).status == 429  # nor by a header with another address
        await Attempts(bus).forget("operator", "127.0.0.1")
        assert (await browser.sign_in()).status == 303


async def test_nothing_is_verified_once_the_bound_is_reached(bus: Bus) -> None:
    verified = 0

    def verify(_password: str, _stored: str) -> bool:
        nonlocal verified
        verified += 1
        return False

    desk = SignIn(bus, Sessions(bus), PasswordVerifier(verify))
    for _ in range(PER_ADDRESS + 20):
        await desk.with_password("anna", "x", "192.0.2.1")
    assert verified == PER_ADDRESS


async def test_a_name_is_bounded_over_all_addresses_and_one_address_cannot_lock_it(bus: Bus) -> None:
    attempts = Attempts(bus)
    for _ in range(PER_ADDRESS * 3):
        await attempts.admit("anna", "192.0.2.1")
    # What one address tries beyond its own bound does not count for the name:
    assert await attempts.admit("anna", "192.0.2.2") == 0
    for number in range(PER_NAME):
        await attempts.admit("anna", f"198.51.100.{number}")
    assert await attempts.admit("anna", "203.0.113.1") > 0
    assert await attempts.admit("boris", "203.0.113.1") == 0
    for key in await bus.scan("shoal-access:*attempts:name:*"):
        await bus.do("PEXPIRE", key, 0)  # the window is over
    assert await attempts.admit("anna", "203.0.113.2") == 0


async def test_every_counter_ends_by_itself(bus: Bus) -> None:
    await Attempts(bus).admit("anna", "192.0.2.1")
    found = await bus.scan("shoal-access:*attempts:*")
    assert len(found) == 2
    assert all([0 < int(await bus.do("PTTL", key)) <= WINDOW_MS for key in found])


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("192.0.2.1", "192.0.2.2", False),
    ],
)
async def test_addresses_of_one_customer_count_as_one(bus: Bus, one: str, other: str, same: bool) -> None:
    for number in range(PER_ADDRESS):
        await Attempts(bus).admit(f"p{number}", one)
    assert (await Attempts(bus).admit("p", other) > 0) is same


async def test_a_success_forgets_the_failures_before_it(bus: Bus) -> None:
    await People(bus).write("anna", Role.VIEWER, HASHED, 1)
    desk = SignIn(bus, Sessions(bus), PasswordVerifier(lambda password, _: password == "right"))
    for _ in range(2):
        for _ in range(PER_ADDRESS - 1):
            assert isinstance(await desk.with_password("anna", "x", "192.0.2.1"), Refused)
        assert isinstance(await desk.with_password("anna", "right", "192.0.2.1"), Admitted)
    assert await bus.do("EXISTS", keys.attempts("address", "192.0.2.1")) == 0


async def test_strangers_cannot_lock_a_person_out_of_a_browser_in_which_they_have_signed_in(bus: Bus) -> None:
    """Behind a proxy everybody has one address; and the name of the first operator is known to all."""
    async with running_site(bus) as site:
        browser = await site.signed_in()
        (token,) = [each.value for each in browser.session.cookie_jar if each.key == "shoal_browser"]
        assert token not in str(await bus.scan("*"))
        stranger = site.browser()
        csrf = await stranger.csrf()
        for _ in range(PER_NAME + 1):
            await Attempts(bus).forget("", "127.0.0.1")  # as if each came from another address
            await stranger.post("/sign-in", csrf=csrf, name="operator", password="wrong")
        assert (await site.browser().sign_in()).status == 429
        await browser.post("/sign-out", csrf=await browser.session_csrf())
        assert (await browser.sign_in()).status == 303


async def test_a_known_browser_has_no_more_attempts_than_others_and_only_for_its_person(bus: Bus) -> None:
    await People(bus).write("anna", Role.VIEWER, HASHED, 1)
    await People(bus).write("boris", Role.VIEWER, HASHED, 1)
    desk = SignIn(bus, Sessions(bus), PasswordVerifier(lambda password, _: password == "right"))
    admitted = await desk.with_password("anna", "right", "192.0.2.1")
    assert isinstance(admitted, Admitted)
    results = [await desk.with_password("anna", "x", "192.0.2.1", admitted.browser) for _ in range(PER_BROWSER + 1)]
    assert [each.status for each in results if isinstance(each, Refused)] == [403] * PER_BROWSER + [429]
    assert isinstance(await desk.with_password("anna", "right", "192.0.2.1"), Admitted)  # by the address's own count
    for _ in range(PER_ADDRESS):
        await desk.with_password("boris", "x", "192.0.2.1", admitted.browser)
    refused = await desk.with_password("boris", "right", "192.0.2.1", admitted.browser)
    assert isinstance(refused, Refused)
    assert refused.status == 429


async def test_a_made_up_token_makes_no_browser_known(bus: Bus) -> None:
    browsers = KnownBrowsers(bus)
    for token in ("", "x", "A" * 43, "../people"):
        assert await browsers.find(token, "anna") == ""
        assert await browsers.remember(token, "anna") != token  # nor is it taken over: somebody may have planted it
    token = await browsers.remember("", "anna")
    assert await browsers.remember(token, "anna") == token
    assert await browsers.remember(token, "boris") != token
    (key,) = [name for name in await bus.scan("shoal-access:*browser:*") if name.endswith(digest(token))]
    assert LASTS_MS - 60_000 < int(await bus.do("PTTL", key)) <= LASTS_MS
