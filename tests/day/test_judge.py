"""The day's judge finds what it is there to find: each limit, exceeded by hand, is a breach, and kept, is none."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import pytest

from shared.config.users.file import UserFile
from tests.day.books import Account, Order
from tests.day.limits import PRICE_MS, Case, Judgement, SignalFacts, Stop, StopOut, judge_user
from tests.day.losses import judge_losses
from tests.day.market import SYMBOLS, Prices
from tests.day.masters.accounts import TREND, Masters
from tests.day.people import PEOPLE, Person, Table

START: Final = 1_763_829_000_000
PRICE: Final = {symbol: Decimal(10) for symbol in SYMBOLS} | {
    "BTC/USD": Decimal(60_000),
    "ETH/USD": Decimal(3_000),
    "SOL/USD": Decimal(150),
}


def flat_market(seconds: int = 60, btc: dict[int, int] | None = None) -> Prices:
    """Prices that stand still, but for bitcoin's from a second on."""
    prices, now = Prices(), PRICE["BTC/USD"]
    for second in range(seconds):
        now = Decimal((btc or {}).get(second, now))
        for symbol in SYMBOLS:
            prices.add(symbol, START + second * 1000, now if symbol == "BTC/USD" else PRICE[symbol])
    return prices


def order(second: float, usd: int, *, symbol: str = "BTC/USD", side: str = "buy", name: str = "") -> Order:
    """An order of so many dollars that was filled at once."""
    at, price = START + int(second * 1000), PRICE[symbol]
    size = Decimal(usd) / price
    trade = {"trade_id": f"T{at}", "symbol": symbol, "side": side, "price": str(price), "size": str(size), "at": at}
    more = {"cost": str(usd), "fee": "0", "fee_asset": "USD"}
    name = name or ("copy" if symbol == "BTC/USD" else symbol)
    return Order(name, symbol, side == "buy", size, price, size, Decimal(usd), at, [{**trade, **more}])


def told(second: float, symbol: str, usd: int = 100_000, master: str = "") -> SignalFacts:
    at = START + int(second * 1000)
    return SignalFacts(PRICE[symbol], usd / PRICE[symbol], Decimal(10_000), at, at, master)


def breaches(
    settings: Table,
    *orders: Order,
    stops: tuple[Stop, ...] = (),
    stop_outs: tuple[StopOut, ...] = (),
    prices: Prices | None = None,
    signals: dict[str, SignalFacts] | None = None,
    read_at: Sequence[float] = (-10,),
    masters: dict[str, str] | None = None,
    trend_pct: int | None = None,
) -> set[str]:
    """Judge a user of 1,000 dollars, whose balance was read at some seconds; answers what was breached."""
    market = prices or flat_market()
    whose = {each.client_id: "" for each in orders} if masters is None else masters
    account = Account(Decimal(1_000), orders, [], whose)
    account.value(market, PRICE_MS)
    answers = {each.client_id: told(0, each.symbol) for each in orders} if signals is None else signals
    readings = [START + int(second * 1000) for second in read_at]
    person = Person("someone", 1_000, settings, trend_pct=trend_pct)
    case = Case(person, account, orders, answers, stops, stop_outs, readings, whose)
    found = Judgement()
    judge_user(case, market, found)
    judge_losses(case, market, found)
    return {words.partition(":")[0] for words in found.breaches}


@pytest.mark.parametrize(
    ("limits", "kept", "exceeded"),
    [
        ({"max_order_quote": 100}, [order(1, 100)], [order(1, 101)]),
        ({"max_order_pct": 10}, [order(1, 100)], [order(1, 102)]),
        ({"max_exposure_pct": 20}, [order(1, 100), order(2, 100)], [order(1, 100), order(2, 102)]),
        ({"max_symbol_pct": 20}, [order(1, 150), order(2, 100, symbol="ETH/USD")], [order(1, 150), order(2, 100)]),
        ({"max_positions": 1}, [order(1, 100), order(2, 100)], [order(1, 100), order(2, 100, symbol="ETH/USD")]),
        ({"max_trades_per_day": 2}, [order(1, 10), order(2, 10)], [order(1, 10), order(2, 10), order(3, 10)]),
    ],
)
def test_a_limit_that_is_exceeded_is_found(limits: dict[str, Any], kept: list[Order], exceeded: list[Order]) -> None:
    assert breaches({"limits": limits}, *kept) == set()
    assert breaches({"limits": limits}, *exceeded) == set(limits)


