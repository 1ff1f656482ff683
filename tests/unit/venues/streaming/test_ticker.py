"""The price stream of a venue over a real socket: what is asked for, what is shown, and when a connection is given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from shared.domain.values.money import Price
from shared.domain.values.symbol import Symbol
from shared.venues.factory import HttpSession
from shared.venues.kraken.streaming.ticker import KrakenTickerReader
from shared.venues.streaming import ticker as ticker_module
from shared.venues.streaming.connection import StreamAddress
from shared.venues.streaming.reconnects import Reconnects
from shared.venues.streaming.ticker import REFUSED_FOR, TickerStream
from shared.venues.streaming.ticker_protocol import TickerReader
from shared.venues.venue_clock import VenueClock
from tests.unit.venues.stream_stub import Peer, StreamStub, stay

BTC, ETH, DOLLAR_COIN = Symbol("BTC", "USD"), Symbol("ETH", "USD"), Symbol("BTC", "USDC")
PATIENCE = 30.0
HEARTBEAT = {"channel": "heartbeat"}


@dataclass
class Listener:
    """Keeps what it hears, as text."""

    heard: list[str] = field(default_factory=list)
    instants: list[int] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def seen(self, price: Price, at: int) -> None:
        self._note(f"{price.symbol} {price.amount}", at)

    def alive(self, at: int) -> None:
        self._note("alive", at)

    def unseen(self, symbols: Collection[Symbol], why: str) -> None:
        self._note(f"without {' '.join(sorted(map(str, symbols)))}: {why}")

    def interrupted(self, why: str) -> None:
        self._note(f"interrupted: {why}")

    @property
    def words(self) -> list[str]:
        """Everything but signs of life."""
        return [text for text in self.heard if text != "alive"]

    async def until(self, condition: Callable[[list[str]], bool]) -> list[str]:
        async with asyncio.timeout(PATIENCE):
            while not condition(self.words):
                self._news.clear()
                await self._news.wait()
        return self.words

    async def words_of(self, count: int) -> list[str]:
        return await self.until(lambda words: len(words) >= count)

    def _note(self, text: str, at: int | None = None) -> None:
        self.heard.append(text)
        if at is not None:
            self.instants.append(at)
        self._news.set()


class Protocol:
    """Kraken's messages, for three pairs of which two share a book."""

    listed: Mapping[Symbol, str] = {BTC: "BTC/USD", DOLLAR_COIN: "BTC/USD", ETH: "ETH/USD"}

    async def names(self, symbols: Collection[Symbol]) -> Mapping[str, frozenset[Symbol]]:
        found: dict[str, frozenset[Symbol]] = {}
        for symbol in symbols:
            if name := self.listed.get(symbol, str(symbol) if symbol.base.startswith("X") else ""):
                found[name] = found.get(name, frozenset()) | {symbol}
        return found

    def opening(self) -> Sequence[Mapping[str, object]]:
        return ({"opening": True},)

    def change(self, names: Sequence[str], *, on: bool) -> Mapping[str, object]:
        return {("on" if on else "off"): list(names)}

    def reader(self) -> TickerReader:
        return KrakenTickerReader()


@dataclass
class Time:
    """The venue's time and the steady clock, which a test moves."""

    now: int = 1_700_000_000_000
    steady: float = 0.0


def row(name: str, last: Any, *, kind: str = "update", **more: Any) -> dict[str, Any]:
    return {"channel": "ticker", "type": kind, "data": [{"symbol": name, "last": last, **more}]}


@pytest.fixture
def moment() -> Time:
    return Time()


@pytest.fixture
def stream(http: HttpSession, server: StreamStub, moment: Time, monkeypatch: pytest.MonkeyPatch) -> TickerStream:
    for pause in ("_BETWEEN", "_ALONE"):
        monkeypatch.setattr(ticker_module, pause, 0.001)
    return _stream(http, server, moment)


def _stream(http: HttpSession, server: StreamStub, moment: Time, silence: float = 5.0) -> TickerStream:
    clock = VenueClock("kraken", wall=lambda: moment.now, steady=lambda: moment.steady)
    clock.note(moment.now, 1, 0.0, 0.0)
    address = StreamAddress(http, server.url + "/v2", connect_timeout=30.0, silence=silence)
    return TickerStream(address, Protocol(), clock, reconnects=_Quick, monotonic=lambda: moment.steady)


class _Quick(Reconnects):
    def pause_after(self, failure: Any) -> float:
        return super().pause_after(failure) / 1000


@asynccontextmanager
async def running(stream: TickerStream) -> AsyncIterator[Listener]:
    listener = Listener()
    task = asyncio.create_task(stream.run(listener, _permit))
    try:
        yield listener
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _permit() -> None:
    """Permit every connect."""


async def _asked(peer: Peer, *messages: Any) -> None:
    """Wait until these messages came."""
    for message in messages:
        assert await peer.text() == message


