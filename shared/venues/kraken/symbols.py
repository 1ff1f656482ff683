"""Translates Kraken's spellings into plain names: `XXBTZUSD`, `XBTUSD`, `XBT/USD` and `BTC/USD` are one pair.

Kraken writes old assets with a class letter (`XXBT`, `ZUSD`) and two of them under names of its own. Both are tables here, filled
from the venue's lists: the names XTZ, XRP, ZRX and ZEC really begin with X or Z, so no letter is ever removed by rule. A balance
with a suffix (`USDT.F`, `XBT.M`) is lent out, staked or bonded: it keeps its suffix and is never the tradable asset, but it is
worth as much as its coin (`AssetNames.coin`).
Sources: KRAKEN.md, K20 to K22; docs.kraken.com `get-account-balance` (suffixes).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from shared.domain.values.instrument import Instrument
from shared.domain.values.symbol import Symbol
from shared.venues.rows import RowReason

_RENAMED: Final[Mapping[str, str]] = {"XBT": "BTC", "XDG": "DOGE"}
_CLASSIC: Final[Mapping[str, str]] = {
    "XXBT": "XBT",
    "XXDG": "XDG",
    "XETH": "ETH",
    "XETC": "ETC",
    "XLTC": "LTC",
    "XMLN": "MLN",
    "XREP": "REP",
    "XXLM": "XLM",
    "XXMR": "XMR",
    "XXRP": "XRP",
    "XZEC": "ZEC",
    "ZAUD": "AUD",
    "ZCAD": "CAD",
    "ZEUR": "EUR",
    "ZGBP": "GBP",
    "ZJPY": "JPY",
    "ZUSD": "USD",
}
"""Asset id to altname for the assets that have a class letter; all later ones are their own altname."""
_SUFFIXES: Final = frozenset({"B", "F", "M", "S", "T"})
"""B: yield-bearing, F: Kraken Rewards, M: opt-in rewards, S: staked, T: tokenised. None of them can be traded."""
_HELD: Final = frozenset({"HOLD"})
"""Deposits that the venue has credited and not released yet (`USD.HOLD`)."""
_STAKED: Final[Mapping[str, str]] = {"ETH2": "ETH"}
"""Staked coins with their own name, with or without a suffix (`ETH2`, `ETH2.S`)."""
_BONDED: Final = re.compile(r"([A-Z]+)[0-9]{2}")
"""A bonded coin carries its days before the suffix: `DOT28.S`, `ATOM21.S`, `SOL03.S`."""
FEE_CREDITS: Final = "KFEE"
"""Kraken lists its fee credits among the balances; they are neither a coin nor a currency."""


class AssetNames:
    """Plain names of assets: by the venue's list of altnames, or by the table of classic ids if it lists none."""

    def __init__(self, altnames: Mapping[str, str] | None = None) -> None:
        self._altnames = {**_CLASSIC, **(altnames or {})}
        self.renamed = self._renamed(altnames or {})
        """Old plain names, found as ids, to the present ones: an asset keeps its id for ever."""

    def plain(self, asset: str) -> str:
        """Return the plain name of an asset id or altname: `XXBT` and `XBT` are `BTC`, `XBT.M` is `BTC.M`."""
        name, dot, suffix = asset.partition(".")
        if dot and suffix in _SUFFIXES:
            return f"{self.plain(name)}.{suffix}"
        altname = self._altnames.get(asset, asset)
        return _RENAMED.get(altname, altname)

    def coin(self, asset: str) -> str:
        """Return the coin that a balance is worth: `BTC` for `XXBT`, `XBT.M` and `XBT.F`, `DOT` for `DOT28.S`."""
        name, dot, suffix = asset.partition(".")
        if not (dot and suffix in _SUFFIXES | _HELD):
            name = asset
        elif (bonded := _BONDED.fullmatch(name)) and name not in self._altnames.values():
            name = bonded[1]
        plain = self.plain(name)
        return _STAKED.get(plain, plain)

    def _renamed(self, listed: Mapping[str, str]) -> Mapping[str, str]:
        found = {
            asset: self.plain(asset)
            for asset in listed
            if asset not in _CLASSIC and asset not in _RENAMED and "." not in asset and self.plain(asset) != asset
        }
        plain = {self.plain(asset) for asset in listed}
        return {old: new for old, new in found.items() if old not in plain}


def is_tradable(asset: str) -> bool:
    """Return whether a balance of this name can be traded on the spot market: not if it is lent out, staked or bonded."""
    name, dot, suffix = asset.partition(".")
    return not (dot and suffix in _SUFFIXES | _HELD) and name not in _STAKED


@dataclass(frozen=True, slots=True)
class Pair:
    """A spot pair under all its names."""

    instrument: Instrument
    id: str
    altname: str
    wsname: str


class PairBook:
    """Kraken's spot pairs as it listed them at one moment.

    `left_out` has, by every spelling, the reason why a listed pair is not among them; to fetch the list again would not add it.
    """

    def __init__(
        self, names: AssetNames, pairs: Iterable[Pair], left_out: Mapping[str, tuple[RowReason, str]] | None = None
    ) -> None:
        self.names = names
        self.left_out: Mapping[str, tuple[RowReason, str]] = left_out or {}
        self.instruments: dict[Symbol, Instrument] = {}
        self._altname: dict[Symbol, str] = {}
        self._symbols: dict[str, Symbol] = {}
        for pair in pairs:
            symbol = pair.instrument.symbol
            self.instruments[symbol] = pair.instrument
            self._altname[symbol] = pair.altname
            for spelling in (pair.id, pair.altname, pair.wsname, str(symbol)):
                self._symbols[spelling] = symbol

    def pair_name(self, symbol: Symbol) -> str | None:
        """Return the altname, which every method of Kraken accepts, or None for a pair that it does not list."""
        return self._altname.get(symbol)

    def symbol(self, spelling: str) -> Symbol | None:
        """Return the symbol of any of Kraken's spellings of a pair, or None for a pair that it does not list."""
        return self._symbols.get(spelling)
