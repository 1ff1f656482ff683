"""The names of the venues: the one place where they are spelt.

A name is plain text on the wire and in Redis keys; the enum is a `str`, so it stands wherever the text does. The settings of a
venue are described in `shared/config/venue/venue_settings.py`, its fees and its seed table in the files beside this one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class VenueName(StrEnum):
    """A venue that Shoal knows by name."""

    KRAKEN = "kraken"
    COINBASE = "coinbase"


VENUES: Final = tuple(VenueName)
"""All of them: settings, records and keys of each are read, whether or not anything trades there."""
SUPPORTED_VENUES: Final = (VenueName.KRAKEN, VenueName.COINBASE)
"""The venues with an adapter in `shared/venues`: only there can an account trade."""
