"""What the engine must know of its users to decide about one signal: read in one round trip, and no more than settings ask for.

What has not changed since the last signal is not parsed again. A record that cannot be read skips the entries of that user alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, TypeVar

from services.copy_engine.decide import Follower
from shared.bus.connection import Bus
from shared.bus.records import pairs, read_account, read_control
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.records import read_position, read_price
from shared.contracts.risk import RiskRecord
from shared.domain.account import MASTER, Account, Position
from shared.domain.book import Book
from shared.domain.control import Control
from shared.domain.money import Money, Price
from shared.domain.order import Kind
from shared.domain.policy import SizingMode, UserPolicy
from shared.domain.risk import MAX_BALANCE_AGE_MS
from shared.domain.risk_state import RiskState
from shared.domain.signal import Signal
from shared.domain.symbol import Symbol

_Command = tuple[str | int | bytes, ...]
_Known = TypeVar("_Known")
_parsed_position: Final = lru_cache(maxsize=65_536)(read_position)


class Reader:
    """Reads followers; remembers what it parsed, by the text it was parsed from."""

    def __init__(self, bus: Bus, clock: Callable[[], int]) -> None:
        self._bus = bus
        self._clock = clock
        self._accounts: dict[str, tuple[Any, Account | None]] = {}
        self._risks: dict[str, tuple[Any, RiskState | None]] = {}

    async def followers(self, signal: Signal, users: Sequence[UserPolicy]) -> list[Follower]:
        """Read what is needed to decide about a signal for these users. Raises BusUnavailable."""
        if signal.kind is Kind.EXIT:
            return await self._for_exit(signal, users)
        return await self._for_entry(signal, users)

    async def _for_exit(self, signal: Signal, users: Sequence[UserPolicy]) -> list[Follower]:
        """An exit passes no guard; all that matters is the name under which its symbol is held."""
        commands: list[_Command] = []
        for policy in users:
            commands.append(("HGETALL", keys.account(policy.user, signal.venue)))
            commands.append(("HKEYS", keys.positions(policy.user, signal.venue)))
        answers = iter(await self._bus.do_all(commands))
        return [
            Follower(policy, self._account(policy.user, signal.venue, account), (), held=_symbols(names))
            for policy, account, names in zip(users, answers, answers, strict=True)
        ]

    async def _for_entry(self, signal: Signal, users: Sequence[UserPolicy]) -> list[Follower]:
        venue = signal.venue
        traded = {signal.symbol: None} | {policy.symbols.mapped(signal.symbol): None for policy in users}
        commands: list[_Command] = [("HGETALL", keys.CONTROL)]
        commands += [("HGETALL", keys.control_of_symbol(symbol)) for symbol in traded]
        if wants_cash := any(policy.sizing.mode is SizingMode.CASH for policy in users):
            commands.append(("HGETALL", keys.account(MASTER, venue)))
        if wants_prices := any(policy.limits.need_prices for policy in users):
            commands.append(("HGETALL", keys.prices(venue)))
        for policy in users:
            commands.append(("HGETALL", keys.account(policy.user, venue)))
            commands.append(("HGETALL", keys.control(policy.user)))
            if policy.limits.need_positions:
                commands.append(("HGETALL", keys.positions(policy.user, venue)))
            if policy.limits.need_risk:
                commands.append(("HGETALL", keys.risk(policy.user, venue)))
        answers = iter(await self._bus.do_all(commands))
        everybody = read_control(next(answers))
        of_symbol = {symbol: read_control(next(answers)) for symbol in traded}
        cash = self._cash_before(signal, next(answers)) if wants_cash else None
        prices = pairs(next(answers)) if wants_prices else {}
        found = []
        for policy in users:
            account = self._account(policy.user, venue, next(answers))
            switches: tuple[Control, ...] = (everybody, read_control(next(answers)), of_symbol[signal.symbol])
            if policy.symbols.map:
                switches += (of_symbol[policy.symbols.mapped(signal.symbol)],)
            positions = next(answers) if policy.limits.need_positions else None
            risk = next(answers) if policy.limits.need_risk else None
            try:
                book = _book(positions, prices) if positions else Book()
                state = self._risk(policy.user, venue, risk)
            except MalformedMessageError as error:
                found.append(Follower(policy, account, switches, trouble=f"limits cannot be judged: {error}"))
                continue
            found.append(Follower(policy, account, switches, book, state, cash))
        return found

    def _account(self, user: str, venue: str, answer: Any) -> Account | None:
        return _remembered(
            self._accounts, keys.account(user, venue), answer, lambda: read_account(user, venue, pairs(answer))
        )

    def _risk(self, user: str, venue: str, answer: Any) -> RiskState | None:
        if not answer:
            return None
        if isinstance(answer, Exception):
            raise MalformedMessageError(f"RiskRecord: {answer}")
        key = keys.risk(user, venue)
        return _remembered(self._risks, key, answer, lambda: RiskRecord.parse(pairs(answer)).to_domain())

    def _cash_before(self, signal: Signal, answer: Any) -> Money | None:
        """Give the master's cash before the entry; None if it is not known, or not of late.

        A balance that was read after the fill is already without what the entry cost.
        """
        account = self._account(MASTER, signal.venue, answer)
        if account is None or account.cash is None or self._clock() - account.as_of > MAX_BALANCE_AGE_MS:
            return None
        if account.as_of < signal.filled_at or account.cash.currency != signal.quote_size.currency:
            return account.cash
        return account.cash + signal.quote_size


def _remembered(known: dict[str, tuple[Any, _Known]], key: str, answer: Any, parse: Callable[[], _Known]) -> _Known:
    before = known.get(key)
    if before is not None and before[0] == answer:
        return before[1]
    found = parse()
    known[key] = (answer, found)
    return found


def _book(answer: Any, prices: Mapping[str, str]) -> Book:
    """Put together what is held and what it is worth. Raises MalformedMessageError."""
    if isinstance(answer, Exception):
        raise MalformedMessageError(f"PositionRecord: {answer}")
    held: dict[Symbol, Position] = {}
    worth: dict[Symbol, Price] = {}
    for name, written in pairs(answer).items():
        position = _parsed_position(written)
        held[position.symbol] = position
        if price := prices.get(name):
            worth[position.symbol] = read_price(position.symbol, price)[0]
    return Book(held, worth)


def _symbols(answer: Any) -> frozenset[Symbol]:
    """Read the names of what is held; what is no name is none, for nothing may stand in the way of an exit."""
    found = set()
    for name in answer if isinstance(answer, (list, tuple)) else ():
        try:
            found.add(Symbol.parse(str(name)))
        except ValueError:
            continue
    return frozenset(found)