async def test_what_is_followed_is_asked_for_and_shown(stream: TickerStream, server: StreamStub, moment: Time) -> None:
    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD", "ETH/USD"]})
        await peer.send(row("BTC/USD", 60000.1), HEARTBEAT, row("ETH/USD", 3000))
        await stay(peer)

    server.scripts = [script]
    stream.follow([BTC, ETH])
    async with running(stream) as listener:
        assert await listener.words_of(2) == ["BTC/USD 60000.1", "ETH/USD 3000"]
    assert set(listener.instants) == {moment.now}
    assert listener.heard.count("alive") == 3


async def test_without_anything_to_follow_nothing_is_connected(stream: TickerStream, server: StreamStub) -> None:
    connected = asyncio.Event()

    async def script(peer: Peer) -> None:
        connected.set()
        await stay(peer)

    server.scripts = [script]
    async with running(stream):
        await asyncio.sleep(0.05)
        assert server.peers == []
        stream.follow([Symbol("NOPE", "USD")])  # not listed
        await asyncio.sleep(0.05)
        assert server.peers == []
        stream.follow([BTC])
        async with asyncio.timeout(PATIENCE):
            await connected.wait()


async def test_pairs_come_and_go_on_the_same_connection(stream: TickerStream, server: StreamStub) -> None:
    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 60000))
        await _asked(peer, {"on": ["ETH/USD"]})
        await peer.send(row("ETH/USD", 3000))
        await _asked(peer, {"off": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 1), row("ETH/USD", 3001))
        await _asked(peer, {"on": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 60005))
        await peer.until_closed()

    server.scripts = [script, stay]
    stream.follow([BTC])
    async with running(stream) as listener:
        await listener.words_of(1)
        stream.follow([BTC, ETH])
        await listener.words_of(2)
        stream.follow([ETH])
        assert await listener.words_of(3) == ["BTC/USD 60000", "ETH/USD 3000", "ETH/USD 3001"]
        stream.follow([BTC, ETH])  # what came of it meanwhile is not known as of now
        assert (await listener.words_of(4))[3:] == ["BTC/USD 60005"]
        stream.follow([])
        async with asyncio.timeout(PATIENCE):
            await server.peers[0].until_closed()
    assert len(server.peers) == 1


async def test_a_second_pair_of_a_book_is_shown_at_once(stream: TickerStream, server: StreamStub) -> None:
    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 60000))
        await stay(peer)

    server.scripts = [script]
    stream.follow([BTC])
    async with running(stream) as listener:
        await listener.words_of(1)
        stream.follow([BTC, DOLLAR_COIN])
        words = await listener.until(lambda words: "BTC/USDC 60000" in words)
    assert set(words) == {"BTC/USD 60000", "BTC/USDC 60000"}
    assert server.peers[0].received == [{"opening": True}, {"on": ["BTC/USD"]}]


async def test_both_pairs_of_a_book_get_its_rows(stream: TickerStream, server: StreamStub) -> None:
    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 60000))
        await stay(peer)

    server.scripts = [script]
    stream.follow([BTC, DOLLAR_COIN])
    async with running(stream) as listener:
        assert set(await listener.words_of(2)) == {"BTC/USD 60000", "BTC/USDC 60000"}


async def test_a_row_of_a_pair_that_was_not_asked_for_is_not_shown(stream: TickerStream, server: StreamStub) -> None:
    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(row("ETH/USD", 3000), row("NOPE/USD", 1), row("BTC/USD", 60000))
        await stay(peer)

    server.scripts = [script]
    stream.follow([BTC, Symbol("NOPE", "USD")])
    async with running(stream) as listener:
        assert await listener.words_of(1) == ["BTC/USD 60000"]


async def test_an_absurd_price_hides_its_pair_only(stream: TickerStream, server: StreamStub) -> None:
    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD", "ETH/USD"]})
        await peer.send(row("BTC/USD", 60000), row("BTC/USD", -1), row("ETH/USD", 3000), row("BTC/USD", 60001))
        await stay(peer)

    server.scripts = [script]
    stream.follow([BTC, ETH])
    async with running(stream) as listener:
        words = await listener.words_of(4)
    assert words == ["BTC/USD 60000", "without BTC/USD: a row has no price", "ETH/USD 3000", "BTC/USD 60001"]


async def _cut(peer: Peer) -> None:
    await peer.cut()


async def _close(peer: Peer) -> None:
    await peer.close(1000)


async def _nonsense(peer: Peer) -> None:
    await peer.send("{")
    await stay(peer)


async def _absurd(peer: Peer) -> None:
    await peer.send('{"channel":"ticker","type":"update","data":[{"symbol":"BTC/USD","last":NaN}]}')
    await stay(peer)


async def _no_pair(peer: Peer) -> None:
    await peer.send({"channel": "ticker", "type": "update", "data": [{"last": 1}]})
    await stay(peer)


async def _error(peer: Peer) -> None:
    await peer.send({"Error": "Exceeded msg rate"})
    await stay(peer)


