"""The book is a fold over the signals; the positions hash counts only where it is newer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.fills.fills import missing_signal
from shared.domain.order import Side
from shared.domain.position import Position
from shared.domain.signal import Signal, Source
from tests.unit.master_strategy.values import BTC, NOW, btc, done, usd


def _entry(size: str = "0.02", *, order_id: str = "O1") -> Signal:
    order = done(Side.BUY, size, str(Decimal(size) * 60_000), order_id=order_id)
    book = MasterBook("kraken", {})
    signal = missing_signal(
        order,
        book.emitted(order),
        btc("0"),
        venue="kraken",
        equity=usd("10000"),
        source=Source.ACCOUNT,
        strategy="",
        now=NOW,
    )
    assert signal is not None
    return signal


def test_the_position_is_the_one_after_the_last_signal() -> None:
    later = replace(_entry(order_id="O2"), position_before=btc("0.02"), position_after=btc("0.04"))
    book = MasterBook("kraken", {}, [_entry(), later])
    assert book.position(BTC).size == btc("0.04")
    assert book.position(BTC).cost == usd("2400")


def test_signals_of_another_venue_are_not_this_book() -> None:
    book = MasterBook("kraken", {}, [replace(_entry(), venue="coinbase")])
    assert not book.held()
    assert book.newest_fill is None


def test_the_stream_wins_over_an_older_view() -> None:
    old = Position(BTC, btc("7"), usd("1"), NOW - 2, NOW - 1)
    assert MasterBook("kraken", {BTC: old}, [_entry()]).position(BTC).size == btc("0.02")


def test_a_newer_view_holds_an_entry_that_nobody_was_told() -> None:
    late = Position(BTC, btc("0.05"), usd("3000"), NOW, NOW + 60_000)
    assert MasterBook("kraken", {BTC: late}, [_entry()]).position(BTC).size == btc("0.05")


def test_what_was_told_is_known_by_the_venues_order() -> None:
    book = MasterBook("kraken", {}, [_entry()])
    assert book.emitted(done(Side.BUY, "0.02", "1200")).size == btc("0.02")
    assert book.emitted(done(Side.BUY, "0.02", "1200", order_id="other")).size == btc("0")