def test_a_sold_position_makes_room_again() -> None:
    sold = order(2, 100, side="sell")
    assert breaches({"limits": {"max_positions": 1}}, order(1, 100), sold, order(3, 100, symbol="ETH/USD")) == set()


def test_selling_more_than_was_bought_is_found() -> None:
    found = breaches({}, order(1, 100), order(2, 101, side="sell"))
    assert found == {"never sells more than was bought", "a sale leaves the other master's alone"}


def test_an_order_at_another_venue_than_the_one_where_the_master_is_copied_is_found() -> None:
    assert breaches({}, replace(order(1, 100), venue="kraken")) == set()
    assert breaches({}, replace(order(1, 100), venue="coinbase")) == {"orders go where the master is copied"}


def test_an_entry_without_a_signal_is_found() -> None:
    assert breaches({}, order(1, 100), signals={}) == {"no entry without a signal"}


def test_an_excluded_symbol_and_one_that_is_not_included_are_found() -> None:
    entry = order(1, 100, symbol="ETH/USD")
    assert breaches({"symbols": {"exclude": ["ETH/USD"]}}, entry) == {"no order of an excluded symbol"}
    assert breaches({"symbols": {"include": ["BTC/USD"]}}, entry) == {"no order of an excluded symbol"}


def test_an_entry_against_a_switch_is_found_in_its_scope_and_after_its_second_of_grace() -> None:
    since, until = START + 1_000, START + 10_000
    for stop in (
        Stop("pause", since, until),
        Stop("pause", since, until, "someone"),
        Stop("pause", since, until, "", "BTC/USD"),
    ):
        assert breaches({}, order(3, 100), stops=(stop,)) == {"no order against a switch"}
        assert breaches({}, order(1.5, 100), stops=(stop,)) == set()
        assert breaches({}, order(11, 100), stops=(stop,)) == set()
    other = (Stop("pause", since, until, "somebody else"), Stop("pause", since, until, "", "ETH/USD"))
    assert breaches({}, order(3, 100), stops=other) == set()


def test_a_halt_stops_exits_and_a_pause_does_not() -> None:
    orders = order(1, 100), order(5, 100, side="sell")
    assert breaches({}, *orders, stops=(Stop("pause", START + 2_000, START + 9_000),)) == set()
    halt = (Stop("halt", START + 2_000, START + 9_000),)
    assert breaches({}, *orders, stops=halt) == {"no order against a switch"}


def test_an_entry_during_a_stop_out_is_found() -> None:
    out = (StopOut(START + 1_000, START + 20_000),)
    assert breaches({}, order(5, 100), stop_outs=out) == {"no entry during a stop-out"}


def test_an_entry_that_is_too_old_too_expensive_or_too_large_is_found() -> None:
    entry = order(40, 100)
    assert breaches({}, entry) == {"max_signal_age"}
    cheap = SignalFacts(
        PRICE["BTC/USD"] / Decimal("1.0051"), Decimal(9), Decimal(10_000), entry.accepted_at, entry.accepted_at
    )
    assert breaches({}, entry, signals={"copy": cheap}) == {"max_slippage_bps"}
    small = told(40, "BTC/USD", 999)
    assert breaches({}, entry, signals={"copy": small}) == {"sizing"}


