"""The only place where Redis keys are spelt.

The user is the hash tag, so all keys of one user are in one slot of a Redis Cluster. Programs outside Shoal rely on the names:
they change with the schema version or not at all.
"""

from __future__ import annotations

import hashlib
from typing import Final

SIGNALS: Final = "shoal:signals"
EMITTED: Final = "shoal:emitted:{shoal:signals}"
"""Sorted set of emitted signal ids by instant; its tag puts it into the slot of the signal stream."""
MASTER_ORDERS: Final = "shoal:master_orders"
"""Stream of what happens to the resting orders of the master; by the master, while a user mirrors them."""
MIRRORING: Final = "shoal:mirroring"
"""Hash: how many users mirror the master's orders, and when that was last stated (epoch ms, Redis); by the engine."""
KNOWN_USERS: Final = "shoal:users"
"""Hash: every user who has records from copying, and when they were added (epoch ms); by the engine."""
USER_STATES: Final = "shoal:user_states"
"""Hash: the state of every user as the api read it last, JSON by user, and under `:read` when that was last kept up to date
(epoch ms). Only while there are many users, and for showing only; by the api."""
CONTROL: Final = "shoal:control"
SWITCHED_SYMBOLS: Final = "shoal:switched_symbols"
"""Hash: every symbol that ever had a kill switch, and when it was set last (epoch ms); by the process that sets it."""
CONTROL_LOG: Final = "shoal:control:log"
"""Stream of every change by a person (kill switches first): who, when, what, why; by the process that changes it."""
CONFIRMATIONS: Final = "shoal:confirmation:*"
LAST_RELOADED_SETTINGS: Final = "shoal:settings"
"""Users' settings as `ops reload` last reported them, JSON by user; informational only."""
SETTINGS_VERSIONS: Final = "shoal:settings_versions"
"""Hash: every version of settings by which was decided, JSON without a user's name by its fingerprint; by the engine."""
USER_SETTINGS: Final = "shoal:user_settings"
"""Hash, where users' settings are kept in Redis: version, token of the change and group by user; `.` is the token of the last
change, `*` that of the last request to read everything again. By ops and the api."""
HEARTBEATS: Final = "shoal:heartbeat:*"
PROCESSES: Final = "shoal:processes"
"""Hash: every process that has written a heartbeat, as `<service>:<instance>`, and when it last did (epoch ms); by all."""
SERVED_KEYS: Final = "shoal:served_keys"
"""Hash: every API key that an account was served with, as `<user> <fingerprint>`, and when it was claimed last (epoch ms); by
the executors and the master."""
OF_THE_MASTER: Final = "shoal:*:{master}*"
"""Pattern of every key of the master account's."""
OF_FURTHER_MASTERS: Final = "shoal:*:{master.*}*"
"""Pattern of every key of the further accounts that masters have at a venue."""
FURTHER_MASTERS: Final = "shoal:masters:{master}"
"""Hash: the further accounts that masters have or had at a venue, as `<name> <venue>`, and when a process last began to serve
each (epoch ms); by the master."""
_ACCESS: Final = "shoal-access:{access}:"
"""Prefix of what signing in needs. Not `shoal:`, all of which every service may read: these are for the api alone."""
OF_ACCESS: Final = f"{_ACCESS}*"
PEOPLE: Final = f"{_ACCESS}people"
"""Hash: people who sign in with a password, JSON by name, the password as its Argon2id hash; by ops and the api's first start."""
GENERATIONS: Final = f"{_ACCESS}generations"
"""Hash: the generation of a person's or follower's sessions; another one ends them all."""
ACCESS_TOKENS: Final = f"{_ACCESS}tokens"
"""Hash: tokens of programs, name and role as JSON by the hash of the token; by ops."""
ENGINE: Final = "copy-engine"
"""The group on the signal stream, its only consumer, and the holder name of the engine's lease."""
NOTIFIER: Final = "notifier"
"""The holder name of the notifier's lease, and the hash tag of what it keeps."""
NOTICES: Final = f"shoal:notices:{{{NOTIFIER}}}"
"""Hash: the causes that stand, what was sent about them, and the figures of the last daily summary; by the notifier."""
OUTBOX: Final = f"shoal:outbox:{{{NOTIFIER}}}"
"""Hash: messages that a target has not confirmed yet, by id; by the notifier."""
NOTIFY_TEST: Final = f"shoal:notify_test:{{{NOTIFIER}}}"
"""Hash: the last request for a test message (by ops) and its result (by the notifier)."""
NOTIFY_EXPECTED: Final = f"shoal:notify_expected:{{{NOTIFIER}}}"
"""Hash: that messages are to be sent: since when, to what kinds of addresses; by the notifier, deleted by `ops notify --off`."""
EXECUTOR: Final = "executor"
"""The group on every order stream, and its only consumer."""


def of_user(user: str) -> str:
    """Pattern of every key of a user's."""
    return f"shoal:*{{{user}}}*"


OF_ORDERS: Final = "shoal:orders:{"
"""What the streams of decisions begin with, and no other key."""


