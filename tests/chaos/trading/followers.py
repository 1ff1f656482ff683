"""At which venues the users of a run trade, and where each copies the signals of which master."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

VENUES: Final = ("kraken", "coinbase")


class Mix(StrEnum):
    """Which venues a run has. With `mixed` there are masters and users at each."""

    KRAKEN = "kraken"
    COINBASE = "coinbase"
    MIXED = "mixed"


@dataclass(frozen=True, slots=True)
class Follower:
    """One user: `copies` says at which venue each master's signals are copied; a master that is not in it is not followed."""

    user: str
    venues: tuple[str, ...]
    copies: Mapping[str, str]

    @property
    def follow(self) -> str:
        """Return the section of the user's file, empty where the default says the same."""
        if all(master == venue for master, venue in self.copies.items()):
            return ""
        return "[follow]\n" + "".join(f'{master} = "{venue}"\n' for master, venue in self.copies.items())


_AT_KRAKEN: Final = (("kraken",), {"kraken": "kraken"})
_AT_COINBASE: Final = (("coinbase",), {"coinbase": "coinbase"})
_AT_BOTH: Final = (VENUES, {"kraken": "kraken", "coinbase": "coinbase"})
_CROSSED: Final = (VENUES, {"kraken": "coinbase", "coinbase": "kraken"})
_KRAKENS_AT_COINBASE: Final = (("coinbase",), {"kraken": "coinbase"})
_COINBASES_AT_KRAKEN: Final = (("kraken",), {"coinbase": "kraken"})
_MIXED: Final = (
    _AT_KRAKEN,
    _AT_COINBASE,
    _AT_BOTH,
    _KRAKENS_AT_COINBASE,
    _COINBASES_AT_KRAKEN,
    _CROSSED,
    _AT_COINBASE,
    _AT_KRAKEN,
    _AT_BOTH,
    _KRAKENS_AT_COINBASE,
)
"""Any six users in a row are of six kinds."""
_KINDS: Final = {Mix.KRAKEN: (_AT_KRAKEN,), Mix.COINBASE: (_AT_COINBASE,), Mix.MIXED: _MIXED}


def draw_followers(seed: int, names: Sequence[str], mix: Mix) -> list[Follower]:
    """Give each user a kind: the share of each is fixed, who is of which is drawn."""
    kinds = [_KINDS[mix][number % len(_KINDS[mix])] for number in range(len(names))]
    random.Random(f"{seed} {mix}").shuffle(kinds)  # not the dice of the script, which stays as it was without it
    return [Follower(name, *kind) for name, kind in zip(names, kinds, strict=True)]


def masters_of(mix: Mix) -> tuple[str, ...]:
    """Return the venues that have a master."""
    return VENUES if mix is Mix.MIXED else (mix.value,)


def users_at(followers: Sequence[Follower]) -> dict[str, list[str]]:
    """Return who trades at each venue."""
    found: dict[str, list[str]] = {}
    for each in followers:
        for venue in each.venues:
            found.setdefault(venue, []).append(each.user)
    return {venue: found[venue] for venue in VENUES if venue in found}
