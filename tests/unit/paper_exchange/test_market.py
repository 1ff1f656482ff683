"""The market: seeded, in market time, consistent between its views, in several weathers, or replayed from files."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from services.paper_exchange.core.market.clock import ManualClock, MarketClock
from services.paper_exchange.core.market.market import Market
from services.paper_exchange.market_file import MarketSection, build_market, read_paper_file
from shared.config.errors import ConfigurationError
from tests.unit.paper_exchange.venue import Venue

HOUR = 3600


def market(clock: ManualClock, folder: Path = Path(), **section: Any) -> Market:
    return build_market(MarketSection.model_validate({"pairs": ["BTC/USD"], **section}), clock, folder)


def go(made: Market, clock: ManualClock, seconds: float) -> None:
    """Let time pass and the market take notice."""
    clock.advance(seconds)
    made.tick()


def walk(regime: str, hours: float, seed: int = 7) -> list[float]:
    """Return the minute closes of a regime."""
    clock = ManualClock()
    made = market(clock, regime=regime, seed=seed)
    prices = []
    for _ in range(int(hours * 60)):
        go(made, clock, 60)
        prices.append(float(made.last("BTC/USD")))
    return prices


def test_the_same_seed_gives_the_same_prices_and_another_seed_others() -> None:
    assert walk("calm", 1) == walk("calm", 1)
    assert walk("calm", 1) != walk("calm", 1, seed=8)


def test_prices_do_not_depend_on_how_often_one_looks() -> None:
    lazy, eager = ManualClock(), ManualClock()
    first, second = market(lazy), market(eager)
    for _ in range(600):
        go(second, eager, 1)
        second.feed("BTC/USD")
    go(first, lazy, 600)
    assert first.last("BTC/USD") == second.last("BTC/USD")
    assert [b.close for b in first.feed("BTC/USD").candles(1, 20)] == [
        b.close for b in second.feed("BTC/USD").candles(1, 20)
    ]


def test_speed_moves_market_time_and_never_the_wall_clock() -> None:
    clock = ManualClock(1000.0)
    time = MarketClock(clock, 60.0)
    clock.advance(10)
    assert (clock.now(), time.now()) == (1010.0, 1600.0)
    time.set_speed(0)
    clock.advance(10)
    assert time.now() == 1600.0
    time.set_speed(1)
    clock.advance(5)
    assert time.now() == 1605.0


def test_market_time_does_not_step_back_with_the_wall_clock() -> None:
    clock = ManualClock(1000.0)
    time = MarketClock(clock, 1.0)
    clock.advance(-500)
    assert time.now() == 1000.0


def test_the_calm_market_swings_enough_to_be_traded_and_little_enough_to_be_copied() -> None:
    closes = walk("calm", 8)

    def average(length: int, at: int) -> float:
        return sum(closes[at - length : at]) / length

    above = [average(3, at) > average(9, at) for at in range(9, len(closes))]
    crossings = sum(a != b for a, b in pairwise(above))
    assert len(closes) / 12 < crossings < len(closes) / 4, "a crossing every four to twelve candles"
    ranges = sorted(max(closes[i : i + 15]) / min(closes[i : i + 15]) - 1 for i in range(0, len(closes), 15))
    assert 0.002 < ranges[len(ranges) // 2] < 0.01
    clock = ManualClock()
    made = market(clock)
    steps = []
    for _ in range(2000):
        before = made.last("BTC/USD")
        go(made, clock, 1)
        steps.append(abs(float(made.last("BTC/USD") / before - 1)))
    assert sorted(steps)[len(steps) * 99 // 100] < 0.001


def test_each_regime_has_its_own_weather() -> None:
    assert max(walk("calm", 3)) / min(walk("calm", 3)) < 1.05
    assert abs(walk("trend", 1.5)[-1] / 60000 - 1) > 0.01
    crash = walk("crash", 2)
    assert min(crash) < 60000 * 0.9
    assert crash[-1] > min(crash) * 1.02, "part of the fall comes back"
    gaps = walk("gap", 4)
    assert max(abs(b / a - 1) for a, b in pairwise(gaps)) > 0.015


@pytest.mark.parametrize("interval", [1, 5, 15, 30, 60, 240])
def test_720_candles_are_there_from_the_start_and_join_without_gaps(interval: int) -> None:
    bars = market(ManualClock()).feed("BTC/USD").candles(interval, 720)
    assert len(bars) == 720
    assert all(b.start - a.start == interval * 60 for a, b in pairwise(bars))
    assert all(bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high for bar in bars)
    assert all(abs(b.open / a.close - 1) < 0.03 for a, b in pairwise(bars))


def test_candles_of_different_intervals_agree() -> None:
    clock = ManualClock()
    made = market(clock, speed=60)
    made.feed("BTC/USD").candles(1, 720)
    go(made, clock, 90)  # 90 market minutes
    feed = made.feed("BTC/USD")
    minutes, quarters, hours = feed.candles(1, 720), feed.candles(15, 720), feed.candles(60, 720)
    for coarse, fine, seconds in ((quarters, minutes, 900), (hours, quarters, 3600)):
        for bar in coarse[-4:]:
            parts = [part for part in fine if bar.start <= part.start < bar.start + seconds]
            assert (bar.open, bar.close) == (parts[0].open, parts[-1].close)
            assert (bar.high, bar.low) == (max(p.high for p in parts), min(p.low for p in parts))
            assert bar.volume == pytest.approx(sum(p.volume for p in parts))


def test_the_last_row_of_ohlc_still_forms_and_last_names_the_one_before() -> None:
    venue = Venue(market={"speed": 1})
    result = venue.public("OHLC", pair="XBTUSD")["result"]
    rows = result["XXBTZUSD"]
    assert (len(rows), result["last"]) == (720, rows[-2][0])
    assert rows[-1][0] == 1_700_000_000 // 60 * 60
    assert [type(cell) for cell in rows[0]] == [int, str, str, str, str, str, str, int]
    venue.clock.advance(120)
    newer = venue.public("OHLC", pair="XBTUSD", since=result["last"])["result"]["XXBTZUSD"]
    assert [row[0] - result["last"] for row in newer] == [60, 120, 180]
    assert newer[0][1] == rows[-1][1], "a candle keeps its open"


def test_a_posted_price_is_in_the_candle_and_the_path_goes_on_from_it() -> None:
    venue = Venue(market={"speed": 1})
    venue.price("80000")
    rows = venue.public("OHLC", pair="XBTUSD")["result"]["XXBTZUSD"]
    assert (rows[-1][2], rows[-1][4]) == ("80000.0", "80000.0")
    venue.clock.advance(60)
    venue.exchange.catch_up()
    assert 79000 < venue.exchange.market.last("BTC/USD") < 81000


def test_the_book_is_symmetric_deep_and_ordered(venue: Venue) -> None:
    book = venue.public("Depth", pair="XBTUSD", count="500")["result"]["XXBTZUSD"]
    asks, bids = ([Decimal(row[0]) for row in book[side]] for side in ("asks", "bids"))
    assert (len(asks), len(bids)) == (500, 500)
    assert asks == sorted(asks)
    assert bids == sorted(bids, reverse=True)
    assert (bids[0], asks[0]) == (Decimal("59994"), Decimal("60006"))
    assert Decimal(book["asks"][10][1]) > Decimal(book["asks"][0][1])


def test_prints_can_be_read_on_from_last() -> None:
    venue = Venue(market={"speed": 1})
    venue.clock.advance(100)
    first = venue.public("Trades", pair="XBTUSD", count="50")["result"]
    second = venue.public("Trades", pair="XBTUSD", since=first["last"])["result"]
    numbers = [row[6] for row in first["XXBTZUSD"] + second["XXBTZUSD"]]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_fast_market_takes_longer_steps_instead_of_more() -> None:
    clock = ManualClock()
    made = market(clock, speed=3600)
    made.feed("BTC/USD")
    before = made.feed("BTC/USD").printed
    go(made, clock, 10)
    assert made.feed("BTC/USD").printed - before <= 10 * 61


CANDLES = [
    (1_600_000_000 // 60 * 60 + 60 * i, 100 + i, 100 + i + 3, 100 + i - 2, 100 + i + 1, 5.5) for i in range(1500)
]  # fmt: skip


def test_a_listener_that_looks_at_a_fast_market_again_sees_each_step_once() -> None:
    """At 600 times the speed a step is ten seconds; what is left of one is no move, or the listener would be called for ever."""
    clock = ManualClock()
    made = market(clock, speed=600.0)
    feed = made.feed("BTC/USD")
    seen: list[int] = []
    feed.on_move.append(lambda: seen.append(made.feed("BTC/USD").version))
    for _ in range(20):
        go(made, clock, 0.0125)  # seven and a half seconds of the market
        made.feed("BTC/USD")
    assert seen == sorted(set(seen))
    assert 10 <= len(seen) <= 15


def csv(tmp_path: Path, rows: list[Any]) -> Path:
    (tmp_path / "XBTUSD_1.csv").write_text("".join(",".join(map(str, [*row, 9])) + "\n" for row in rows))
    return Path("XBTUSD_1.csv")


def test_a_replayed_file_is_seen_candle_for_candle(tmp_path: Path) -> None:
    clock = ManualClock(1_700_000_040.0)
    made = market(clock, tmp_path, replay={"BTC/USD": csv(tmp_path, CANDLES)})
    assert len(made.feed("BTC/USD").candles(1, 720)) == 720
    go(made, clock, 600)
    bars = made.feed("BTC/USD").candles(1, 720)
    for row, bar in zip(CANDLES[720:730], bars[-11:-1], strict=True):
        assert (bar.open, bar.high, bar.low, bar.close) == tuple(int(price * 10) for price in row[1:5])


def test_a_replay_holds_its_last_price_at_the_end_and_can_be_moved(tmp_path: Path) -> None:
    clock = ManualClock(1_700_000_040.0)
    made = market(clock, tmp_path, replay={"BTC/USD": csv(tmp_path, CANDLES[:10])})
    made.feed("BTC/USD").set_price(Decimal(2000))
    go(made, clock, 60)
    assert 1900 < made.last("BTC/USD") < 2200
    go(made, clock, HOUR)
    at_end = made.last("BTC/USD")
    go(made, clock, HOUR)
    assert made.last("BTC/USD") == at_end


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[market]\nspeeed = 2", "market.speeed"),
        ("[market]\nspeed = -1", "market.speed"),
        ("[market]\nregime = 'sunny'", "market.regime"),
        ("[market]\npairs = ['XBT/USD']", "unknown pair 'XBT/USD'"),
        ("[market.start_prices]\n'BTC/USD' = 0", "must be above 0"),
        ("[market.replay]\n'NO/PE' = 'x.csv'", "unknown pair"),
        ("[limits]\nlockout_failures = 0", "limits.lockout_failures"),
        ("market = [", "paper.toml"),
    ],
)
def test_a_wrong_market_file_is_one_line_that_names_file_and_field(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "paper.toml").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        read_paper_file(tmp_path)
    message = str(caught.value)
    assert "paper.toml" in message
    assert words in message
    assert "\n" not in message


def test_without_a_market_file_the_defaults_hold(tmp_path: Path) -> None:
    paper = read_paper_file(tmp_path)
    assert (paper.market.speed, paper.market.seed, paper.market.regime) == (1.0, 7, "calm")
    assert len(paper.market.pairs) >= 18


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2,3\n", "XBTUSD_1.csv:1"),
        ("60,5,6,4,5,1,1\n120,5,4,6,5,1,1\n", "XBTUSD_1.csv:2"),
        ("60,5,6,4,5,1,1\n60,5,6,4,5,1,1\n", "time order"),
        ("60,5,6,4,5,1,1\n", "at least two"),
    ],
)
def test_a_wrong_replay_file_is_named_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "XBTUSD_1.csv").write_text(text)
    with pytest.raises(ConfigurationError, match=words):
        market(ManualClock(), tmp_path, replay={"BTC/USD": Path("XBTUSD_1.csv")})


def test_a_missing_replay_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nope\.csv: cannot be read"):
        market(ManualClock(), tmp_path, replay={"BTC/USD": Path("nope.csv")})


def test_one_request_sees_one_price_throughout() -> None:
    clock = ManualClock()
    made = market(clock, regime="gap")
    before = made.last("BTC/USD")
    clock.advance(HOUR)
    assert made.last("BTC/USD") == before
    made.tick()
    assert made.last("BTC/USD") != before


def test_a_file_of_hours_is_replayed_in_hours_and_in_minutes(tmp_path: Path) -> None:
    clock = ManualClock(1_700_002_800.0)
    hours = [(1_600_002_000 + HOUR * i, 1000 + i, 1010 + i, 990 + i, 1001 + i, 5.5) for i in range(1600)]
    made = market(clock, tmp_path, replay={"BTC/USD": csv(tmp_path, hours)})
    go(made, clock, 2 * HOUR)
    feed = made.feed("BTC/USD")
    bars = feed.candles(60, 720)
    assert len(bars) == 720
    for row, bar in zip(hours[721 - 718 : 722], bars[:-1], strict=True):
        assert (bar.open, bar.high, bar.low, bar.close) == tuple(int(price * 10) for price in row[1:5])
    minutes = feed.candles(1, 720)
    assert all(b.start - a.start == 60 for a, b in pairwise(minutes))
    assert all(abs(b.close / a.close - 1) < 0.005 for a, b in pairwise(minutes))