def test_a_share_of_an_equity_that_is_gone_since_the_last_reading_is_found() -> None:
    settings: Table = {"limits": {"max_order_pct": 50}, "exits": {"stop_loss_pct": "off"}}
    crash = flat_market(60, {10: 30_000})
    orders = order(1, 500), order(30, 500, symbol="ETH/USD")  # half of what there was before the crash
    signals = {"copy": told(1, "BTC/USD"), "ETH/USD": told(30, "ETH/USD")}
    assert breaches(settings, *orders, prices=crash, signals=signals, read_at=[-10, 5]) == set()
    assert breaches(settings, *orders, prices=crash, signals=signals, read_at=[-10, 5, 28]) == set()  # may be too new
    assert breaches(settings, *orders, prices=crash, signals=signals, read_at=[-10, 5, 20]) == {"max_order_pct"}


def test_an_entry_by_a_balance_that_is_too_old_is_found() -> None:
    assert breaches({}, order(1, 100), read_at=[-118]) == set()
    assert breaches({}, order(1, 100), read_at=[-121]) == {"age of the balance"}
    assert breaches({}, order(1, 100), read_at=[]) == {"age of the balance"}


def test_a_stop_loss_that_is_due_and_not_carried_out_is_found() -> None:
    crash = flat_market(60, {10: 50_000})
    assert breaches({}, order(1, 100), prices=crash) == {"stop_loss_pct"}
    assert breaches({"exits": {"stop_loss_pct": "off"}}, order(1, 100), prices=crash) == set()
    assert breaches({}, order(1, 100), order(14, 100, side="sell"), prices=crash) == set()


def test_a_position_that_is_held_too_long_is_found() -> None:
    settings: Table = {"exits": {"stop_loss_pct": "off", "max_hold": "5s"}}
    assert breaches(settings, order(1, 100)) == {"max_hold"}
    assert breaches(settings, order(1, 100), order(7, 100, side="sell")) == set()


@pytest.mark.parametrize("limit", ["daily_loss_pct", "max_drawdown_pct"])
def test_a_loss_that_stops_nobody_and_a_stop_without_a_loss_are_found(limit: str) -> None:
    settings: Table = {"limits": {limit: 5}, "exits": {"stop_loss_pct": "off"}}
    crash = flat_market(60, {10: 50_000})  # half the account is in bitcoin: a loss of 8 %
    assert breaches(settings, order(1, 500), prices=crash) == {limit}
    right = (StopOut(START + 11_000, START + 60_000),)
    assert breaches(settings, order(1, 500), prices=crash, stop_outs=right) == set()
    assert breaches(settings, order(1, 500), stop_outs=right) == {limit}


def test_a_loss_that_was_over_before_anybody_could_see_it_is_no_breach() -> None:
    settings: Table = {"limits": {"daily_loss_pct": 5}, "exits": {"stop_loss_pct": "off"}}
    spikes = flat_market(60, {10: 50_000, 11: 60_000, 40: 50_000, 41: 60_000})
    assert breaches(settings, order(1, 500), prices=spikes) == set()


def test_a_sale_for_one_master_of_what_another_bought_is_found() -> None:
    bought, other = order(1, 100, name="a"), order(2, 100, name="b")
    sold, more = order(3, 100, side="sell", name="c"), order(3, 150, side="sell", name="c")
    answers = {"a": told(1, "BTC/USD"), "b": told(2, "BTC/USD", master=TREND)}
    follows: dict[str, Any] = {"signals": answers, "trend_pct": 100}
    whose = {"a": "", "b": TREND, "c": TREND}
    assert breaches({}, bought, other, sold, masters=whose, **follows) == set()
    assert breaches({}, bought, other, more, masters=whose, **follows) == {"a sale leaves the other master's alone"}


def test_an_order_for_a_master_that_is_not_followed_and_one_for_no_master_are_found() -> None:
    known = "an order is for a master that is followed"
    assert breaches({}, order(1, 100), masters={"copy": TREND}) == {known}
    assert breaches({}, order(1, 100), masters={}) == {known}


