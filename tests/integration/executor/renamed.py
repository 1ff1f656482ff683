"""A venue that renames DOT to NDOT, with alice's account at it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from services.executor.account.context import AccountContext
from shared.bus.connection import Bus
from shared.bus.state.records import Records
from shared.domain.order import Decision
from shared.domain.position import Position
from shared.domain.rename import Rename, Renames
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import Price, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.fake import FakeAccount, FakeMarket
from tests.integration.executor.rig import USER, Owner, Rig
from tests.support.examples import usd

DOT, NDOT = Symbol("DOT", "USD"), Symbol("NDOT", "USD")
TABLE = Renames.of([Rename("DOT", "NDOT")])
TENFOLD = Renames.of([Rename("DOT", "NDOT", Decimal(10))])
PAIR = Instrument(DOT, Decimal("0.00000001"), Decimal("0.0001"), Decimal("3.9"), Decimal("0.5"))


def dot(amount: str) -> Quantity:
    return Quantity(Decimal(amount), "DOT")


@dataclass
class World:
    """Alice holds 100 DOT from copying, and 5 of their own."""

    rig: Rig
    owner: Owner

    @property
    def context(self) -> AccountContext:
        return self.owner.context

    def know(self, table: Renames) -> None:
        """Have the turn begin with this table of the operator's."""
        self.context.names.table = self.context.names.renames = table

    def list_new(self, price: str = "6", ratio: str = "1") -> None:
        """The venue lists NDOT and no DOT any more."""
        market = self.rig.market
        del market.instruments[DOT], market.prices[DOT]
        market.instruments[NDOT] = replace(PAIR, symbol=NDOT, min_size=PAIR.min_size * Decimal(ratio))
        market.prices[NDOT] = Decimal(price)

    def give_new(self, ratio: str = "1") -> None:
        """The account's coins stand under the new name."""
        self.rig.account.balances["NDOT"] = self.rig.account.balances.pop("DOT") * Decimal(ratio)

    def rename(self, ratio: str = "1") -> None:
        """All at once."""
        self.list_new(str(Decimal(6) / Decimal(ratio)), ratio)
        self.give_new(ratio)

    async def held(self) -> dict[str, Decimal]:
        """Read the books."""
        found = await Records(self.rig.bus).positions(USER, "kraken")
        return {str(symbol): position.size.amount for symbol, position in found.items()}

    def close(self, symbol: Symbol, fraction: str = "1") -> Decision:
        """Decide to copy a close, as the engine does when the signal names this symbol."""
        return replace(self.rig.close(fraction), symbol=symbol)


async def a_world(bus: Bus) -> World:
    """Have alice hold 100 DOT from copying, and 5 more of her own."""
    market = FakeMarket({DOT: Decimal(6)}, {DOT: PAIR})
    rig = Rig(bus, market=market, account=FakeAccount({"USD": Decimal(1_000), "DOT": Decimal(105)}))
    owner = await rig.start()
    at = rig.clock.now - 60_000
    position = Position.flat(DOT, at).bought(dot("100"), usd(600), at, Price(Decimal(7), DOT))
    await Records(bus).write_position(USER, "kraken", position)
    return World(rig, owner)
