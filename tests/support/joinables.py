"""A position that the master has had open for an hour, and alice, who joins it with 5,000 USD to the master's 10,000."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from services.copy_engine.followers.open_positions import JoinablePosition, OpenPositions
from services.copy_engine.joining.join_decision import JoinContext, JoinDelay, decide_join
from shared.domain.account import MASTER, Account
from shared.domain.control import Control
from shared.domain.copying.follower import Follower
from shared.domain.limits.policy import OnJoin
from shared.domain.order import Decision
from shared.domain.values.symbol import Symbol
from tests.support.examples import NOW, a_policy, an_account, an_entry, an_instrument, btc_price, usd

BTC_USDC = Symbol("BTC", "USDC")
LATER = NOW + 3_600_000
"""The master bought an hour ago."""
JOINS = "joins the master's 0.1 BTC of 60000 USD on average"


def open_now(**changes: Any) -> JoinablePosition:
    """Return the example's 0.1 BTC at 60,000 as what the master has open."""
    found = OpenPositions()
    found.apply("1-0", an_entry(**changes))
    (joinable,) = found.joinable("1-0")
    return joinable


def a_joiner(account: Account | None = None, **settings: Any) -> Follower:
    """Return alice, who wants to join, with 5,000 USD as of now."""
    policy = a_policy(on_join=OnJoin.COPY_OPEN, **settings)
    return Follower(policy, account or an_account(as_of=LATER), (Control(),))


def around(price: str = "60000", **changes: Any) -> JoinContext:
    """Return a market, and a master with 10,000 USD."""
    master = an_account(MASTER, equity=usd(10_000), as_of=LATER)
    return replace(JoinContext((btc_price(price), LATER), master), **changes)


UNPRICED = replace(around(), price=None)


def joined(
    follower: Follower | None = None,
    scene: JoinContext | None = None,
    joinable: JoinablePosition | None = None,
    waited: int = 0,
    instrument: Any = None,
) -> Decision | JoinDelay:
    """Decide an hour after the master's entry."""
    return decide_join(
        joinable or open_now(), follower or a_joiner(), scene or around(), instrument or an_instrument(), LATER, waited
    )


def skipped(found: Decision | JoinDelay) -> str:
    """Return the reason of a skip."""
    assert isinstance(found, Decision)
    assert found.copy is None
    return found.reason


def skip_code(found: Decision | JoinDelay) -> str:
    """Return the code of a skip."""
    assert isinstance(found, Decision)
    assert found.copy is None
    return found.code
