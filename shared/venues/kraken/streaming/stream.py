"""The private stream of one Kraken account: one connection with the channels `executions` and `balances`.

For each connection a token is fetched through the key's lane, since it takes a nonce. The stream counts as seen once both the
acknowledgement and the snapshot of `executions` are in; whatever may have been lost before or between leads to a comparison by
REST. `executions` names the tier of the account beside it, which sets the key's rate budget.

It must never log the token, and never tell anything of an order that it has not read as a whole. Sources: docs.kraken.com
`websocket-v2/{executions,balances,status,heartbeat}`, *Get Websockets Token*; KRAKEN.md, K34 to K37.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import structlog

from shared.venues.answers import UNREADABLE
from shared.venues.errors import KEY_REFUSALS, Rejected, Unavailable, presentable
from shared.venues.kraken import parse
from shared.venues.kraken.errors import lacks_permission
from shared.venues.kraken.lane import Lane
from shared.venues.kraken.public import KrakenPublic
from shared.venues.kraken.rate_budget import RateBudget
from shared.venues.kraken.streaming import rows
from shared.venues.kraken.streaming.orders import OrderTable, pairs_of
from shared.venues.kraken.symbols import PairBook
from shared.venues.stream import ConnectPermit, StreamReader, StreamRefused
from shared.venues.streaming.attempts import Attempts
from shared.venues.streaming.connection import StreamAddress, StreamConnection, StreamEnded, UnreadableMessage
from shared.venues.streaming.coverage import Coverage
from shared.venues.streaming.delivery import Delivery, Unclear
from shared.venues.streaming.sequence import Sequence

EXECUTIONS: Final = "executions"
BALANCES: Final = "balances"
_IDS: Final[Mapping[int, str]] = {1: EXECUTIONS, 2: BALANCES}
_IDLE: Final = frozenset({"heartbeat", "status"})
_TOKEN_REFUSED: Final = ("invalid session", "invalid token")
_SUBSCRIBED_WITHIN: Final = 10.0
"""Seconds within which a subscription has to be acknowledged."""
_SNAPSHOT_WITHIN: Final = 3.0
"""Seconds after the acknowledgement within which the snapshot is waited for."""
_NO_WEBSOCKETS: Final = (
    'the key lacks "WebSocket interface": tick it at Kraken under Settings, API; until then it is polled'
)

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class _Account:
    """What all connections of one account's stream share."""

    address: StreamAddress
    lane: Lane
    public: KrakenPublic
    budget: RateBudget
    table: OrderTable
    sequence: Sequence

    async def token(self) -> str:
        """Fetch a token. Raises StreamRefused, Rejected for a key that is refused as a whole, Unavailable."""
        try:
            answer = await self.lane.look_up("GetWebSocketsToken")
        except Rejected as refused:
            if lacks_permission(refused.words):
                raise StreamRefused(_NO_WEBSOCKETS) from None
            if refused.refusal in KEY_REFUSALS:
                raise
            raise Unavailable(refused.words) from None
        with parse.readable("GetWebSocketsToken"):
            token = answer["token"]
            if not isinstance(token, str) or not token:
                raise TypeError("token")
        return token

    async def book(self, data: list[Any]) -> PairBook:
        """Return the list of pairs, fetched again if a row names a pair that is not in it."""
        book = await self.public.names()
        unknown = {pair for pair in pairs_of(data) if book.symbol(pair) is None and pair not in book.left_out}
        if unknown and await self.public.learn(unknown):
            book = await self.public.names()
        return book


class KrakenStream:
    """The stream of a key's account; see `PrivateStream`."""

    def __init__(
        self, address: StreamAddress, lane: Lane, public: KrakenPublic, budget: RateBudget, attempts: Attempts
    ) -> None:
        self._account = _Account(address, lane, public, budget, OrderTable(), Sequence())
        self._attempts = attempts
        self._session: _Session | None = None

    @property
    def shows_funds(self) -> bool:
        """Whether the present connection has the channel `balances`: Kraken may refuse it alone."""
        return self._session is not None and self._session.shows_funds

    async def run(self, reader: StreamReader, permit: ConnectPermit) -> NoReturn:
        """Connect, subscribe and tell, for ever; see the port."""
        await self._attempts.run(self._attempt, reader, permit)

    async def _attempt(self, delivery: Delivery, seen: Callable[[str], None]) -> None:
        account = self._account
        account.table.doubt()
        account.sequence.begin()
        await account.public.names()
        token = await account.token()
        async with account.address.connect() as connection:
            coverage = Coverage(account.public.name, delivery, seen, doubt=account.table.doubt)
            self._session = _Session(account, connection, delivery, coverage, token)
            try:
                await self._session.run()
            finally:
                self._session = None


