"""Keys are relied upon from outside, and all keys of one user lie in one slot of a Redis Cluster."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import pytest

from shared.contracts import keys


def test_keys_are_spelt_as_the_design_says() -> None:
    assert keys.SIGNALS == "shoal:signals"
    assert keys.CONTROL == "shoal:control"
    assert keys.orders("alice") == "shoal:orders:{alice}"
    assert keys.reports("alice") == "shoal:reports:{alice}"
    assert keys.dead(keys.orders("alice")) == "shoal:dead:shoal:orders:{alice}"
    assert keys.nonce("alice", "0123456789abcdef") == "shoal:nonce:{alice}:0123456789abcdef"
    assert keys.order("alice", "42") == "shoal:order:{alice}:42"
    assert keys.account("alice", "kraken") == "shoal:account:{alice}:kraken"
    assert keys.positions("alice", "kraken") == "shoal:positions:{alice}:kraken"
    assert keys.uncopied("master", "kraken") == "shoal:uncopied:{master}:kraken"
    assert keys.holdings("master", "kraken") == "shoal:holdings:{master}:kraken"
    assert keys.strategy("master", "kraken") == "shoal:strategy:{master}:kraken"
    assert keys.strategy_entries("master", "kraken") == "shoal:strategy_entries:{master}:kraken"
    assert keys.prices("kraken") == "shoal:prices:kraken"
    assert keys.lease("alice") == "shoal:lease:{alice}"
    assert keys.fence("alice") == "shoal:fence:{alice}"
    assert keys.control("alice") == "shoal:control:{alice}"
    assert keys.heartbeat("executor", "host-1") == "shoal:heartbeat:executor:host-1"


@pytest.mark.parametrize(
    "key",
    [
        keys.orders,
        keys.reports,
        keys.lease,
        keys.fence,
        keys.control,
        keys.following,
        lambda user: keys.dead(keys.orders(user)),
        lambda user: keys.nonce(user, "fp"),
        lambda user: keys.order(user, "id"),
        lambda user: keys.account(user, "kraken"),
        lambda user: keys.positions(user, "kraken"),
    ],
)
def test_everything_of_one_user_has_the_user_as_its_hash_tag(key: Callable[[str], str]) -> None:
    assert re.findall(r"\{(.*?)\}", key("al-ice_2")) == ["al-ice_2"]


def test_the_signal_stream_and_the_set_of_emitted_ids_lie_in_one_slot() -> None:
    assert re.findall(r"\{(.*?)\}", keys.EMITTED) == [keys.SIGNALS]


def test_a_fingerprint_names_a_key_without_telling_it() -> None:
    found = keys.fingerprint("kQH5HW/8p1uGOVjbgWA7FunAmGO8lsSUXNsu3eow76sz84Q18fWxnyRzBHCd3pd5nE9qa99HAZtuZuj6F1huXg==")
    assert re.fullmatch(r"[0-9a-f]{16}", found)
    assert keys.fingerprint("abc") == hashlib.sha256(b"abc").hexdigest()[:16]
