"""The only place where a Redis key is spelt.

The user is the hash tag, so everything of one user lives in one slot of a Redis Cluster. Names are relied upon from outside:
they change with the schema version or not at all.
"""

from __future__ import annotations

import hashlib
from typing import Final

SIGNALS: Final = "shoal:signals"
EMITTED: Final = "shoal:emitted:{shoal:signals}"
"""Sorted set of emitted signal ids by instant; its tag puts it into the slot of the signal stream."""
CONTROL: Final = "shoal:control"
CONTROL_LOG: Final = "shoal:control:log"
"""Stream of every change of a kill switch: who, when, what, why; by whoever changes one."""
LAST_RELOADED_SETTINGS: Final = "shoal:settings"
"""Users' settings as `ops reload` last told them, JSON by user; nobody acts on it."""
HEARTBEATS: Final = "shoal:heartbeat:*"
OF_THE_MASTER: Final = "shoal:*:{master}*"
"""Pattern of every key of the master account's."""
ENGINE: Final = "copy-engine"
"""Group on the signal stream, its one consumer, and the name under which the engine's lease stands."""
EXECUTOR: Final = "executor"
"""Group on every order stream, and its one consumer."""


def orders(user: str) -> str:
    """Stream of decisions for a user."""
    return f"shoal:orders:{{{user}}}"


def reports(user: str) -> str:
    """Stream of outcomes of a user."""
    return f"shoal:reports:{{{user}}}"


def dead(stream: str) -> str:
    """Stream of entries of `stream` that could not be read after several deliveries."""
    return f"shoal:dead:{stream}"


def dropped(stream: str) -> str:
    """Hash of dead letters of `stream` that an operator gave up, by entry id: who, when, why as JSON."""
    return f"shoal:dropped:{stream}"


def nonce(user: str, fingerprint: str) -> str:
    """Nonce counter of one API key."""
    return f"shoal:nonce:{{{user}}}:{fingerprint}"


def api_key(key_fingerprint: str) -> str:
    """Hash of who trades with an API key, each with their fencing token; more than one is a mistake. By executors and master."""
    return f"shoal:key:{key_fingerprint}"


def order(user: str, order_id: str) -> str:
    """Write-ahead record and state of one order."""
    return f"shoal:order:{{{user}}}:{order_id}"


def account(user: str, venue: str) -> str:
    """Equity, cash and state of an account."""
    return f"shoal:account:{{{user}}}:{venue}"


def positions(user: str, venue: str) -> str:
    """What a user holds from copying, by symbol."""
    return f"shoal:positions:{{{user}}}:{venue}"


def books(user: str, venue: str) -> str:
    """Which money the books of an account are of, paper or real, and since when; by the executor."""
    return f"shoal:books:{{{user}}}:{venue}"


def differences(user: str, venue: str) -> str:
    """Where positions from copying exceed the venue's balances, by symbol, as last told."""
    return f"shoal:differences:{{{user}}}:{venue}"


def reconciled(user: str, venue: str) -> str:
    """Which request for a reconciliation was answered last, and what came of it."""
    return f"shoal:reconciled:{{{user}}}:{venue}"


def rebuilt(user: str, venue: str) -> str:
    """Which request to rebuild lost books was answered last, and what came of it; by the executor."""
    return f"shoal:rebuilt:{{{user}}}:{venue}"


def own_exits(user: str, venue: str) -> str:
    """The user's own exits that have begun and not ended, by symbol; by the executor."""
    return f"shoal:exits:{{{user}}}:{venue}"


def watched(venue: str) -> str:
    """Symbols whose price somebody needs all the time, and when he last said so (epoch ms); by executors, for the price feed."""
    return f"shoal:watched:{venue}"


def stopouts(user: str) -> str:
    """Stream of stop-outs of a user; by the executor."""
    return f"shoal:stopouts:{{{user}}}"


def last_settings(user: str) -> str:
    """The last settings of a user that came from a file which could be used, as JSON; by whoever serves the user."""
    return f"shoal:settings:{{{user}}}"


def following(user: str) -> str:
    """From which signal on a user has been followed, written by the engine."""
    return f"shoal:following:{{{user}}}"


def fill_cursor(user: str, venue: str) -> str:
    """Instant (epoch ms) from which on the account's fills are still to be compared with the signals."""
    return f"shoal:told:{{{user}}}:{venue}"


def uncopied(user: str, venue: str) -> str:
    """Orders on the master's account that were passed over for good, by the venue's id: what, why, when; by the master."""
    return f"shoal:uncopied:{{{user}}}:{venue}"


def holdings(user: str, venue: str) -> str:
    """What the master's account holds of each coin, and how much of it is not in its position; by the master."""
    return f"shoal:holdings:{{{user}}}:{venue}"


def strategy(user: str, venue: str) -> str:
    """What the built-in strategy holds of what it bought itself, by symbol; by the master."""
    return f"shoal:strategy:{{{user}}}:{venue}"


def prices(venue: str) -> str:
    """Last prices of a venue by symbol."""
    return f"shoal:prices:{venue}"


def clock(venue: str) -> str:
    """Venue's clock minus Redis's: `difference` and `uncertainty` in ms, `at` by Redis; by whoever measures the venue's time."""
    return f"shoal:clock:{venue}"


def instruments(venue: str) -> str:
    """Steps and minimums of a venue by symbol, as the venue says now."""
    return f"shoal:instruments:{venue}"


def lease(holder: str) -> str:
    """Who serves a user (or the engine's role, or a venue's price feed) now."""
    return f"shoal:lease:{{{holder}}}"


def fence(holder: str) -> str:
    """Counter of take-overs; its value is the current owner's fencing token."""
    return f"shoal:fence:{{{holder}}}"


def price_feed(venue: str) -> str:
    """Name under which the price-feed lease of a venue stands."""
    return f"prices-{venue}"


def control(user: str) -> str:
    """Kill switch of one user."""
    return f"shoal:control:{{{user}}}"


def control_of_symbol(symbol: object) -> str:
    """Kill switch of one symbol, on every venue: `shoal:control:symbol:BTC/USD`."""
    return f"shoal:control:symbol:{symbol}"


def risk(user: str, venue: str) -> str:
    """What copying has made or lost on an account, trades of the day, and whether it is stopped out; by the executor."""
    return f"shoal:risk:{{{user}}}:{venue}"


def heartbeat(service: str, instance: str) -> str:
    """Sign of life of one process."""
    return f"shoal:heartbeat:{service}:{instance}"


def fingerprint(api_key: str) -> str:
    """Name an API key without telling it: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:16]
