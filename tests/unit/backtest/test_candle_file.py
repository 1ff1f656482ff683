"""Candle files of both venues are read exactly, and what is wrong with one names its line."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from shared.backtest.candles.candle_file import Period, read_candles
from shared.backtest.candles.candle_folder import file_names, read_folder
from shared.config.errors import ConfigurationError
from shared.domain.values.symbol import Symbol
from shared.venues.port import Candle

D = Decimal

ALL = Period(0, 1 << 62)
BTC = Symbol("BTC", "USD")
FIRST = Candle(1_700_000_100_000, D("10"), D("12.5"), D("9.1"), D("11"), D("3.25"))
SECOND = Candle(1_700_000_400_000, D("11"), D("11"), D("10"), D("10.5"), D("0"))
KRAKEN = "1700000100,10,12.5,9.1,11,3.25,4\n1700000400,11,11,10,10.5,0,0\n"
SIX = "time, open, high, low, close, volume"
NO_COLUMN_KNOWN = f":1: the header names no {SIX}; it must have {SIX}, in any order"
AS_COINBASES = " (read as time, low, high, open, close, volume: if the columns are others, name them in a first line)"
AS_KRAKENS = f" (read as {SIX}, trades: if the columns are others, name them in a first line)"
COINBASE = "1700000400,10,11,11,10.5,0\n1700000100,9.1,12.5,10,11,3.25\n"


def write(folder: Path, text: str, name: str = "XBTUSD_5.csv") -> Path:
    """Write a candle file."""
    path = folder / name
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        KRAKEN,
        COINBASE,
        "time,open,high,low,close,volume,trades\n" + KRAKEN,
        "start,low,high,open,close,volume\n" + COINBASE,
        "Unix,Symbol,Close,Open,Low,High,Volume\n1700000100,BTC/USD,11,10,9.1,12.5,3.25\n\n1700000400,x,10.5,11,10,11,0\n",
        "\ufeff" + KRAKEN.replace("\n", "\r\n"),
    ],
    ids=[
        "kraken",
        "coinbase, newest first",
        "kraken with a header",
        "coinbase with a header",
        "other order",
        "Windows",
    ],
)
def test_the_formats_of_both_venues_give_the_same_candles(tmp_path: Path, text: str) -> None:
    assert read_candles(write(tmp_path, text), 5, ALL) == [FIRST, SECOND]


def test_only_candles_that_begin_within_the_period_are_read(tmp_path: Path) -> None:
    path = write(tmp_path, KRAKEN)
    assert read_candles(path, 5, Period(0, SECOND.opened_at)) == [FIRST]
    assert read_candles(path, 5, Period(SECOND.opened_at, SECOND.opened_at + 1)) == [SECOND]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (KRAKEN + "1700000700,10,9,8,9,1,1\n", ":3: low, open, close and high contradict one another" + AS_KRAKENS),
        (KRAKEN + "1700000700,10,12,8,,1,1\n", ":3: a price or volume is not a number"),
        (KRAKEN + "1700000700,10,12,8\n", ":3: a price or volume is not a number"),
        (KRAKEN + "1700000700,10,NaN,8,9,1,1\n", ":3: a price or volume is not a number"),
        (KRAKEN + "1700000700,10,12,0,9,1,1\n", ":3: low, open, close and high contradict one another" + AS_KRAKENS),
        (KRAKEN + "1700000700,10,Infinity,8,9,1,1\n", ":3: a price or volume is not usable"),
        (KRAKEN + "1700000700,10,12,8,9,-1,1\n", ":3: a price or volume is not usable"),
        (KRAKEN + "1700000701,10,12,8,9,1,1\n", ":3: 1700000701 is not the start of a candle of 5 minutes"),
        (KRAKEN + "2023-11-14,10,12,8,9,1,1\n", ":3: no unix time in seconds (got '2023-11-14')"),
        (KRAKEN + "1700000400,10,12,8,9,1,1\n", ":3: the candles are not in the order of time"),
        (
            "1700000100,1,2\n",
            ":1: 3 columns; without a header Kraken's files have 7, Coinbase's 6; name them in a first line",
        ),
        (
            "time,open,high,low\n",
            ":1: the header names no close, volume; it must have time, open, high, low, close, volume, in any order",
        ),
        ("time;open\n", ":1: one column only; columns are separated by commas"),
        (
            "https://example.invalid/download?a=b,c\nunix,open\n",
            NO_COLUMN_KNOWN,
        ),
        ("1700000100000,10,12,8,9,1,1\n", ":1: the time must be in seconds, not in milliseconds (got 1700000100000)"),
        ("2023-11-14T22:15,10,12,8,9,1,1\n", ":1: no unix time in seconds (got '2023-11-14T22:15')"),
        (
            "1700000100,10,12.5,9.1,11,3.25\n",
            ":1: low, open, close and high contradict one another" + AS_COINBASES,
        ),
    ],
)
def test_what_is_wrong_names_file_and_line(tmp_path: Path, text: str, why: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        read_candles(path, 5, ALL)
    assert str(caught.value) == f"{path}{why}"


def test_what_is_no_csv_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "XBTUSD_5.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match=r"XBTUSD_5.csv: not a CSV file"):
        read_candles(path, 5, ALL)
    with pytest.raises(ConfigurationError, match=r"none.csv: cannot be read: No such file"):
        read_candles(tmp_path / "none.csv", 5, ALL)


def test_a_pair_is_found_under_the_names_of_both_venues(tmp_path: Path) -> None:
    assert file_names(BTC, 5) == ("XBTUSD_5.csv", "XBT-USD_5.csv", "BTCUSD_5.csv", "BTC-USD_5.csv")
    write(tmp_path, COINBASE, "BTC-USD_5.csv")
    write(tmp_path, KRAKEN, "ETHUSD_5.csv")
    eth = Symbol("ETH", "USD")
    found = read_folder(tmp_path, [BTC, eth], 5, ALL)
    assert found == {BTC: [FIRST, SECOND], eth: [FIRST, SECOND]}


def test_a_folder_must_have_one_file_per_pair(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none of XBTUSD_5.csv, .*; there is no .csv file"):
        read_folder(tmp_path, [BTC], 5, ALL)
    one = write(tmp_path, KRAKEN, "XBTUSD_1.csv")
    with pytest.raises(ConfigurationError, match=r"no candles of BTC/USD of 5 min: .*; there are XBTUSD_1.csv"):
        read_folder(tmp_path, [BTC], 5, ALL)
    with pytest.raises(ConfigurationError, match=rf"give the folder in which it is, {tmp_path}"):
        read_folder(one, [BTC], 5, ALL)
    write(tmp_path, KRAKEN)
    write(tmp_path, COINBASE, "BTC-USD_5.csv")
    with pytest.raises(ConfigurationError, match=r"two files for BTC/USD: XBTUSD_5.csv and BTC-USD_5.csv"):
        read_folder(tmp_path, [BTC], 5, ALL)
    with pytest.raises(ConfigurationError, match="is not a folder with candle files"):
        read_folder(tmp_path / "none", [BTC], 5, ALL)