def orders(user: str) -> str:
    """Stream of decisions for a user."""
    return f"shoal:orders:{{{user}}}"


def resting(user: str) -> str:
    """Stream of decisions about resting orders of the master for a user who mirrors them; by the engine."""
    return f"shoal:resting:{{{user}}}"


def mirrored(user: str, venue: str) -> str:
    """The user's mirrored orders that have not ended, by the master's order id; by the executor."""
    return f"shoal:mirrored:{{{user}}}:{venue}"


def mirror_marks(user: str, venue: str) -> str:
    """Whether an order of the master's is mirrored or copied by its fills, by its id, and since when; by the executor."""
    return f"shoal:mirror_marks:{{{user}}}:{venue}"


def masters_resting(venue: str) -> str:
    """The master's resting orders as last emitted, by the venue's id; its tag puts it into the slot of the stream; by the
    master."""
    return f"shoal:master_resting:{{{MASTER_ORDERS}}}:{venue}"


def reports(user: str) -> str:
    """Stream of outcomes of a user."""
    return f"shoal:reports:{{{user}}}"


def dead(stream: str) -> str:
    """Stream of entries of `stream` that could not be read after several deliveries."""
    return f"shoal:dead:{stream}"


def dropped(stream: str) -> str:
    """Hash of dead letters of `stream` that an operator dropped, by entry id: who, when, why as JSON."""
    return f"shoal:dropped:{stream}"


def nonce(user: str, fingerprint: str) -> str:
    """Nonce counter of one API key."""
    return f"shoal:nonce:{{{user}}}:{fingerprint}"


def api_key(key_fingerprint: str) -> str:
    """Hash of the users of an API key with their fencing tokens; more than one is an error. By the executors and the master."""
    return f"shoal:key:{key_fingerprint}"


def order(user: str, order_id: str) -> str:
    """Write-ahead record and state of one order."""
    return f"shoal:order:{{{user}}}:{order_id}"


def open_orders(user: str, venue: str) -> str:
    """Hash of own orders of a master's account that may not have ended, by id, and when each began (epoch ms); by the master.

    The field `whole` is when it was last compared with all records: without it the hash does not say that nothing is open.
    """
    return f"shoal:open_orders:{{{user}}}:{venue}"


def account(user: str, venue: str) -> str:
    """Equity, cash and state of an account."""
    return f"shoal:account:{{{user}}}:{venue}"


def positions(user: str, venue: str) -> str:
    """What a user holds from copying, by symbol."""
    return f"shoal:positions:{{{user}}}:{venue}"


def books(user: str, venue: str) -> str:
    """The kind of money, paper or real, that the records of an account are about, and since when; by the executor."""
    return f"shoal:books:{{{user}}}:{venue}"


def differences(user: str, venue: str) -> str:
    """Where copied positions exceed the venue's balances, by symbol, as last reported."""
    return f"shoal:differences:{{{user}}}:{venue}"


def reconciled(user: str, venue: str) -> str:
    """The last reconciliation request that was answered, and its result."""
    return f"shoal:reconciled:{{{user}}}:{venue}"


def rebuilt(user: str, venue: str) -> str:
    """The last request to rebuild lost positions that was answered, and its result; by the executor."""
    return f"shoal:rebuilt:{{{user}}}:{venue}"


def doctor(user: str, venue: str) -> str:
    """The last request to check an API key that was answered, and the report; by the executor, the master's by the master."""
    return f"shoal:doctor:{{{user}}}:{venue}"


def book_corrections(user: str, venue: str) -> str:
    """Sums of the changes of named masters' books that no report states, by symbol and master; by the executor."""
    return f"shoal:corrections:{{{user}}}:{venue}"


def own_exits(user: str, venue: str) -> str:
    """The user's own exits without an outcome yet, by symbol; by the executor."""
    return f"shoal:exits:{{{user}}}:{venue}"


def watched(venue: str) -> str:
    """Symbols whose price an executor needs continuously, and when it last said so (epoch ms); read by the price feed."""
    return f"shoal:watched:{venue}"


def stopouts(user: str) -> str:
    """Stream of stop-outs of a user; by the executor."""
    return f"shoal:stopouts:{{{user}}}"


def stage(user: str) -> str:
    """A user's stage on the canary ladder, if it moves by itself, and what was counted there; by the executor."""
    return f"shoal:stage:{{{user}}}"


def stage_moves(user: str) -> str:
    """Stream of a user's changes of stage: from where to where, by whom, when, why; by the executor."""
    return f"shoal:stage_moves:{{{user}}}"


def last_settings(user: str) -> str:
    """The last usable settings of a user, as JSON; by the executor that serves the user."""
    return f"shoal:settings:{{{user}}}"


def user_settings(user: str) -> str:
    """Hash: a user's settings where they are kept in Redis: `text` as in a file, `version`, by whom, when, why; by ops, api."""
    return f"{USER_SETTINGS}:{{{user}}}"


def user_settings_history(user: str) -> str:
    """Stream of the last versions of a user's settings in Redis, the present one among them; by ops and the api."""
    return f"shoal:user_settings_history:{{{user}}}"