@pytest.mark.parametrize("end", [_cut, _close, _nonsense, _absurd, _no_pair, _error])
async def test_what_may_have_hidden_a_row_ends_the_connection_and_the_next_one_shows_all(
    stream: TickerStream, server: StreamStub, end: Callable[[Peer], Any]
) -> None:
    async def first(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 60000))
        await end(peer)

    async def second(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 61000))
        await stay(peer)

    server.scripts = [first, second]
    stream.follow([BTC])
    async with running(stream) as listener:
        before, between, after = await listener.words_of(3)
    assert (before, after) == ("BTC/USD 60000", "BTC/USD 61000")
    assert between.startswith("interrupted: ")


async def test_silence_ends_the_connection(http: HttpSession, server: StreamStub, moment: Time) -> None:
    async def first(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(row("BTC/USD", 60000))
        await stay(peer)

    server.scripts = [first]
    stream = _stream(http, server, moment, silence=0.2)
    stream.follow([BTC])
    async with running(stream) as listener:
        assert (await listener.words_of(2))[1] == "interrupted: nothing came for 0.2 s"


def test_no_connection_is_trusted_through_a_longer_silence(http: HttpSession, server: StreamStub, moment: Time) -> None:
    assert _stream(http, server, moment, silence=60.0)._address.silence == 5.0


async def test_a_refused_pair_is_named_and_not_asked_for_until_later(
    stream: TickerStream, server: StreamStub, moment: Time
) -> None:
    asked = asyncio.Event()

    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD", "ETH/USD"]})
        await peer.send({"method": "subscribe", "success": False, "symbol": "ETH/USD", "error": "not supported"})
        await peer.send(row("BTC/USD", 60000))
        await _asked(peer, {"on": ["XNEW/USD"]})
        asked.set()
        await _asked(peer, {"off": ["BTC/USD", "XNEW/USD"]}, {"on": ["ETH/USD"]})
        await peer.send(row("ETH/USD", 3000))
        await stay(peer)

    server.scripts = [script]
    stream.follow([BTC, ETH])
    async with running(stream) as listener:
        assert await listener.words_of(2) == ["without ETH/USD: the venue does not stream them", "BTC/USD 60000"]
        stream.follow([BTC, ETH, Symbol("XNEW", "USD")])
        async with asyncio.timeout(PATIENCE):
            await asked.wait()
        moment.steady += REFUSED_FOR + 1
        stream.follow([ETH])
        assert (await listener.words_of(3))[-1] == "ETH/USD 3000"


async def test_an_error_without_a_name_is_pinned_to_the_pair_that_causes_it(
    stream: TickerStream, server: StreamStub
) -> None:
    """A pair that the venue does not stream must not keep fifty others from being streamed."""
    bad = Symbol("XBAD", "USD")

    async def script(peer: Peer) -> None:
        while True:
            message = await peer.text()
            for name in message.get("on", ()):
                if name == str(bad):
                    await peer.send({"method": "subscribe", "success": False, "error": "Malformed"})
                elif str(bad) not in message["on"]:
                    await peer.send(row(name, 5))

    server.scripts = [script]
    stream.follow([BTC, ETH, bad])
    async with running(stream) as listener:
        await listener.until(lambda words: len([word for word in words if word.startswith("interrupted")]) == 2)
        count = len(listener.words)
        words = (await listener.words_of(count + 2))[count:]
        assert sorted(words) == ["BTC/USD 5", "ETH/USD 5"]
        await asyncio.sleep(0.05)
    assert [message for message in server.peers[-1].received if str(bad) in message.get("on", ())] == []


async def test_many_pairs_are_asked_for_in_batches(stream: TickerStream, server: StreamStub) -> None:
    symbols = [Symbol(f"X{number}", "USD") for number in range(120)]
    done = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.text()
        for _ in range(3):
            await peer.text()
        done.set()
        await stay(peer)

    server.scripts = [script]
    stream.follow(symbols)
    async with running(stream), asyncio.timeout(PATIENCE):
        await done.wait()
    asked = [message["on"] for message in server.peers[0].received[1:]]
    assert [len(names) for names in asked] == [50, 50, 20]
    assert {name for names in asked for name in names} == set(map(str, symbols))


async def test_rows_that_come_late_end_the_connection(stream: TickerStream, server: StreamStub, moment: Time) -> None:
    """A venue that is behind shows the past: its prices must not be taken for those of now."""
    late, timely = "2023-11-14T22:13:10Z", "2023-11-14T22:13:19Z"  # the venue's time is 22:13:20

    async def script(peer: Peer) -> None:
        await _asked(peer, {"opening": True}, {"on": ["BTC/USD"]})
        await peer.send(
            row("BTC/USD", 1, kind="snapshot", timestamp=late),
            row("BTC/USD", 2, timestamp=late),
            row("BTC/USD", 3, timestamp=late),
            row("BTC/USD", 4, timestamp=timely),
            *(row("BTC/USD", number, timestamp=late) for number in (5, 6, 7)),
        )
        await stay(peer)

    server.scripts = [script, stay]
    stream.follow([BTC])
    async with running(stream) as listener:
        words = await listener.until(lambda words: words[-1:] == ["interrupted: messages come 10 s late"])
    assert words[:-1] == [f"BTC/USD {number}" for number in range(1, 7)]