def test_more_than_the_share_of_a_master_is_found_and_so_is_a_size_by_the_whole_equity() -> None:
    first, second = order(1, 100, name="a"), order(2, 102, name="b")
    answers = {"a": told(1, "BTC/USD", master=TREND), "b": told(2, "BTC/USD", master=TREND)}
    follows: dict[str, Any] = {"masters": {"a": TREND, "b": TREND}, "signals": answers}
    assert breaches({}, first, second, trend_pct=21, **follows) == set()
    assert breaches({}, first, second, trend_pct=20, **follows) == {"follow"}
    answers["a"] = told(1, "BTC/USD", 1_500, master=TREND)  # 150 of a user's 1,000, and a third of that by the share
    assert breaches({}, first, trend_pct=30, **follows) == {"sizing"}
    assert breaches({}, order(1, 45, name="a"), trend_pct=30, **follows) == set()


def test_the_stop_loss_of_each_masters_book_is_judged_by_itself() -> None:
    crash = flat_market(60, {10: 56_500})
    cheap = replace(order(9, 100, name="b"), trades=[{**order(9, 100, name="b").trades[0], "cost": "60"}])
    answers = {"a": told(1, "BTC/USD"), "b": told(9, "BTC/USD", master=TREND)}
    follows: dict[str, Any] = {"masters": {"a": "", "b": TREND}, "signals": answers, "trend_pct": 100}
    assert breaches({}, order(1, 100, name="a"), cheap, prices=crash, **follows) == {"stop_loss_pct"}
    assert breaches({}, cheap, prices=crash, **follows) == set()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_twenty_are_at_both_venues_and_their_files_say_which_master_is_copied_where(seed: int) -> None:
    venues = [person.venue for person in PEOPLE]
    assert min(venues.count("kraken"), venues.count("coinbase")) >= 8
    assert any(len(person.venues) == 2 for person in PEOPLE)
    masters = Masters.of_seed(seed)
    for person in PEOPLE:
        file = UserFile.model_validate({"venues": list(person.venues), **tomllib.loads(person.toml(masters))})
        policy = file.policy(person.user)
        assert policy.venue_for(masters.bot_venue) == (person.venue if person.copies_bot else None)
        named = [(each.name, each.venue, each.share_pct) for each in policy.masters]
        wanted = [] if person.trend_pct is None else [(TREND, person.venue, Decimal(person.trend_pct))]
        assert named == wanted


def test_some_copy_one_master_some_the_other_and_some_both() -> None:
    kinds = Counter(person.masters for person in PEOPLE)
    assert kinds == {("",): 9, (TREND,): 6, ("", TREND): 5}


def test_the_twenty_have_every_mode_and_every_limit() -> None:
    assert len({person.user for person in PEOPLE}) == 20
    modes = {person.setting("sizing", "mode", "equity") for person in PEOPLE}
    assert modes == {"equity", "cash", "fixed_quote", "multiplier"}
    limits = {key for person in PEOPLE for key in person.settings.get("limits", {})}
    caps = {"max_order_pct", "max_order_quote", "max_positions", "max_exposure_pct", "max_symbol_pct"}
    assert limits >= {*caps, "daily_loss_pct", "max_drawdown_pct", "max_trades_per_day"}
    exits = {key for person in PEOPLE for key in person.settings.get("exits", {})}
    assert exits == {"stop_loss_pct", "take_profit_pct", "trailing_pct", "max_hold"}


def test_money_that_was_withdrawn_since_the_balance_was_read_counts_at_later_prices() -> None:
    prices = flat_market()
    account = Account(Decimal(1_000), [order(1, 500)], [(START + 5_000, Decimal(-400))])
    before, after = START + 3_000, START + 8_000
    for symbol in ("BTC/USD", "ETH/USD"):
        prices.add(symbol, START + 6_000, prices.at(symbol, START) * 2)
    account.value(prices, PRICE_MS)
    assert account.most(before, after) - account.most(before, before) == 500, "the price of what is held has doubled"
    assert account.most(START + 5_500, after) == account.most(before, after) - 400, "a later reading has seen it"
