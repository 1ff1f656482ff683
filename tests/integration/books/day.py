"""One random day: the master and alice trade at the paper exchange, through the product's own processes and a real Redis.

The master's fills are found by its fill watcher, decided by the engine, and carried out by the executor, whose scripts write
positions, sums and reports. Beside that the owners of both accounts do what owners do. Nothing here writes what is compared.
"""

from __future__ import annotations

import asyncio
import time as steady_time
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from random import Random
from typing import Final

from services.executor.account.performance.sums_builder import SumsBuilder
from services.executor.protection.housekeeper import Task
from services.executor.turn.symbol_queues import SymbolQueues
from services.master_strategy.account.master_results import MasterResults
from services.paper_exchange.core.account import Account
from services.paper_exchange.core.instrument import Side as PaperSide
from services.paper_exchange.core.order import Order, OrderType, Ticket
from services.paper_exchange.core.renaming import rename
from shared.bus.connection import Bus
from shared.bus.flow.joined_ids import is_joined
from shared.bus.flow.streams import Group
from shared.bus.state.records import Records
from shared.contracts import keys
from shared.contracts.messages import OrderMessage
from shared.domain.account import MASTER
from shared.domain.limits.policy import BelowMinimum, LimitPolicy, OnJoin, OrdersMode, SizingPolicy, UserPolicy
from shared.domain.order import Side
from shared.domain.position import MAIN, Position
from shared.domain.rename import Rename, Renames
from shared.domain.values.money import ONE, ZERO, Price
from shared.domain.values.symbol import Symbol
from shared.domain.values.venue import VENUES
from shared.venues.port import OrderRequest
from tests.integration.books.core_venue import instrument_of, traded_symbols
from tests.integration.books.paper_accounts import (
    SYMBOLS,
    AtTheCore,
    EngineTurn,
    MasterRig,
    UserRig,
    open_books,
    open_exchange,
)
from tests.integration.books.resting_day import RestingDay
from tests.integration.execution.stepped_time import SteppedTime
from tests.integration.executor.rig import USER, own_exits
from tests.support.examples import a_policy

_RULES: Final = ("stop_loss", "take_profit", "trailing", "flatten")
_SHARES: Final = tuple(Decimal(share) for share in ("0.1", "0.37", "0.5", "0.95", "1", "1"))
_RENEW_EVERY: Final = 0.5
"""Seconds."""
_A_STEP: Final = 400
"""Milliseconds between two events: a day of a dozen events must not reach into the next month."""


