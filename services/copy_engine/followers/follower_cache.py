"""A cache for one user at one venue between signals: the commands to read the user's records, and the last parsed answers.

Most records have not changed since the last signal and are not parsed again. A record that has changed always is.
"""

from __future__ import annotations

from typing import Any

from shared.bus.client.wire import hgetall, pack
from shared.bus.state.records import pairs, read_equity, read_holdings, switch_of
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.records import ACCOUNT_FIELDS, read_account_values
from shared.contracts.risk import read_risk
from shared.contracts.stage import read_stage
from shared.domain.account import Account
from shared.domain.limits.policy import SizingMode, UserPolicy
from shared.domain.limits.risk_state import RiskState
from shared.domain.position import MAIN
from shared.domain.stages.ladder import effective_stage
from shared.domain.stages.stage import Stage
from shared.domain.values.money import Money
from shared.domain.values.symbol import Symbol

_NOTHING: frozenset[Symbol] = frozenset()


class FollowerCache:
    """One user under one set of settings. Answers are raw replies of Redis."""

    __slots__ = (
        "_account",
        "_account_answer",
        "_divided",
        "_equity",
        "_equity_answer",
        "_held",
        "_held_answer",
        "_master",
        "_risk",
        "_risk_answer",
        "_stage",
        "_stage_answer",
        "for_entry",
        "for_exit",
        "needs_cash",
        "needs_positions",
        "needs_prices",
        "needs_risk",
        "needs_stage",
        "policy",
        "venue",
    )

    def __init__(self, policy: UserPolicy, venue: str, master: str = MAIN) -> None:
        """`master` is the one whose book the signals concern."""
        self.policy = policy
        shared = policy.followed_master(master) is not None
        self.needs_positions = policy.limits.need_positions or shared
        self.needs_prices = policy.limits.need_prices or shared
        self.needs_risk = policy.limits.need_risk
        self.needs_stage = policy.stage.auto
        self.needs_cash = policy.sizing.mode is SizingMode.CASH
        user = policy.user
        account, positions = keys.account(user, venue), keys.positions(user, venue)
        entry = []
        if self.needs_positions:
            entry.append(positions)
        if self.needs_risk:
            entry.append(keys.risk(user, venue))
        if self.needs_stage:
            entry.append(keys.stage(user))
        self.for_entry = (
            pack(("HMGET", account, *ACCOUNT_FIELDS)),
            switch_of(keys.control(user)),
            *map(hgetall, entry),
        )
        self._master = master
        self._divided = master != MAIN or policy.has_books
        held = hgetall(positions) if self._divided else pack(("HKEYS", positions))
        self.for_exit = (pack(("HMGET", account, "equity", "currency")), held)
        self.venue = venue
        self._account: Account | None = None
        self._account_answer: Any = None
        self._risk: RiskState | None = None
        self._risk_answer: Any = None
        self._stage = policy.stage.start
        self._stage_answer: Any = None
        self._held = _NOTHING
        self._held_answer: Any = None
        self._equity: Money | None = None
        self._equity_answer: Any = None

    def account(self, answer: Any) -> Account | None:
        """Parse the account; None if nothing was recorded or it cannot be read."""
        if answer != self._account_answer:
            self._account = self._read_account(answer)
            self._account_answer = answer
        return self._account

    def _read_account(self, answer: Any) -> Account | None:
        if isinstance(answer, Exception):
            return None
        try:
            return read_account_values(self.policy.user, self.venue, answer)
        except MalformedMessageError:
            return None

    def equity(self, answer: Any) -> Money | None:
        """Parse only the account's equity; None if it is not known or cannot be read."""
        if answer != self._equity_answer:
            self._equity = read_equity(answer)
            self._equity_answer = answer
        return self._equity

    def risk(self, answer: Any) -> RiskState | None:
        """Parse the risk state; None if nothing was recorded. Raises MalformedMessageError."""
        if not answer:
            return None
        if isinstance(answer, Exception):
            raise MalformedMessageError(f"RiskRecord: {answer}")
        if answer != self._risk_answer:
            self._risk = read_risk(pairs(answer))
            self._risk_answer = answer
        return self._risk

    def stage(self, answer: Any) -> Stage:
        """Return the stage in effect: the file's, or where the ladder has led from it. Raises MalformedMessageError."""
        if isinstance(answer, Exception):
            raise MalformedMessageError(f"StageRecord: {answer}")
        if answer and answer != self._stage_answer:
            self._stage = effective_stage(self.policy.stage, read_stage(pairs(answer)))
            self._stage_answer = answer
        return self._stage if answer else self.policy.stage.start

    def held(self, answer: Any) -> frozenset[Symbol]:
        """Parse the symbols that are held for the master; unreadable names are left out: no record may hold back an exit."""
        if not answer:
            return _NOTHING
        if answer != self._held_answer:
            self._held = _held_for(self._master, answer) if self._divided else _symbols(answer)
            self._held_answer = answer
        return self._held


def _held_for(master: str, answer: Any) -> frozenset[Symbol]:
    """Return the symbols of which a master's book holds something; one whose record cannot be read may be among them."""
    if isinstance(answer, Exception):
        return _NOTHING
    holdings = read_holdings(answer)
    held = {symbol for symbol, position in holdings.positions.items() if position.book(master).size.amount > 0}
    return frozenset(held) | _symbols(list(holdings.unreadable))


def _symbols(answer: Any) -> frozenset[Symbol]:
    found = set()
    for name in answer if isinstance(answer, (list, tuple)) else ():
        try:
            found.add(Symbol.parse(str(name)))
        except ValueError:
            continue
    return frozenset(found)
