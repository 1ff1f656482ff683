"""The judges of the two masters find what they are there to find: each rule of `trend` broken, and books that are wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import pytest

from tests.day.books import Account, Order, State
from tests.day.limits import PRICE_MS, Judgement, Stop
from tests.day.market import SYMBOLS, MarketTime, Prices
from tests.day.masters.accounts import TREND
from tests.day.masters.book_sums import Rest, judge_books, judge_followed
from tests.day.masters.trend import TrendCase, judge_trend
from tests.day.verdict import tameness_of_masters

MIDNIGHT: Final = 1_700_006_400_000
START: Final = MIDNIGHT + 12 * 3_600_000
SPEED: Final = 480.0
CLOCK: Final = MarketTime(START, START, SPEED)
CASH: Final = 10_000
PRICE: Final = Decimal(100)
CANDLE: Final = 300_000
BTC: Final = "BTC/USD"


def market(seconds: int = 60, btc: Mapping[int, str] | None = None) -> Prices:
    """Every coin costs 100, but bitcoin costs something else from a second on."""
    prices, now = Prices(), PRICE
    for second in range(seconds):
        now = Decimal((btc or {}).get(second, now))
        for symbol in SYMBOLS:
            prices.add(symbol, START + second * 1000, now if symbol == BTC else PRICE)
    return prices


def order(second: float, usd: int, symbol: str = BTC, *, side: str = "buy", price: Decimal = PRICE) -> Order:
    """An order that was filled at once."""
    at, size = START + int(second * 1000), Decimal(usd) / PRICE
    name = f"{side} {symbol} {second}"
    trade = {"trade_id": name, "symbol": symbol, "side": side, "price": str(price), "size": str(size), "at": at}
    more = {"cost": str(size * price), "fee": "0", "fee_asset": "USD"}
    return Order(name, symbol, side == "buy", size, None, size, size * price, at, [{**trade, **more}])


def record(entry: Order, *, behind: int = 0, **more: str) -> dict[str, str]:
    """What the master writes of an entry that answers the last candle, or an earlier one: stop 95, first target 105."""
    answers = (CLOCK.at(entry.accepted_at) // CANDLE - behind) * CANDLE
    plan = {"stop": "95", "targets": "0.5@105 0.5@107.5 1@110", "break_even": "100", "trail": "3"}
    return {"strategy": TREND, "entered_at": str(answers), "exit_plan": json.dumps(plan), **more}


def exit_record(step: str = "") -> dict[str, str]:
    return {"strategy": TREND, "exit_step": step}


def breaches(
    *orders: Order,
    records: Mapping[str, dict[str, str]] | None = None,
    prices: Prices | None = None,
    stops: Sequence[Stop] = (),
    owned: Mapping[str, str] | None = None,
) -> set[str]:
    """Judge the strategy's account; answers what was breached."""
    seen = prices or market()
    account = Account(Decimal(CASH), orders, [])
    account.value(seen, PRICE_MS)
    known = {each.client_id: record(each) if each.buys else exit_record() for each in orders} | dict(records or {})
    held = account.at(1 << 62).held
    case = TrendCase(
        account=account,
        orders=orders,
        records=known,
        clock=CLOCK,
        stops=stops,
        until=START + 60_000,
        owned=held if owned is None else {symbol: Decimal(size) for symbol, size in owned.items()},
        balances={symbol.partition("/")[0]: size for symbol, size in held.items()},
    )
    found = Judgement()
    judge_trend(case, seen, found)
    return {words.removeprefix("trend: ").partition(":")[0] for words in found.breaches}


def entries(count: int, *, usd: int = 100, apart: float = 1.0) -> list[Order]:
    """One entry after another, each of another symbol as far as there are more."""
    return [order(1 + number * apart, usd, SYMBOLS[number % len(SYMBOLS)]) for number in range(count)]


def test_an_orderly_day_has_no_breach() -> None:
    bought, part, rest = order(1, 400), order(9, 200, side="sell"), order(20, 200, side="sell")
    known = {part.client_id: exit_record("1@0.5")}
    assert breaches(bought, part, rest, records=known, prices=market(60, {5: "101"})) == set()


def test_a_ninth_position_is_found() -> None:
    assert breaches(*entries(8)) == set()
    assert breaches(*entries(9)) == {"max_positions"}


def test_the_thirty_first_entry_of_a_day_of_the_market_is_found() -> None:
    def round_trips(count: int) -> list[Order]:
        pairs = ([order(1 + 1.5 * n, 100), order(2 + 1.5 * n, 100, side="sell")] for n in range(count))
        return [each for pair in pairs for each in pair]

    assert breaches(*round_trips(30), prices=market(100)) == set()
    assert breaches(*round_trips(31), prices=market(100)) == {"entries per day"}


def test_two_entries_for_one_candle_are_found() -> None:
    first, second = order(1, 100), order(1.2, 100, "ETH/USD")
    assert breaches(first, second) == {"gap between entries"}
    assert breaches(first, order(2, 100, "ETH/USD")) == set()


def test_an_entry_for_a_candle_that_had_not_ended_and_one_that_is_late_are_found() -> None:
    entry = order(20, 100)
    assert breaches(entry, records={entry.client_id: record(entry, behind=-1)}) == {
        "an entry answers a candle that had ended"
    }
    assert breaches(entry, records={entry.client_id: record(entry, behind=12)}) == set()
    assert breaches(entry, records={entry.client_id: record(entry, behind=14)}) == {"age of its candle"}


def test_an_entry_that_is_too_large_and_too_much_of_all_of_them_are_found() -> None:
    assert breaches(order(1, 500)) == set()
    assert breaches(order(1, 510)) == {"size of an entry"}
    assert breaches(*entries(8, usd=1_100)) == {"size of an entry", "max_exposure_pct"}