class Day:
    """One day of the two accounts at one venue; `run` lets it pass."""

    def __init__(self, bus: Bus, seed: int, steps: int = 9) -> None:
        self.bus = bus
        self._random = random = Random(seed)
        self._steps = steps
        self.at: str = random.choice(VENUES)
        self.time = SteppedTime()
        self.time.now = steady_time.time_ns() // 1_000_000  # entries of streams have ids by the clock of Redis
        self.exchange = open_exchange(self.time, self.at)
        self.began = {
            "master": Decimal(random.choice(("20000", "2000000"))),
            USER: Decimal(random.choice(("400", "9000", "700000"))),
        }
        self.books = {user: open_books(self.exchange, user, str(cash)) for user, cash in self.began.items()}
        self._apart = random.random() < 0.5
        """Whether alice trades past Shoal as well; then no sale has its fee in base, which would take her own coins."""
        self._masters = MasterRig(bus, time=self.time, at=self.at)
        self._masters.core = AtTheCore(self.exchange, self.books["master"])
        self._users = UserRig(bus, clock=self.time, steady=lambda: self.time.steady, sleep=self.time.sleep, at=self.at)
        self._users.core = AtTheCore(self.exchange, self.books[USER], self._fee_in_base)
        self._users.policy = self._policy()
        self._resting: RestingDay | None = None
        if self._users.policy.orders is OrdersMode.MIRROR:  # what follows a resting order sleeps between its looks
            self._users.steady, self._users.sleep = steady_time.monotonic, asyncio.sleep
        self.apart: dict[str, Decimal] = {}
        """What the owner of alice's account has done past Shoal, by asset: deposits and trades."""
        self.began_with = self.began[USER]
        self.began_at = self.time.now
        self.joined_late = False
        self.renamed = ZERO
        """How many NDOT one DOT has become; zero while it is DOT."""
        self._seen: Counter[str] = Counter()

    async def run(self) -> None:
        """Let the day pass."""
        async with asyncio.TaskGroup() as tasks:
            await self._open(tasks)
            keeping = tasks.create_task(self._keep_leases())
            for _ in range(self._steps):
                await self._step()
            if self._resting is not None:
                await self._resting.end(self.books[MASTER], self._look_at_master, self._carry_out)
            await self._results.add_signals()
            if self._resting is None and self.at == "kraken" and self._random.random() < 0.2:
                await self._rename()
            keeping.cancel()
        self._rest()
        await self._publish()

    @property
    def symbols(self) -> list[Symbol]:
        """Return the dollar pairs of the market."""
        return traded_symbols(self.exchange)

    @property
    def sent(self) -> set[str]:
        """Return the client ids of all orders that Shoal ever sent to alice's account."""
        assert self._users.core is not None
        return {order.client_order_id for venue in self._users.core.opened for order in venue.sent}

    def price(self, symbol: Symbol) -> Decimal:
        """Return the market's price."""
        return self.exchange.view.last(str(symbol))

    def masters_profit(self) -> Decimal:
        """Return by how much the master's account is worth more than what it was given."""
        books = self.books[MASTER]
        coins = sum((books.balances[each.base] * self.price(each) for each in self.symbols), ZERO)
        return books.balances["USD"] + coins - self.began[MASTER]

    def happened(self) -> Counter[str]:
        """Return what the day had, by the exchange's books where they say it."""
        seen = self._seen
        seen[f"at {self.at}"] += 1
        for order in self.books[USER].orders.values():
            if order.ticket.client_id not in self.sent or not order.filled:
                continue
            seen["filled in part"] += order.filled < order.size
            if order.ticket.fee_in_base:
                seen[f"fee in base of a {'purchase' if order.side is PaperSide.BUY else 'sale'}"] += 1
        return seen

    def _policy(self) -> UserPolicy:
        random = self._random
        return a_policy(
            USER,
            venues=(self.at,),
            on_join=random.choice(tuple(OnJoin)),
            orders=OrdersMode.MIRROR if random.random() < 0.25 else OrdersMode.FILLS,
            sizing=SizingPolicy(
                multiplier=Decimal(random.choice(("1", "0.3", "3"))),
                below_minimum=random.choice((BelowMinimum.SKIP, BelowMinimum.ROUND_UP)),
            ),
            limits=LimitPolicy(max_order_pct=random.choice((None, Decimal(10), Decimal(40)))),
        )

    def _fee_in_base(self, order: OrderRequest) -> bool:
        """Return whether the venue takes the fee of an order in base; never at Coinbase."""
        if self.at != "kraken" or self._random.random() > 0.3:
            return False
        if order.side is Side.BUY:
            return True
        return not self._apart and order.size.amount * 2 <= self.books[USER].balances[order.symbol.base]

    async def _open(self, tasks: asyncio.TaskGroup) -> None:
        for symbol in SYMBOLS:
            self._move(symbol, 200)
        await Records(self.bus).write_instruments(self.at, [instrument_of(self.exchange, each) for each in SYMBOLS])
        await self._publish()
        self._run = await self._masters.start()
        self._results = MasterResults(self.bus, self._run.store, self.at, self.time.clock(), "USD")
        await self._run.resume()
        await self._owner_starts()
        self._engine = EngineTurn(self.bus, [], self.time)
        self.joined_late = self._random.random() < 0.3
        if self._users.policy.orders is OrdersMode.MIRROR:
            self._resting = RestingDay(self._run, self._owner, self._engine, self.at)
            await self._resting.begin(tasks)
        if not self.joined_late:
            await self._follow(self._users.policy)
        else:
            await self._engine.begin()
            for _ in range(2):
                await self._masters_trade()
            await self._follow(self._users.policy)
            await self._settle_joins()

    async def _owner_starts(self) -> None:
        self._handing_over = True
        self._owner = await self._users.start()
        self._handing_over = False
        if self.renamed:  # a venue's list has the names, and the operator's table the ratio
            self._owner.context.names.table = Renames.of([Rename("DOT", "NDOT", self.renamed)])
        await self._owner.context.names.learn()
        await SumsBuilder(self.bus, self._owner.context).round()

    async def _keep_leases(self) -> None:
        """Renew the leases of both processes, as they do: a busy machine needs longer for a day than one lasts."""
        while True:
            await asyncio.sleep(_RENEW_EVERY)
            await self._run.lease.renew()
            if not self._handing_over:
                await self._owner.lease.renew()

    async def _follow(self, policy: UserPolicy) -> None:
        self._engine.users = [policy]
        self._users.policy = policy
        self._owner.context.follow(policy)
        await self._engine.begin()

    async def _settle_joins(self) -> None:
        for _ in range(4):
            if not await self._engine.join():
                break
        await self._carry_out()

    async def _step(self) -> None:
        random, chance = self._random, self._random.random()
        if chance < 0.12:
            self._transfer()
        elif chance < 0.24 and self._apart:
            self._trade_apart()
        elif chance < 0.36:
            await self._own_exit()
        elif chance < 0.44:
            await self._follow(replace(self._users.policy, enabled=not self._users.policy.enabled))
            self._seen["disabled"] += 1
        elif chance < 0.5 and self._resting is None:
            await self._owner_starts()  # another process takes over
            self._seen["another process"] += 1
        elif chance < 0.8 and self._resting is not None:
            await self._masters_order_rests(self._resting)
        else:
            await self._masters_trade()
        self._pass()
        self._move(random.choice(SYMBOLS), 200)
        await self._publish()
        await self._owner.context.account.read()
        await self._run.mirror.refresh()

    async def _rename(self) -> None:
        """Have the venue rename a coin, and a rule of alice's sell what she holds of it by another process."""
        if not self.books[USER].balances["DOT"]:
            return
        self.renamed = Decimal(self._random.choice(("1", "10")))
        rename(self.exchange, "DOT", "NDOT", self.renamed, lambda instrument: None)
        self._seen["renamed"] += 1
        if "DOT" in self.apart:
            self.apart["NDOT"] = self.apart.pop("DOT") * self.renamed
        await self._owner_starts()
        held = (await Records(self.bus).positions(USER, self.at)).get(Symbol("DOT", "USD"))
        if held is not None:
            await self._sell(held)

    def _pass(self) -> None:
        self.time.now += _A_STEP

    def _rest(self) -> None:
        self._pass()
        for symbol in self.symbols:
            self._move(symbol, 200)

    def _move(self, symbol: Symbol, most: int) -> None:
        """Move a price by at most so many basis points."""
        moved = self.price(symbol) * (ONE + Decimal(self._random.randint(-most, most)) / 10_000)
        self.exchange.set_price(str(symbol), moved.quantize(self.exchange.market.feeds[str(symbol)].instrument.tick))

    async def _publish(self) -> None:
        """Publish the prices, as the price feed does."""
        prices = [Price(self.price(symbol), symbol) for symbol in self.symbols]
        await Records(self.bus).write_prices(self.at, prices, self.time.now)

    async def _masters_trade(self) -> None:
        random, books = self._random, self.books["master"]
        symbol = random.choice(SYMBOLS)
        held = books.balances[symbol.base]
        if held and random.random() < 0.45:
            self._order(books, symbol, PaperSide.SELL, held * random.choice(_SHARES))
        else:
            self._order(
                books, symbol, PaperSide.BUY, books.balances["USD"] * random.randint(1, 40) / 100 / self.price(symbol)
            )
        self._pass()
        await self._run.mirror.refresh()
        await self._look_at_master()
        self._move(symbol, 30)
        if random.random() < 0.7:
            await self._publish()
        await self._engine.distribute()
        await self._settle_joins()
        await self._carry_out()

    async def _look_at_master(self) -> None:
        assert await self._run.watcher.scan_or_report()
        await self._engine.distribute()

    async def _masters_order_rests(self, resting: RestingDay) -> None:
        """Have an order of the master's rest that alice mirrors, and the market go there, or not."""
        random, books = self._random, self.books[MASTER]
        symbol = random.choice(SYMBOLS)
        held, price = books.balances[symbol.base], self.price(symbol)
        side = PaperSide.SELL if held and random.random() < 0.4 else PaperSide.BUY
        size = held * random.choice(_SHARES) if side is PaperSide.SELL else books.balances["USD"] / 5 / price
        away = ONE + Decimal(15 if side is PaperSide.SELL else -15) / 10_000
        if not self._order(books, symbol, side, size, limit=price * away):
            return
        self._seen["rested"] += 1
        await self._look_at_master()
        await resting.carry()
        for _ in range(random.randint(0, 3)):
            self._pass()
            self._move(symbol, 90)
            await self._publish()
            await self._look_at_master()
            await resting.carry()
            await self._carry_out()
        await resting.end(books, self._look_at_master, self._carry_out)

    async def _carry_out(self) -> None:
        """Run what was decided for alice."""
        group = Group(self.bus, keys.EXECUTOR)
        await group.ensure([keys.orders(USER)])
        for entry in await group.read_new([keys.orders(USER)], 100, 1):
            decision = OrderMessage.parse(entry.fields).to_domain()
            self._seen["joined"] += is_joined(entry.id) and decision.copy is not None
            if self._random.random() < 0.25:
                self.exchange.faults.arm("partial_fill_then_cancel", count=1, user=USER)
            await asyncio.wait_for(self._owner.dispatcher.run(decision, entry.id, redelivered=False), 60)
            self.exchange.faults.clear()
            self._pass()

    async def _own_exit(self) -> None:
        """Have a rule of alice's sell one of her positions."""
        held = await Records(self.bus).positions(USER, self.at)
        if not held:
            return
        await self._sell(self._random.choice(sorted(held.values(), key=lambda each: str(each.symbol))))

    async def _sell(self, position: Position) -> None:
        async def run_task(task: Task) -> None:
            await task()

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            exits = own_exits(self._owner, SymbolQueues(tasks, run_task))
            exits.close(MAIN, position, self._random.choice(_RULES), "a test")
        self._seen["own exit"] += 1

    def _transfer(self) -> None:
        user = self._random.choice(("master", USER))
        books, amount = self.books[user], Decimal(self._random.choice(("250.07", "3000", "-33.5")))
        if books.balances["USD"] + amount < 0:
            return
        books.transfer(self.exchange.ids.make("L"), self.exchange.clock.now(), "USD", amount)
        self.began[user] += amount
        if user == USER:
            self._note_apart("USD", amount)
            self._seen["deposit" if amount > 0 else "withdrawal"] += 1

    def _trade_apart(self) -> None:
        """Trade on alice's account past Shoal: a purchase, or a sale of what was bought so."""
        symbol, books = self._random.choice(SYMBOLS), self.books[USER]
        own = self.apart.get(symbol.base, ZERO)
        if own > 0 and self._random.random() < 0.5:
            self._order(books, symbol, PaperSide.SELL, own * self._random.choice(_SHARES))
        else:
            self._order(books, symbol, PaperSide.BUY, books.balances["USD"] / 10 / self.price(symbol))

    def _note_apart(self, asset: str, amount: Decimal) -> None:
        self.apart[asset] = self.apart.get(asset, ZERO) + amount

    def _order(
        self, books: Account, symbol: Symbol, side: PaperSide, size: Decimal, *, limit: Decimal | None = None
    ) -> bool:
        """Place an order of an account's owner, at market or resting at a limit; return whether the exchange took it."""
        instrument = self.exchange.rules.base(str(symbol))
        bound = None if limit is None else instrument.round_price(limit, side)
        kind = OrderType.MARKET if limit is None else OrderType.LIMIT
        ticket = Ticket(instrument, side, kind, instrument.floor_size(size), limit=bound)
        if ticket.size < instrument.order_min or ticket.size * self.price(symbol) < instrument.cost_min:
            return False
        before = dict(books.balances)
        placed = self.exchange.place(books, ticket)
        if isinstance(placed, Order) and books is self.books[USER]:
            self._seen["owner traded apart"] += 1
            for asset, amount in books.balances.items():
                if amount != before.get(asset, ZERO):
                    self._note_apart(asset, amount - before.get(asset, ZERO))
        return isinstance(placed, Order)
