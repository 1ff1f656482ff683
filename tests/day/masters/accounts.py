"""The master's two accounts: the shipped strategy `trend` trades one, which has a name, and a bot of the owner the other.

Which of them is at Kraken and which at Coinbase depends on the seed. The bot's account has no file, so it is named after its
venue and its copies are in users' main books; the strategy's copies are in a book of its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

TREND: Final = "trend"
"""The name of the strategy's account, and the strategy itself."""
BOT: Final = ""
"""The bot's account: its book is the main one."""
CASH: Final = 50_000
"""USD in each account."""
UNIVERSE: Final = (
    "BTC/USD",
    "ETH/USD",
    "SOL/USD",
    "XRP/USD",
    "ADA/USD",
    "LTC/USD",
    "LINK/USD",
    "AVAX/USD",
    "DOT/USD",
)
"""One more than the strategy may hold at once."""
_STRATEGY: Final = """
strategy = "trend"
venue = "{venue}"
symbols = [{symbols}]
scan_batch = 3          # a round over all symbols takes a second and a half, which is nearly two candles
poll_seconds = 0.5
entry_gap_seconds = 0   # of the wall clock; the strategy's own gap of five minutes of market time is a cap of its own
"""


@dataclass(frozen=True, slots=True)
class Masters:
    """Where each of the two is."""

    trend_venue: str

    @staticmethod
    def of_seed(seed: int) -> Masters:
        """Return where they are: the strategy at Kraken on odd days, at Coinbase on even ones."""
        return Masters("kraken" if seed % 2 else "coinbase")

    @property
    def bot_venue(self) -> str:
        """Return the other venue."""
        return "coinbase" if self.trend_venue == "kraken" else "kraken"

    @property
    def venues(self) -> dict[str, str]:
        """Return the venue of each master."""
        return {TREND: self.trend_venue, BOT: self.bot_venue}

    def at(self, venue: str) -> str:
        """Return the master whose account is at a venue."""
        return TREND if venue == self.trend_venue else BOT

    def write(self, config: Path) -> None:
        """Write what the master service reads of them."""
        (config / "masters").mkdir()
        (config / "masters" / f"{TREND}.toml").write_text(f'venue = "{self.trend_venue}"\n')
        symbols = ", ".join(f'"{symbol}"' for symbol in UNIVERSE)
        (config / "strategy.toml").write_text(_STRATEGY.format(venue=self.trend_venue, symbols=symbols))