def following(user: str) -> str:
    """The first signal that was due to a user, whether a join is pending, and which master each account copies; by the engine."""
    return f"shoal:following:{{{user}}}"


def fill_cursor(user: str, venue: str) -> str:
    """Instant (epoch ms) from which the account's fills must still be compared with the signals; by the master."""
    return f"shoal:told:{{{user}}}:{venue}"


def uncopied(user: str, venue: str) -> str:
    """Orders on the master's account that will never be copied, by the venue's id: what, why, when; by the master."""
    return f"shoal:uncopied:{{{user}}}:{venue}"


def holdings(user: str, venue: str) -> str:
    """What the master's account holds of each coin, and how much of it is not in its position; by the master."""
    return f"shoal:holdings:{{{user}}}:{venue}"


def master_name(venue: str) -> str:
    """Hash: the `name` under which the signals of the master's account at a venue go out; empty or absent: that of the venue."""
    return f"shoal:master_name:{{master}}:{venue}"


def strategy(user: str, venue: str) -> str:
    """What the strategies bought and still hold with their exit plans, by symbol and strategy; by the master."""
    return f"shoal:strategy:{{{user}}}:{venue}"


def strategy_entries(user: str, venue: str) -> str:
    """When each strategy last entered and how often that day, for its caps, by its name; by the master."""
    return f"shoal:strategy_entries:{{{user}}}:{venue}"


def prices(venue: str) -> str:
    """Last prices of a venue by symbol."""
    return f"shoal:prices:{venue}"


def price_samples(venue: str, symbol: object) -> str:
    """Ring of samples of a price (see `price_sample.py`), of what is held or traded; by the price feed."""
    return f"shoal:price_samples:{venue}:{symbol}"


def clock(venue: str) -> str:
    """Venue's clock minus Redis's: `difference` and `uncertainty` in ms, `at` by Redis; by the price feed and the master."""
    return f"shoal:clock:{venue}"


def connects(venue: str, source: str = "") -> str:
    """Sorted set of the connects of streams to a venue by instant; by the executors and the master. `source` is the address or
    proxy from which they are, where one is set: each has its own limit."""
    return f"shoal:connects:{venue}:{source}" if source else f"shoal:connects:{venue}"


def instruments(venue: str) -> str:
    """Steps and minimums of a venue by symbol, as the venue states them now."""
    return f"shoal:instruments:{venue}"


def lease(holder: str) -> str:
    """Who serves a user (or the engine's role, or a venue's price feed) now."""
    return f"shoal:lease:{{{holder}}}"


def fence(holder: str) -> str:
    """Counter of take-overs; its value is the current owner's fencing token."""
    return f"shoal:fence:{{{holder}}}"


def price_feed(venue: str) -> str:
    """Holder name of the price-feed lease of a venue."""
    return f"prices-{venue}"


def control(user: str) -> str:
    """Kill switch of one user."""
    return f"shoal:control:{{{user}}}"


def control_of_symbol(symbol: object) -> str:
    """Kill switch of one symbol, on every venue: `shoal:control:symbol:BTC/USD`."""
    return f"shoal:control:symbol:{symbol}"


def risk(user: str, venue: str) -> str:
    """Profit and loss of copying on an account, trades of the day, and a stop-out; by the executor."""
    return f"shoal:risk:{{{user}}}:{venue}"


def totals(user: str, venue: str) -> str:
    """Sums of what an account has traded by copying, by symbol; by the executor, the master's by the master."""
    return f"shoal:totals:{{{user}}}:{venue}"


def equity(user: str, venue: str, step: str) -> str:
    """Ring of samples of an account's equity, one per `step` (see `equity_sample.py`); by the process that owns it."""
    return f"shoal:equity:{{{user}}}:{venue}:{step}"


def confirmation(confirmation_id: str) -> str:
    """What became of a confirmation of an operator's action, for an hour, so that none is carried out twice; by the api."""
    return CONFIRMATIONS.replace("*", confirmation_id)


def heartbeat(service: str, instance: str) -> str:
    """Sign of life of one process."""
    return f"shoal:heartbeat:{service}:{instance}"


def session(token_digest: str) -> str:
    """A session of a signed-in person, by the hash of its token; by the api."""
    return f"{_ACCESS}session:{token_digest}"


def follower_link(token_digest: str) -> str:
    """A follower's one-time link that has not been used, by the hash of its token; by ops, deleted by the api."""
    return f"{_ACCESS}link:{token_digest}"


def known_browser(token_digest: str) -> str:
    """The person who has signed in with a browser before, by the hash of the browser's token; by the api."""
    return f"{_ACCESS}browser:{token_digest}"


def attempts(kind: str, subject: str) -> str:
    """Counter of attempts to sign in of a `name` (hashed), an `address` or a known `browser` (hashed); by the api."""
    return f"{_ACCESS}attempts:{kind}:{subject}"


def fingerprint(api_key: str) -> str:
    """Return an identifier of an API key that does not reveal it: the first 16 hex digits of its SHA-256."""
    return hashlib.sha256(api_key.encode()).hexdigest()[:16]
