"""Masters and users at Kraken, at Coinbase and at both: each signal is one order on the one account that `[follow]` names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from shared.contracts import keys
from tests.support.ops_command import run_ops
from tests.support.outcomes import assert_books_match
from tests.support.person import CoinbasePerson, Person
from tests.support.processes import wait_for
from tests.support.stack import Stack

pytestmark = pytest.mark.timeout(200)


@dataclass(frozen=True, slots=True)
class Follower:
    """A user: where they trade, what their file says, and where a master is copied; empty: nowhere."""

    venues: tuple[str, ...]
    copied_at: str
    settings: str = ""
    cash: int = 5_000
    skipped: str = ""


def _across(master: str, venue: str) -> str:
    return f'[follow]\n{master} = "{venue}"\n'


FOLLOWERS: Final[Mapping[str, Mapping[str, Follower]]] = {
    "kraken": {
        "at-home": Follower(("kraken",), "kraken"),
        "abroad": Follower(("coinbase",), "coinbase", _across("kraken", "coinbase")),
        "both": Follower(("kraken", "coinbase"), "kraken"),
        "both-but-abroad": Follower(("kraken", "coinbase"), "coinbase", _across("kraken", "coinbase")),
        "not-followed": Follower(("coinbase",), "", skipped="follows on coinbase, not on kraken"),
    },
    "coinbase": {
        "at-home": Follower(("coinbase",), "coinbase"),
        "abroad": Follower(("kraken",), "kraken", _across("coinbase", "kraken")),
        "both": Follower(("kraken", "coinbase"), "coinbase"),
        "both-but-abroad": Follower(("kraken", "coinbase"), "kraken", _across("coinbase", "kraken")),
        "not-followed": Follower(("kraken",), "", skipped="follows on kraken, not on coinbase"),
    },
}


@pytest.mark.parametrize("venue", ["kraken", "coinbase"])
def test_a_master_is_copied_on_the_one_account_that_follows_it(tmp_path: Path, venue: str) -> None:
    followers = FOLLOWERS[venue]
    venues = {user: each.venues for user, each in followers.items()}
    with Stack(tmp_path, list(followers), venue=venue, venues=venues) as stack:
        (stack.config / "strategy.toml").write_text('name = "none"\n')
        stack.price("BTC/USD", "60000")
        for user, each in followers.items():
            stack.write_user(user, each.settings)
            stack.open_account(user, USD=each.cash)
        stack.open_account("master", USD=100_000)
        person = (Person if venue == "kraken" else CoinbasePerson)(stack, "master")
        stack.start("master-strategy", "services.master_strategy")
        stack.executor(capacity=len(followers))
        stack.engine()
        stack.wait_ready("master", *followers)

        person.trade("buy", "0.2")
        _judge(stack, followers, 1)
        bought = {user: _traded(stack, user, "buy") for user in followers}
        for user, each in followers.items():
            # A twentieth of the master's equity, less what cannot be spent because of the fee.
            assert (Decimal("0.0095") < bought[user] <= Decimal("0.0101")) is bool(each.copied_at), bought[user]
        person.trade("sell", "0.05")
        _judge(stack, followers, 2)
        person.trade("sell", "0.15")
        _judge(stack, followers, 3)
        for user, each in followers.items():
            assert _traded(stack, user, "sell") == bought[user]
            for traded in each.venues:
                assert stack.held(user, traded) == {}
        audited = run_ops(stack, "audit", "--json")
        assert audited.code == 0, audited.out
        assert (audited.json["missing"], audited.json["duplicates"]) == (0, 0)


MIXED: Final = {"kim": ("kraken",), "cole": ("coinbase",), "bo": ("kraken", "coinbase")}


def test_two_masters_are_copied_each_on_the_users_account_at_its_venue(tmp_path: Path) -> None:
    """Whoever has both accounts follows both masters, and what is bought on one account is never sold on the other."""
    with Stack(tmp_path, list(MIXED), venues=MIXED) as stack:
        (stack.config / "strategy.toml").write_text('name = "none"\n')
        stack.price("BTC/USD", "60000")
        for user in MIXED:
            stack.open_account(user, USD=5_000)
        for venue in ("coinbase", "kraken"):
            stack.open_account("master", venue=venue, USD=100_000)
        at_coinbase = CoinbasePerson(stack, "master")
        by_hand: list[Person | CoinbasePerson] = [Person(stack, "master"), at_coinbase]
        # Coinbase's fills may name another product of the same book, and a conversion between dollars is no trade.
        stack.fault("alias_in_fills", user="master")
        stack.executor(capacity=len(MIXED))
        stack.engine()
        stack.start("master-strategy", "services.master_strategy")
        stack.wait_ready("master", *MIXED)
        at_coinbase.convert("10000")

        for count, (side, size) in enumerate((("buy", "0.2"), ("sell", "0.1"), ("sell", "0.1")), 1):
            for person in by_hand:
                person.trade(side, size)
            for user, venues in MIXED.items():
                wait_for(
                    partial(_are_filled, stack, user, count * len(venues)), 60, f"move {count} is copied for {user}"
                )
                assert_books_match(stack, user)
        for user, venues in MIXED.items():
            for venue in venues:
                sides = [row["side"] for row in stack.venue_orders(user, venue)]
                assert sorted(sides) == ["buy", "sell", "sell"]
                assert stack.held(user, venue) == {}
        assert stack.client.xlen(keys.SIGNALS) == 6
        assert [switch["fired"] > 0 for switch in stack.clear_faults()] == [True]
        audited = run_ops(stack, "audit", "--json")
        assert audited.code == 0, audited.out


def _are_filled(stack: Stack, user: str, count: int) -> bool:
    return sum(row["outcome"] == "filled" for row in _of_bitcoin(stack, user)) == count


def _judge(stack: Stack, followers: Mapping[str, Follower], count: int) -> None:
    """Wait for the outcomes of the latest move of the master, and compare every account with its books."""
    wait_for(lambda: all(len(_of_bitcoin(stack, user)) >= count for user in followers), 60, f"move {count} is copied")
    for user, each in followers.items():
        latest = _of_bitcoin(stack, user)[-1]
        if each.copied_at:
            assert (latest["outcome"], latest["venue"]) == ("filled", each.copied_at), latest
        else:
            assert latest["outcome"] == "skipped"
            assert latest["reason"] == each.skipped
        assert {row["venue"] for row in stack.venue_orders(user)} <= {each.copied_at}
        assert_books_match(stack, user)


def _of_bitcoin(stack: Stack, user: str) -> list[dict[str, str]]:
    return [row for row in stack.reports(user) if row["symbol"] == "BTC/USD"]


def _traded(stack: Stack, user: str, side: str) -> Decimal:
    rows = [row for row in stack.venue_orders(user) if row["side"] == side]
    return sum((Decimal(row["filled_size"]) for row in rows), Decimal(0))
