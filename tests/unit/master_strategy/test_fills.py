"""From the venue's record to the signal that is missing: exact, once, and never from a request."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, strategies as st

from services.master_strategy.account.master_book import MasterBook
from services.master_strategy.fills.fills import Emitted, missing_signal
from shared.contracts.messages import SignalMessage
from shared.domain.order import Kind, Side
from shared.domain.signal import Signal, Source, signal_id
from shared.domain.values.money import ONE, Quantity
from shared.venues.port import VenueOrder
from tests.unit.master_strategy.values import NOW, btc, done, usd

NOTHING = Emitted(btc("0"), usd("0"))


def _signal(order: VenueOrder, emitted: Emitted = NOTHING, before: Quantity | None = None) -> Signal | None:
    return missing_signal(
        order,
        emitted,
        before or btc("0"),
        venue="kraken",
        equity=usd("10000"),
        source=Source.STRATEGY,
        strategy="sma-cross",
        now=NOW + 5,
    )


def test_a_buy_is_an_entry_of_all_that_was_executed() -> None:
    signal = _signal(done(Side.BUY, "0.02", "1200"))
    assert signal is not None
    assert (signal.kind, signal.base_size, signal.quote_size) == (Kind.ENTRY, btc("0.02"), usd("1200"))
    assert signal.price.amount == 60_000
    assert (signal.position_before, signal.position_after) == (btc("0"), btc("0.02"))
    assert (signal.filled_at, signal.emitted_at) == (NOW, NOW + 5)
    assert signal.id == signal_id("kraken", "O1", btc("0.02"))


def test_a_fee_taken_in_base_lessens_the_position_and_not_what_users_copy() -> None:
    signal = _signal(done(Side.BUY, "1", "60000", fee="0.004", fee_asset="BTC"))
    assert signal is not None
    assert (signal.base_size, signal.position_after) == (btc("1"), btc("0.996"))


def test_the_masters_fee_is_stated_in_quote_for_the_part_that_is_emitted() -> None:
    whole = _signal(done(Side.BUY, "0.02", "1200", fee="4.8"))
    assert whole is not None
    assert whole.fee == usd("4.8")
    rest = _signal(done(Side.BUY, "0.04", "2400", fee="9.6"), Emitted(btc("0.03"), usd("1800"), Decimal("7.2")))
    assert rest is not None
    assert rest.fee == usd("2.4")


def test_a_sale_of_37_per_cent_is_an_exit_of_that_fraction() -> None:
    signal = _signal(done(Side.SELL, "0.37", "22200"), before=btc("1"))
    assert signal is not None
    assert (signal.kind, signal.fraction, signal.position_after) == (Kind.EXIT, Decimal("0.37"), btc("0.63"))


def test_a_sale_of_more_than_is_tracked_closes_all_of_it() -> None:
    signal = _signal(done(Side.SELL, "3", "180000"), before=btc("1"))
    assert signal is not None
    assert (signal.fraction, signal.position_before, signal.position_after) == (ONE, btc("1"), btc("0"))


def test_a_sale_of_what_was_never_tracked_closes_all() -> None:
    signal = _signal(done(Side.SELL, "0.5", "30000"))
    assert signal is not None
    assert (signal.fraction, signal.position_before, signal.position_after) == (ONE, btc("0.5"), btc("0"))


def test_what_was_told_already_gives_no_signal() -> None:
    assert _signal(done(Side.BUY, "0.02", "1200"), Emitted(btc("0.02"), usd("1200"))) is None


def test_nothing_filled_gives_no_signal() -> None:
    assert _signal(done(Side.BUY, "0", "0")) is None


def test_after_a_part_only_the_rest_is_told_at_its_own_price() -> None:
    signal = _signal(done(Side.BUY, "0.03", "1900"), Emitted(btc("0.02"), usd("1200")), btc("0.02"))
    assert signal is not None
    assert (signal.base_size, signal.price.amount, signal.position_after) == (btc("0.01"), Decimal(70_000), btc("0.03"))
    assert signal.id != signal_id("kraken", "O1", btc("0.02"))


def test_an_order_without_an_end_counts_as_filled_now() -> None:
    signal = _signal(done(Side.BUY, "0.01", "600", closed_at=None))
    assert signal is not None
    assert signal.filled_at == NOW + 5


amounts = st.decimals(min_value="0.00000001", max_value="1000", places=8)


@given(fills=st.lists(st.tuples(st.booleans(), amounts), min_size=1, max_size=20))
def test_buy_x_then_sell_all_leaves_zero_and_every_fraction_is_legal(fills: list[tuple[bool, Decimal]]) -> None:
    book = MasterBook("kraken", {})
    for number, (buys, amount) in enumerate(fills):
        held = book.position(done(Side.BUY, "1", "1").symbol).size.amount
        size = amount if buys or held == 0 else min(amount, held)
        side = Side.BUY if buys or held == 0 else Side.SELL
        _tell(book, done(side, str(size), str(size * 60_000), order_id=f"O{number}"))
    left = book.position(done(Side.BUY, "1", "1").symbol).size
    if left.amount > 0:
        last = _tell(book, done(Side.SELL, str(left.amount), "1", order_id="last"))
        assert last.fraction == 1
    assert not book.held()


@given(parts=st.lists(amounts, min_size=1, max_size=8))
def test_the_parts_of_an_order_add_up_to_the_order_however_often_it_is_seen(parts: list[Decimal]) -> None:
    book = MasterBook("kraken", {})
    filled, told = Decimal(0), Decimal(0)
    for part in parts:
        filled += part
        order = done(Side.BUY, str(filled), str(filled * 60_000))
        for _ in range(2):
            signal = _signal(order, book.emitted(order), book.position(order.symbol).size)
            if signal is not None:
                book.note(signal)
                told += signal.base_size.amount
    assert told == filled == book.position(order.symbol).size.amount


def _tell(book: MasterBook, order: VenueOrder) -> Signal:
    signal = _signal(order, book.emitted(order), book.position(order.symbol).size)
    assert signal is not None
    assert SignalMessage.parse(SignalMessage.from_domain(signal).fields()).to_domain() == signal
    book.note(signal)
    return signal
