"""An engine's turn a step at a time, on a bus that can die at any command; and what a newcomer's joining is judged by."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from services.copy_engine.decisions.fanout import FanOut
from services.copy_engine.decisions.markets import Markets
from services.copy_engine.followers.following_record import record_followers
from services.copy_engine.joining.joiner import Joiner
from shared.bus.client.wire import Command
from shared.bus.connection import Bus
from shared.bus.errors import BusUnavailable
from shared.bus.flow.joined_ids import is_joined
from shared.bus.flow.streams import Entry, Group
from shared.bus.state.records import Records, pairs
from shared.contracts import keys
from shared.contracts.messages import SignalMessage
from shared.domain.limits.policy import OnJoin, UserPolicy
from shared.domain.order import Decision
from tests.support.examples import BTC_USD, NOW, a_policy, an_account, an_entry, an_instrument, btc_price
from tests.support.known_markets import KnownMarkets
from tests.support.order_stream import decided

Emit = Callable[..., Awaitable[Entry]]
DAVE: Final = a_policy("dave", on_join=OnJoin.COPY_OPEN)


class Clock:
    """Stands where it is put."""

    def __init__(self) -> None:
        self.now = NOW + 40

    def __call__(self) -> int:
        """Tell."""
        return self.now


class MortalBus(Bus):
    """The real bus, on which this process dies with one command: before it has run, or after it has and nobody was told."""

    def __init__(self, bus: Bus, dies_at: int, *, after: bool) -> None:
        super().__init__(bus._reader, bus._writer)
        self._left = dies_at
        self._after = after

    @property
    def died(self) -> bool:
        """Whether the command was reached."""
        return self._left < 0

    async def do(self, *command: str | bytes | float) -> Any:
        """Run one command."""
        await self._perhaps(before=True)
        answer = await super().do(*command)
        await self._perhaps(before=False)
        return answer

    async def do_all(self, commands: Sequence[Command]) -> list[Any]:
        """Run several; they stand or fall together here."""
        await self._perhaps(before=True)
        answers = await super().do_all(commands)
        await self._perhaps(before=False)
        return answers

    async def _perhaps(self, *, before: bool) -> None:
        if before:
            self._left -= 1
        if self._left < 0 and self._after is not before:
            raise BusUnavailable("dead")


class Turn:
    """One engine's turn, a step at a time, in the engine's own order of steps."""

    def __init__(self, bus: Bus, users: Sequence[UserPolicy], clock: Callable[[], int] | None = None) -> None:
        self.bus = bus
        self.users = users
        self.clock = clock or Clock()
        self.group = Group(bus, keys.ENGINE)
        self.joiner = Joiner(bus, self.group, self.clock)
        self.fanout = FanOut(bus, self.clock)

    async def begin(self) -> Turn:
        """Take over who is followed, and what a predecessor left."""
        await self.group.ensure([keys.SIGNALS])
        await self.follow(self.users)
        for entry in await self.group.all_pending(keys.SIGNALS):
            await self._process(entry)
        return self

    async def follow(self, users: Sequence[UserPolicy]) -> None:
        """Take over changed settings."""
        self.users = users
        self.joiner.set_pending(await record_followers(self.bus, self.group, users, self.clock()))

    async def distribute(self) -> None:
        """Carry what is new."""
        for entry in await self.group.read_new([keys.SIGNALS], 10, 1):
            await self._process(entry)

    async def join(self) -> bool:
        """Go one round of joining."""
        return await self.joiner.run_round(self.users, Markets(Records(self.bus), self.clock, time.monotonic))

    async def _process(self, entry: Entry) -> None:
        signal = SignalMessage.parse(entry.fields).to_domain()
        await self.fanout.distribute(entry, signal, self.users, KnownMarkets({BTC_USD: an_instrument()}))
        await self.group.ack(keys.SIGNALS, entry.id)


async def market(bus: Bus, price: str = "60000", at: int = NOW) -> None:
    """Publish a price."""
    await Records(bus).write_prices("kraken", [btc_price(price)], at)


async def opened(bus: Bus, emit: Emit, users: Sequence[UserPolicy]) -> Entry:
    """Have the master buy, and an engine carry it to who follows already; dave's account is ready and a price is known."""
    await Records(bus).write_account(an_account("dave"))
    await market(bus)
    entry = await emit(an_entry("open"))
    await (await Turn(bus, users).begin()).distribute()
    return entry


async def told(bus: Bus, user: str = "dave") -> list[tuple[str, Decision]]:
    """Read which joined decisions stand in a user's stream."""
    return [(entry_id, decision) for entry_id, decision in await decided(bus, user) if is_joined(entry_id)]


async def joining(bus: Bus, user: str = "dave") -> str | None:
    """Read since when a user is being joined; blank once it is done, None if he never was."""
    return pairs(await bus.do("HGETALL", keys.following(user))).get("joining")
