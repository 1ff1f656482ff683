"""The beginning of a run: its configuration, its accounts at each venue, and the files of its users."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final

from tests.chaos.harm.topologies import Topology, servers_for
from tests.chaos.script import Script
from tests.chaos.trading.hands import use_key
from tests.chaos.trading.market import PRICES
from tests.support.stack import Stack

USER_FILE: Final = '[guards]\nmax_signal_age = "20m"\nmax_slippage_bps = 500\n'
PAPER_FILE: Final = "[market]\nspeed = 0\n\n[limits]\nrest = false\ntrading = false\ncoinbase = false\n"
STRATEGY_FILE: Final = 'name = "none"\nentry_freshness_seconds = 1200\n'

Deposits = dict[str, dict[str, Mapping[str, Decimal]]]
"""What each account began with, by user and venue."""


def stack_for(folder: Path, script: Script, topology: Topology = Topology.SINGLE) -> Stack:
    """Return the stack that a script is played on."""
    (folder / "config").mkdir(parents=True)
    (folder / "config" / "paper.toml").write_text(PAPER_FILE)
    (folder / "config" / "strategy.toml").write_text(STRATEGY_FILE)
    venues = {each.user: each.venues for each in script.followers}
    servers = servers_for(topology, folder)
    return Stack(folder, script.users, user_settings=USER_FILE, venues=venues, servers=servers)


def open_accounts(stack: Stack, script: Script) -> Deposits:
    """Set the prices, write every user's file and open their accounts; returns what is in them."""
    deposits: Deposits = {}
    for number, follower in enumerate(script.followers):
        cash = 20_000 + 3_000 * number
        stack.write_user(follower.user, USER_FILE + follower.follow)
        for venue in follower.venues:
            stack.open_account(follower.user, venue=venue, USD=cash)
            deposits.setdefault(follower.user, {})[venue] = {"USD": Decimal(cash)}
        if "kraken" in follower.venues:
            use_key(stack, follower.user)
    for symbol, price in PRICES.items():
        stack.price(symbol, str(price))
    return deposits