@dataclass
class _Session:
    """One connection."""

    account: _Account
    connection: StreamConnection
    delivery: Delivery
    coverage: Coverage
    token: str = field(repr=False)
    acknowledged_at: float | None = None
    shows_funds: bool = False
    renewed: bool = False

    async def run(self) -> NoReturn:
        """Subscribe and read until the connection ends. Raises StreamRefused, Rejected, Unavailable."""
        began = _now()
        await self._subscribe(EXECUTIONS)
        while True:
            try:
                await self._take(await self.connection.receive())
            except UnreadableMessage as unreadable:
                self.coverage.lost(str(unreadable))
            self._check_patience(began)

    async def _subscribe(self, channel: str) -> None:
        params: dict[str, object] = {"channel": channel, "token": self.token}
        if channel == EXECUTIONS:
            params |= {"snap_orders": True, "snap_trades": True, "order_status": True}
        number = next(number for number, name in _IDS.items() if name == channel)
        await self.connection.send({"method": "subscribe", "params": params, "req_id": number})

    def _check_patience(self, began: float) -> None:
        """Called after each message, of which a heartbeat is one a second."""
        if self.coverage.begun:
            return
        if self.acknowledged_at is not None and _now() - self.acknowledged_at > _SNAPSHOT_WITHIN:
            self.coverage.begin("connected; no snapshot came")
        elif self.acknowledged_at is None and _now() - began > _SUBSCRIBED_WITHIN:
            raise StreamEnded("the subscription was not acknowledged")

    async def _take(self, message: Mapping[str, Any]) -> None:
        channel, method = message.get("channel"), message.get("method")
        if channel in {EXECUTIONS, BALANCES}:
            await self._take_rows(str(channel), message)
        elif method == "subscribe":
            await self._take_answer(message)
        elif channel in _IDLE or method == "pong":
            return
        elif (error := message.get("error") or message.get("Error")) is not None:
            raise Unavailable(f"Kraken's stream: {self._presentable(error)}")
        else:
            self.coverage.wonder(f"{channel or method}")

    async def _take_rows(self, channel: str, message: Mapping[str, Any]) -> None:
        if not self.account.sequence.follows(channel, message.get("sequence")):
            self.coverage.lost(f"a gap in {channel}")
        data, kind = message.get("data"), message.get("type")
        if not isinstance(data, list) or kind not in {"snapshot", "update"}:
            self.coverage.lost(f"a message of {channel} cannot be read")
        elif channel == BALANCES:
            if kind == "update":
                self._tell_funds(data)
        elif kind == "snapshot":
            self.account.table.snapshot(await self.account.book(data), data)
            self._note_strange_rows()
            self.coverage.begin("connected" if not self.coverage.begun else "another snapshot")
        else:
            self._tell_orders(await self.account.book(data), data)

    def _tell_orders(self, book: PairBook, data: list[Any]) -> None:
        told = self.account.table.update(book, data)
        self._note_strange_rows()
        for event in told:
            if isinstance(event, Unclear) and not event.venue_order_id:
                self.coverage.lost(event.why)
            elif self.coverage.begun:  # what comes before is covered by the first comparison
                self.delivery.tell(event)

    def _tell_funds(self, data: list[Any]) -> None:
        names = self.account.public.known_names
        for row in data:
            try:
                moved = rows.funds_moved(names, row)
            except UNREADABLE:
                self.coverage.lost("a row of balances cannot be read")
            else:
                if moved is not None:
                    self.delivery.tell(moved)

    async def _take_answer(self, message: Mapping[str, Any]) -> None:
        number = message.get("req_id")
        channel = _IDS.get(number) if isinstance(number, int) else None
        if channel is None:
            self.coverage.wonder("an answer to nothing that was asked")
        elif message.get("success") is True:
            if channel == EXECUTIONS:
                self.acknowledged_at = _now()
                self._learn_tier(message.get("result"))
                await self._subscribe(BALANCES)
            else:
                self.shows_funds = True
        else:
            await self._refused(channel, self._presentable(message.get("error")))

    def _learn_tier(self, result: Any) -> None:
        most = result.get("maxratecount") if isinstance(result, Mapping) else None
        if isinstance(most, int) and self.account.budget.learn(most):
            _log.info("the account's tier is another one than was assumed", most_orders=most)

    async def _refused(self, channel: str, words: str) -> None:
        if any(text in words.lower() for text in _TOKEN_REFUSED):
            if self.renewed:
                raise Unavailable(f"Kraken's stream refuses its token: {words}")
            self.renewed = True
            self.token = await self.account.token()
            await self._subscribe(channel)
        elif channel == BALANCES:
            _log.warning("deposits are not told by the stream", why=words)
        elif lacks_permission(words):
            raise StreamRefused(words)
        else:
            raise Unavailable(f"Kraken's stream refuses {channel}: {words}")

    def _note_strange_rows(self) -> None:
        self.account.public.rows.note(EXECUTIONS, self.account.table.left_out)

    def _presentable(self, words: object) -> str:
        text = words if isinstance(words, str) else "no reason"
        return presentable(text.replace(self.token, "[token]") if self.token else text)


def _now() -> float:
    return asyncio.get_running_loop().time()