def test_an_entry_of_what_is_held_and_a_sale_of_more_than_that_are_found() -> None:
    assert breaches(order(1, 100), order(3, 100)) == {"enters what it does not hold"}
    assert breaches(order(1, 100), order(3, 110, side="sell")) == {"sells only what it bought"}


def test_an_order_of_another_and_an_entry_without_a_plan_are_found() -> None:
    entry = order(1, 100)
    assert breaches(entry, records={entry.client_id: {}}) == {"every order is its own", "every entry has a plan"}
    without = {**record(entry), "exit_plan": ""}
    assert breaches(entry, records={entry.client_id: without}) == {"every entry has a plan"}


def test_an_entry_against_a_switch_over_everything_is_found() -> None:
    paused = (Stop("pause", START, START + 30_000),)
    assert breaches(order(5, 100), stops=paused) == {"no entry against a switch"}
    assert breaches(order(0.5, 100), stops=paused) == set()
    assert breaches(order(5, 100), stops=(Stop("pause", START, START + 30_000, "alice"),)) == set()


def test_a_stop_that_is_due_and_not_acted_upon_is_found() -> None:
    low = market(60, {10: "94.9"})
    assert breaches(order(1, 400), prices=low) == {"stops are acted upon"}
    sold = order(17, 400, side="sell", price=Decimal("94.9"))
    assert breaches(order(1, 400), sold, prices=low, records={sold.client_id: exit_record("0@1")}) == set()
    assert breaches(order(1, 400), prices=market(60, {10: "94.9", 15: "96", 20: "94.9", 26: "96"})) == set()


def test_a_first_target_that_is_reached_and_not_acted_upon_is_found() -> None:
    high = market(60, {10: "105.1"})
    assert breaches(order(1, 400), prices=high) == {"targets are acted upon"}
    part = order(13, 200, side="sell", price=Decimal("105.1"))
    assert breaches(order(1, 400), part, prices=high, records={part.client_id: exit_record("1@0.5")}) == set()


def test_after_the_first_target_the_stop_is_where_the_entry_was() -> None:
    path = market(60, {10: "105.1", 20: "99.9"})
    part = order(13, 200, side="sell", price=Decimal("105.1"))
    known = {part.client_id: exit_record("1@0.5")}
    assert breaches(order(1, 400), part, prices=path, records=known) == {"stops are acted upon"}
    rest = order(25, 200, side="sell", price=Decimal("99.9"))
    assert (
        breaches(order(1, 400), part, rest, prices=path, records=known | {rest.client_id: exit_record("0@1")}) == set()
    )


def test_a_record_of_the_strategys_that_is_not_what_it_traded_is_found() -> None:
    assert breaches(order(1, 400), owned={BTC: "3.9"}) == {"its record is what it traded and has"}
    assert breaches(order(1, 400), owned={}) == {"its record is what it traded and has"}


def _rest(main: str, trend: str, *, total: str = "", cost: str = "200", balance: str = "") -> Rest:
    """An account that bought one coin for the bot and two for the strategy, with what the product has recorded of it."""
    bought = [order(1, 100), order(2, 200)]
    whose = {bought[0].client_id: "", bought[1].client_id: TREND}
    state: State = Account(Decimal(CASH), bought, [], whose).at(1 << 62)
    books: dict[str, Any] = {
        "": {"base_size": main, "cost": "100"},
        TREND: {"base_size": trend, "cost": "100"},
    }
    whole = {"base_size": total or str(Decimal(main) + Decimal(trend)), "cost": cost, "books": books}
    return Rest("alice", {BTC: json.dumps(whole)}, {"BTC": Decimal(balance or "3")}, state)


@pytest.mark.parametrize(
    ("rest", "breached"),
    [
        (_rest("1", "2"), set()),
        (_rest("1", "2", total="3.5"), {"books add up to their position"}),
        (_rest("1", "2", cost="201"), {"books add up to their position"}),
        (_rest("2", "1"), {"a book is what was traded for its master"}),
        (_rest("1", "2", balance="2.5"), {"books add up to the account"}),
    ],
)
def test_books_that_are_wrong_are_found(rest: Rest, breached: set[str]) -> None:
    found = Judgement()
    judge_books(rest, market(), START + 30_000, found)
    assert {words.partition(":")[0] for words in found.breaches} == breached


@pytest.mark.parametrize("sold", ["", TREND])
def test_what_a_user_still_has_of_what_its_master_has_sold_is_found(sold: str) -> None:
    held, nothing = State(Decimal(0), {BTC: Decimal(5)}), State(Decimal(0), {BTC: Decimal(0)})
    found = Judgement()
    masters = {"": held, TREND: held}
    judge_followed(_rest("1", "2"), masters, market(), START + 30_000, found)
    assert not found.breaches
    judge_followed(_rest("1", "2"), masters | {sold: nothing}, market(), START + 30_000, found)
    assert len(found.breaches) == 1


def test_a_day_in_which_a_master_did_little_is_found() -> None:
    busy = {"entries": 30, "exits": 30, "exits_by": {"stop": 2, "target": 1, "rule": 27}}
    copies = {"": 60, TREND: 60}
    assert tameness_of_masters(busy, copies, 10) == []
    assert len(tameness_of_masters({"entries": 24, "exits": 24, "exits_by": {"rule": 24}}, copies, 10)) == 3
    assert len(tameness_of_masters(busy, {"": 60}, 10)) == 1
    assert len(tameness_of_masters(busy, copies, 9)) == 1
