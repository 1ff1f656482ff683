"""Kraken's pairs, assets and fees as of shared/venues/kraken/KRAKEN.md (K20 to K24): ids, altnames, steps and minimums.

XBT is BTC and XDG is DOGE by table, never by a rule on letters: XTZ, XRP and XLM begin with an X too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.paper_exchange.core.fees import FeeSchedule, FeeTier
from services.paper_exchange.core.instrument import Instrument


@dataclass(frozen=True, slots=True)
class Asset:
    """One asset: plain name (BTC), Kraken's id (XXBT) and altname (XBT), decimals of balances and for display.

    `collateral` is its share that counts as collateral, `margin_rate` the text that Kraken shows; not every asset has them.
    """

    name: str
    id: str
    altname: str
    decimals: int
    display_decimals: int
    collateral: float | None = None
    margin_rate: str | None = None


@dataclass(frozen=True, slots=True)
class KrakenPair:
    """One pair: Kraken's id (XXBTZUSD), altname (XBTUSD), the published `wsname` (XBT/USD), and its instrument (BTC/USD)."""

    id: str
    altname: str
    wsname: str
    instrument: Instrument


_LEGACY_ASSETS: Final = {
    "BTC": ("XXBT", "XBT", 10), "ETH": ("XETH", "ETH", 10), "XRP": ("XXRP", "XRP", 8), "DOGE": ("XXDG", "XDG", 8),
    "LTC": ("XLTC", "LTC", 10), "XLM": ("XXLM", "XLM", 8), "USD": ("ZUSD", "USD", 4), "EUR": ("ZEUR", "EUR", 4),
}  # fmt: skip

# Other than 8: docs.kraken.com, Get Asset Info (example), and answers recorded in September 2026.
_DECIMALS: Final = {"SOL": 10, "BCH": 10}
# Other than 2 for currencies and 5 for coins; same sources.
_DISPLAY_DECIMALS: Final = {"DOGE": 2, "ADA": 6, "USDT": 4}
# Share as collateral and margin rate, recorded in September 2026; of EUR, LTC, ADA and USDT the share in the example.
# Which of the others have them is not known: they are shown without.
_MARGIN: Final[dict[str, tuple[float, str | None]]] = {
    "BTC": (0.99, "0.01"), "ETH": (0.99, "0.02"), "DOGE": (0.925, "0.02"), "SOL": (0.925, "0.02"), "USD": (1.0, "0.036"),
    "EUR": (1.0, None), "LTC": (0.7, None), "ADA": (0.9, None), "USDT": (0.9, None),
}  # fmt: skip

# symbol, id, altname, price decimals, lot decimals, ordermin
_ROWS: Final = (
    ("BTC/USD", "XXBTZUSD", "XBTUSD", 1, 8, "0.00005"),
    ("ETH/USD", "XETHZUSD", "ETHUSD", 2, 8, "0.001"),
    ("SOL/USD", "SOLUSD", "SOLUSD", 2, 8, "0.06"),
    ("XRP/USD", "XXRPZUSD", "XRPUSD", 5, 8, "1.65"),
    ("ADA/USD", "ADAUSD", "ADAUSD", 6, 8, "20"),
    ("DOGE/USD", "XDGUSD", "XDGUSD", 7, 8, "50"),
    ("LTC/USD", "XLTCZUSD", "LTCUSD", 2, 8, "0.1"),
    ("LINK/USD", "LINKUSD", "LINKUSD", 5, 8, "0.55"),
    ("AVAX/USD", "AVAXUSD", "AVAXUSD", 2, 8, "0.5"),
    ("DOT/USD", "DOTUSD", "DOTUSD", 4, 8, "3.9"),
    ("BCH/USD", "BCHUSD", "BCHUSD", 2, 8, "0.01"),
    ("UNI/USD", "UNIUSD", "UNIUSD", 3, 8, "1.5"),
    ("AAVE/USD", "AAVEUSD", "AAVEUSD", 2, 8, "0.05"),
    ("SUI/USD", "SUIUSD", "SUIUSD", 4, 5, "5"),
    ("ALGO/USD", "ALGOUSD", "ALGOUSD", 5, 8, "41"),
    ("ATOM/USD", "ATOMUSD", "ATOMUSD", 4, 8, "0.5"),
    ("XLM/USD", "XXLMZUSD", "XLMUSD", 6, 8, "20"),
    ("USDT/USD", "USDTZUSD", "USDTUSD", 5, 8, "5"),
    ("BTC/EUR", "XXBTZEUR", "XBTEUR", 1, 8, "0.00005"),
    ("ETH/EUR", "XETHZEUR", "ETHEUR", 2, 8, "0.001"),
    ("DOT/EUR", "DOTEUR", "DOTEUR", 4, 8, "3.9"),
)

