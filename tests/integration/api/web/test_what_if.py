"""The page on which other settings are tried on a user's past signals."""

from __future__ import annotations

import re

from shared.bus.connection import Bus
from shared.bus.flow.signals import SignalLog
from shared.bus.state.records import Records
from tests.integration.api.web.conftest import page
from tests.support.copies import Copies
from tests.support.engines import carried, running
from tests.support.examples import a_policy, an_account, an_entry, an_exit, an_instrument
from tests.support.open_api import OpenApi

_FIELD = re.compile(r'name="set\.([a-z_.]+)" value="([^"]*)"')


async def decide(bus: Bus) -> None:
    await Records(bus).write_instruments("kraken", [an_instrument()])
    await Records(bus).write_account(an_account())
    async with running(bus, [a_policy()]):
        for signal in (an_entry("one"), an_exit("two")):
            await SignalLog(bus).emit(signal)
        await carried(bus, 2)


async def test_the_form_shows_the_settings_that_can_be_asked_as_they_are(site: OpenApi, copies: Copies) -> None:
    fields = dict(_FIELD.findall(await page(site, "/users/alice/what-if")))
    assert fields["sizing.multiplier"] == "1"
    assert fields["limits.daily_loss_pct"] == ""
    assert not {"exits.stop_loss_pct", "venues", "symbols.map", "stage.auto"} & fields.keys()
    await page(site, "/users/zed/what-if", code=404)


async def test_a_changed_setting_shows_what_would_differ(bus: Bus, site: OpenApi, copies: Copies) -> None:
    await decide(bus)
    form = dict(_FIELD.findall(await page(site, "/users/alice/what-if"))) | {"sizing.multiplier": "0.5"}
    query = "&".join(f"set.{key}={value}" for key, value in form.items())
    text = await page(site, f"/users/alice/what-if?days=2&{query}")
    for words in (
        "2 of 2 decisions",
        "copy 0.05 BTC",
        "copy 0.025 BTC",
        "1 smaller",
        'name="set.sizing.multiplier" value="0.5"',
    ):
        assert words in text, words
    assert 'name="days" type="number" min="1" max="90" value="2"' in text


async def test_settings_as_they_are_only_repeat_the_decisions(bus: Bus, site: OpenApi, copies: Copies) -> None:
    await decide(bus)
    text = await page(site, "/users/alice/what-if?set.sizing.multiplier=1")
    assert "2 of 2 decisions" in text
    assert "No setting was changed" in text


async def test_what_cannot_be_asked_is_said_on_the_page(bus: Bus, site: OpenApi, copies: Copies) -> None:
    await decide(bus)
    text = await page(site, "/users/alice/what-if?set.sizing.multiplier=-1")
    assert "This cannot be asked: sizing.multiplier" in text
    assert "which account" in await page(site, "/users/alice/what-if?set.venues=coinbase")
    assert "&lt;b&gt;" in await page(site, "/users/alice/what-if?set.%3Cb%3E=1"), "what was typed is never markup"
    await page(site, "/users/alice/what-if?days=91", code=422)
