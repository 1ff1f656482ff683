"""What a process knows of a key does not end with a turn: the exchange goes on counting, and nothing need be learnt again."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from services.executor.account.context import AccountContext
from services.executor.account.context_factory import AccountContextFactory
from shared.bus.connection import Bus
from shared.bus.ownership.nonce import NonceCounter
from shared.config.settings import load_settings
from shared.domain.limits.policy import FileState
from shared.venues.errors import Refusal, Rejected
from shared.venues.factory import new_http_session
from shared.venues.kraken.adapter import KrakenVenue
from shared.venues.unusable import UnusableVenue
from tests.support.examples import a_policy
from tests.support.leases import take_over

KEYS = {
    f"KRAKEN_USER_{user}_{part}": value
    for user in ("ALICE", "BOB")
    for part, value in [
        ("API_KEY", f"PAPERkeyOf{user.title()}"),
        ("API_SECRET", base64.b64encode(user.encode()).decode()),
    ]
}


@pytest.fixture
async def contexts(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AccountContextFactory]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    async with new_http_session() as http:
        yield AccountContextFactory(load_settings(), bus, http, lambda: time.time_ns() // 1_000_000)


async def desk_of(contexts: AccountContextFactory, bus: Bus, user: str) -> AccountContext:
    """Begin a turn of a user in this process."""
    return await contexts.make(a_policy(user), "kraken", await take_over(bus, user, str(uuid4())))


async def test_the_next_turn_goes_on_with_what_the_key_has_asked(contexts: AccountContextFactory, bus: Bus) -> None:
    first, second, bobs = [await desk_of(contexts, bus, user) for user in ("alice", "alice", "bob")]
    assert isinstance(first.venue, KrakenVenue)
    assert isinstance(second.venue, KrakenVenue)
    assert isinstance(bobs.venue, KrakenVenue)
    assert second.venue is not first.venue
    assert second.venue._budget is first.venue._budget is second.venue._lane._budget
    assert bobs.venue._budget is not first.venue._budget


def nonces_of(context: AccountContext) -> NonceCounter:
    assert context.sender.permit is not None
    return context.sender.permit


async def test_the_next_turn_begins_above_every_nonce_that_was_used_here(
    contexts: AccountContextFactory, bus: Bus
) -> None:
    first = nonces_of(await desk_of(contexts, bus, "alice"))
    ahead = await first.next(advance=3_600_000_000)  # an hour ahead of the clock, as after a refused nonce
    await bus.do("DEL", first.key)  # Redis has lost it
    second = nonces_of(await desk_of(contexts, bus, "alice"))
    assert await second.next() > ahead


async def test_a_key_that_has_been_probed_is_probed_again_only_after_a_refusal(
    contexts: AccountContextFactory, bus: Bus
) -> None:
    first = await desk_of(contexts, bus, "alice")
    first.account._key.probed = True
    second = await desk_of(contexts, bus, "alice")
    assert second.account._key.probed
    assert not (await desk_of(contexts, bus, "bob")).account._key.probed
    await second.account.park("EGeneral:Permission denied", Refusal.AUTH)
    assert not (await desk_of(contexts, bus, "alice")).account._key.probed


@pytest.mark.parametrize("state", [FileState.SHARED, FileState.GONE])
async def test_a_key_that_may_be_anothers_is_used_only_by_who_traded_with_it_before(
    contexts: AccountContextFactory, bus: Bus, state: FileState
) -> None:
    """Cases E2 and F2: nobody without a file of their own may sell on an account that may be somebody else's."""
    policy = a_policy("alice", file=state, fault="alice.toml: the file is gone")
    stranger = await contexts.make(policy, "kraken", await take_over(bus, "alice", str(uuid4())))
    assert isinstance(stranger.venue, UnusableVenue)
    with pytest.raises(Rejected, match="nor do exits go on: the key may be another user's"):
        await stranger.venue.balances()
    before = await desk_of(contexts, bus, "alice")
    await nonces_of(before).next()
    again = await contexts.make(policy, "kraken", await take_over(bus, "alice", str(uuid4())))
    assert isinstance(again.venue, KrakenVenue)


async def test_who_has_a_bad_file_trades_on_with_their_own_key(contexts: AccountContextFactory, bus: Bus) -> None:
    policy = a_policy("alice", file=FileState.BAD, fault="alice.toml: not valid TOML")
    context = await contexts.make(policy, "kraken", await take_over(bus, "alice", str(uuid4())))
    assert isinstance(context.venue, KrakenVenue)
