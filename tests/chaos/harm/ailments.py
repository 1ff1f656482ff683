"""Which faults of the paper exchange a chaos run arms, how often each, and how long it lasts.

The table of each venue is in a file of its own (`at_kraken`, `at_coinbase`). Every fault that a client must survive is there, but
for those that end an account for a quarter of an hour or for good and those that park it by design.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, Final

from services.paper_exchange.core.fault_table import WITHOUT_USER
from tests.chaos.harm import at_coinbase, at_kraken
from tests.chaos.harm.ailment import Ailment

REFUSED_NONCE: Final = at_kraken.REFUSED_NONCE
ONE_AT_A_TIME: Final = frozenset({REFUSED_NONCE, at_coinbase.REFUSED_TOKEN})
"""Of two of them at once a key would be refused so often that the account is parked, as it should be."""
AILMENTS: Final[Mapping[str, Sequence[Ailment]]] = {"kraken": at_kraken.AILMENTS, "coinbase": at_coinbase.AILMENTS}
"""No condition is bound to a user: each would hold for all of his pairs alike."""


def some_ailment(dice: random.Random, users_at: Mapping[str, Sequence[str]], symbols: list[str]) -> dict[str, Any]:
    """Draw the body of one `POST /paper/faults`, at a venue by how many users trade there."""
    (venue,) = dice.choices(list(users_at), [len(users) for users in users_at.values()])
    table = AILMENTS[venue]
    ailment = dice.choices(table, [each.weight for each in table])[0]
    body: dict[str, Any] = {"fault": ailment.fault, "venue": venue, "seed": dice.randrange(2**31)}
    if ailment.counted:
        body["count"] = ailment.most if ailment.lasts else dice.randint(1, ailment.most)
    body["probability"] = 1.0 if ailment.lasts else dice.choice((0.2, 0.5, 1.0))
    if ailment.seconds is not None:
        body["seconds"] = ailment.seconds
    if ailment.method:
        body["method"] = ailment.method
    if ailment.error:
        body["error"] = ailment.error
    if ailment.of_a_pair:
        body["symbol"] = dice.choice(symbols)
    elif not ailment.lasts and ailment.fault not in WITHOUT_USER and dice.random() < 0.4:
        body["user"] = dice.choice(users_at[venue])
    return body