LEVERAGE: Final = {"BTC/USD": (2, 3, 4, 5), "ETH/USD": (2, 3, 4, 5), "BTC/EUR": (2, 3, 4, 5)}
"""The leverage of pairs with margin trading, for accounts that may use it."""


def _pair(
    symbol: str, pair_id: str, altname: str, price_decimals: int, lot_decimals: int, order_min: str
) -> KrakenPair:
    base, _, quote = symbol.partition("/")
    instrument = Instrument(
        symbol, base, quote, price_decimals, lot_decimals, Decimal(order_min), cost_decimals=9 if base == "DOGE" else 5
    )
    return KrakenPair(pair_id, altname, f"{_LEGACY_ASSETS.get(base, ('', base))[1]}/{quote}", instrument)


PAIRS: Final = tuple(_pair(*row) for row in _ROWS)
BY_SYMBOL: Final = {pair.instrument.symbol: pair for pair in PAIRS}
# The published `wsname` of BTC and DOGE (XBT/USD, XDG/USD) is refused by the real venue; the symbol (BTC/USD) works.
BY_NAME: Final = {
    name: pair
    for pair in PAIRS
    for name in (pair.instrument.symbol, pair.instrument.symbol.replace("/", ""), pair.altname, pair.id)
}
INSTRUMENTS: Final = {pair.instrument.symbol: pair.instrument for pair in PAIRS}


def _asset(name: str) -> Asset:
    asset_id, altname, decimals = _LEGACY_ASSETS.get(name, (name, name, _DECIMALS.get(name, 8)))
    shown = _DISPLAY_DECIMALS.get(name, 2 if asset_id.startswith("Z") else 5)
    return Asset(name, asset_id, altname, decimals, shown, *_MARGIN.get(name, (None, None)))


ASSETS: Final = {
    name: _asset(name)
    for name in sorted({"EUR"} | {part for pair in PAIRS for part in (pair.instrument.base, pair.instrument.quote)})
}
ASSET_BY_NAME: Final = {key: asset for asset in ASSETS.values() for key in (asset.id, asset.altname, asset.name)}

_ORIGINAL_ASSETS: Final = frozenset(ASSETS)


def list_pair(instrument: Instrument) -> None:
    """Add a pair that did not exist at the start, and its base asset: both under their plain names."""
    name = instrument.symbol.replace("/", "")
    pair = KrakenPair(name, name, instrument.symbol, instrument)
    ASSETS.setdefault(instrument.base, _asset(instrument.base))
    ASSET_BY_NAME.setdefault(instrument.base, ASSETS[instrument.base])
    BY_SYMBOL[instrument.symbol] = pair
    BY_NAME.update({instrument.symbol: pair, name: pair})


def listed_assets(renamed: Mapping[str, str]) -> list[Asset]:
    """Return the assets that an exchange lists after it has renamed some of the original ones."""
    names = (_ORIGINAL_ASSETS | set(renamed.values())) - renamed.keys()
    return [asset for name, asset in ASSETS.items() if name in names]


BOOK_CAPS: Final = {"starter": 60, "intermediate": 80, "pro": 225}
"""Open orders per pair, by tier; no cap for other tiers."""
FEES: Final = FeeSchedule([
    FeeTier(Decimal(volume), Decimal(taker), Decimal(maker))
    for volume, taker, maker in (
        (0, "0.40", "0.25"), (10_000, "0.35", "0.20"), (50_000, "0.24", "0.14"), (100_000, "0.22", "0.12"),
        (250_000, "0.20", "0.10"), (500_000, "0.18", "0.08"), (1_000_000, "0.16", "0.06"), (2_500_000, "0.14", "0.04"),
        (5_000_000, "0.12", "0.02"), (10_000_000, "0.10", "0.00"),
    )
])  # fmt: skip
