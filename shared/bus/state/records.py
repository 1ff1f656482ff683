"""Reads and writes accounts, positions, prices, instruments, switches and heartbeats. Unreadable fields are left out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

from shared.bus.client.refusals import meaning
from shared.bus.client.wire import Command, hgetall, pack
from shared.bus.connection import Bus
from shared.bus.errors import BusRefused
from shared.bus.flow.streams import flatten
from shared.bus.scripts import load
from shared.contracts import keys
from shared.contracts.doctor import DOCTOR_FIELDS, DoctorRecord
from shared.contracts.fields import MalformedMessageError
from shared.contracts.heartbeat import HeartbeatRecord
from shared.contracts.market_records import read_instrument, read_price, write_instrument, write_price
from shared.contracts.position_record import read_position, write_position
from shared.contracts.records import AccountRecord, FundsMarkRecord, read_money
from shared.contracts.risk import read_risk
from shared.contracts.stop_out_lift import lift_field
from shared.domain.account import Account, AccountState
from shared.domain.control import RUNNING, Control, ControlMode
from shared.domain.funds import FundsMark
from shared.domain.limits.risk_state import RiskState
from shared.domain.position import EVERY_POSITION, Holdings, Position
from shared.domain.values.instrument import Instrument, seed_instruments
from shared.domain.values.money import Money, Price
from shared.domain.values.numerals import whole
from shared.domain.values.symbol import Symbol

HEARTBEAT_TTL_MS: Final = 15_000
_HEARTBEAT: Final = load("heartbeat")


def pairs(answer: Any) -> dict[str, str]:
    """Return a hash from the wire's answer; an error or nothing becomes an empty one."""
    if not isinstance(answer, (list, tuple)):
        return {}
    values = iter(answer)
    return dict(zip(values, values, strict=True))


_UNCHECKED: Final = DoctorRecord()
SWITCH_FIELDS: Final = ("mode", "reason", "by", "at")
"""The fields of a control hash that are the switch."""
_REMEMBERED_MS: Final = 24 * 3600 * 1000
_ASKED: Final = 200
"""Keys that one command names."""


async def existing(bus: Bus, names: Sequence[str]) -> list[str]:
    """Return those of these keys that exist: for records that few accounts have. Raises BusUnavailable."""
    pages = [names[first : first + _ASKED] for first in range(0, len(names), _ASKED)]
    counts = await bus.do_all([("EXISTS", *page) for page in pages])
    some = [name for page, count in zip(pages, counts, strict=True) if count for name in page]
    answers = await bus.do_all([("EXISTS", name) for name in some])
    return [name for name, answer in zip(some, answers, strict=True) if answer == 1]


class Records:
    """The state beside the streams. Every method is one round trip and, if not stated otherwise, raises only BusUnavailable."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def write_account(self, account: Account) -> None:
        """Write an account, with the instant at which it was read."""
        fields = AccountRecord.from_domain(account).fields()
        flat = [part for pair in fields.items() for part in pair]
        await self._bus.do("HSET", keys.account(account.user, account.venue), *flat)

    async def mark_account(self, user: str, venue: str, state: AccountState, reason: str) -> None:
        """Change only the state of an account; the last known amounts stay."""
        await self._bus.do(
            "HSET", keys.account(user, venue), "v", "1", "user", user, "venue", venue, "state", state, "reason", reason
        )

    async def write_key_check(self, user: str, venue: str, record: DoctorRecord) -> None:
        """Write the result of a check of an account's key; the account's other fields stay."""
        await self._bus.do(
            "HSET", keys.account(user, venue), "v", "1", "user", user, "venue", venue, *flatten(record.fields())
        )

    async def key_checks(self, who: Sequence[tuple[str, str]]) -> list[DoctorRecord]:
        """Read the last checks of the keys of (user, venue); an empty record if there was none or it cannot be read."""
        answers = await self._bus.do_all([("HMGET", keys.account(user, venue), *DOCTOR_FIELDS) for user, venue in who])
        return [_key_check(answer) for answer in answers]

    async def note_further_master(self, name: str, venue: str) -> None:
        """Record that a master has an account at a venue beside the usual one there. Raises BusUnavailable."""
        await self._bus.do("HSET", keys.FURTHER_MASTERS, f"{name} {venue}", time.time_ns() // 1_000_000)

    async def accounts(self, who: Sequence[tuple[str, str]]) -> list[Account | None]:
        """Read accounts of (user, venue); None if nothing was recorded or it cannot be read."""
        answers = await self._bus.do_all([("HGETALL", keys.account(user, venue)) for user, venue in who])
        return [read_account(user, venue, pairs(answer)) for (user, venue), answer in zip(who, answers, strict=True)]

    async def books(self, who: Sequence[tuple[str, str]]) -> list[FundsMark | None]:
        """Read the funds mark of (user, venue); None if it was never recorded. Raises MalformedMessageError."""
        answers = await self._bus.do_all([("HGETALL", keys.books(user, venue)) for user, venue in who])
        found = map(pairs, answers)
        return [FundsMarkRecord.parse(fields).to_domain() if fields else None for fields in found]

    async def position(self, user: str, venue: str, symbol: Symbol) -> Position | None:
        """Read what a user holds of a symbol from copying; None if nothing. Raises MalformedMessageError."""
        (written,) = await self._bus.do_all([("HGET", keys.positions(user, venue), str(symbol))])
        return read_held(written)

    async def holding(self, user: str, venue: str, symbol: Symbol) -> tuple[Position | None, tuple[Price, int] | None]:
        """Read what a user holds of a symbol, and its last published price with its instant. Raises MalformedMessageError."""
        held, written = await self._bus.do_all(
            [("HGET", keys.positions(user, venue), str(symbol)), ("HGET", keys.prices(venue), str(symbol))]
        )
        price = None
        with suppress(ValueError):
            price = read_price(symbol, written) if isinstance(written, str) else None
        return read_held(held), price

    async def holdings(self, user: str, venue: str) -> Holdings:
        """Read all that a user holds from copying; records that cannot be read are in `Holdings.unreadable`."""
        (answer,) = await self._bus.do_all([("HGETALL", keys.positions(user, venue))])
        return read_holdings(answer)

    async def positions(self, user: str, venue: str) -> dict[Symbol, Position]:
        """Read all that a user holds from copying, if every record can be read. Raises MalformedMessageError."""
        try:
            return dict((await self.holdings(user, venue)).whole())
        except ValueError as error:
            raise MalformedMessageError(str(error)) from None

    async def write_position(self, user: str, venue: str, position: Position) -> None:
        """Write the position of a symbol; a flat one is removed."""
        if position.size.amount > 0:
            await self._bus.do("HSET", keys.positions(user, venue), str(position.symbol), write_position(position))
        else:
            await self._bus.do("HDEL", keys.positions(user, venue), str(position.symbol))

    async def differences(self, user: str, venue: str) -> dict[str, str]:
        """Read where positions differ from balances, as last recorded: text by symbol."""
        return pairs(await self._bus.do("HGETALL", keys.differences(user, venue)))

    async def write_differences(self, user: str, venue: str, found: Mapping[str, str], gone: Iterable[str]) -> None:
        """Write the differences of a reconciliation, and remove those that no longer exist."""
        key = keys.differences(user, venue)
        commands: list[tuple[str | int | bytes, ...]] = [("HDEL", key, symbol) for symbol in gone]
        commands += [("HSET", key, symbol, text) for symbol, text in found.items()]
        await self._bus.do_all(commands)

    async def write_prices(self, venue: str, prices: Iterable[Price], at: int) -> None:
        """Publish the last prices of a venue."""
        flat = [part for price in prices for part in (str(price.symbol), write_price(price, at))]
        if flat:
            await self._bus.do("HSET", keys.prices(venue), *flat)

    async def prices(self, venue: str) -> dict[Symbol, tuple[Price, int]]:
        """Read the last prices of a venue, each with its instant (epoch ms)."""
        found = {}
        for name, written in pairs(await self._bus.do("HGETALL", keys.prices(venue))).items():
            try:
                symbol = Symbol.parse(name)
                found[symbol] = read_price(symbol, written)
            except ValueError:
                continue
        return found

    async def prices_of(self, venue: str, symbols: Sequence[Symbol]) -> dict[Symbol, tuple[Price, int]]:
        """Read the last prices of some symbols; those that are not published or cannot be read are left out."""
        found: dict[Symbol, tuple[Price, int]] = {}
        if not symbols:
            return found
        answers = await self._bus.do("HMGET", keys.prices(venue), *map(str, symbols))
        for symbol, written in zip(symbols, answers, strict=True):
            with suppress(ValueError):
                if written is not None:
                    found[symbol] = read_price(symbol, written)
        return found

    async def write_instruments(self, venue: str, instruments: Iterable[Instrument]) -> None:
        """Publish the present listing of a venue's pairs."""
        flat = [part for each in instruments for part in (str(each.symbol), write_instrument(each))]
        if flat:
            await self._bus.do("HSET", keys.instruments(venue), *flat)

    async def instruments(self, venue: str) -> dict[Symbol, Instrument]:
        """Read the pairs of a venue: the seed table, overlaid with what was published."""
        found = dict(seed_instruments(venue))
        for written in pairs(await self._bus.do("HGETALL", keys.instruments(venue))).values():
            try:
                instrument = read_instrument(written)
            except MalformedMessageError:
                continue
            found[instrument.symbol] = instrument
        return found

    async def switches(self, user: str, symbol: Symbol | None = None) -> tuple[Control, ...]:
        """Read the global kill switch, the user's, and that of a symbol if one is given."""
        names = [keys.CONTROL, keys.control(user)]
        if symbol is not None:
            names.append(keys.control_of_symbol(symbol))
        return tuple(map(read_switch, await self._bus.do_all([switch_of(name) for name in names])))

    async def risk(self, user: str, venue: str) -> RiskState | None:
        """Read what copying has made or lost on an account; None if nothing was recorded. Raises MalformedMessageError."""
        fields = risk_fields(await self._bus.do("HGETALL", keys.risk(user, venue)))
        return read_risk(fields) if fields else None

    async def lift_request(self, user: str, venue: str) -> str:
        """Read which stop-out of an account an operator has ended, by its end; empty if none. Raises BusUnavailable."""
        return str(await self._bus.do("HGET", keys.control(user), lift_field(venue)) or "")

    async def books_of(self, user: str, venue: str, symbol: Symbol | None = None) -> tuple[Any, Any, Any]:
        """Read an account's books, as the wire gives them: for `risk_fields`, for `read_holdings`, and the sums of trades of a
        symbol, if one is given."""
        commands: list[Command] = [hgetall(keys.risk(user, venue)), hgetall(keys.positions(user, venue))]
        if symbol is not None:
            commands.append(("HGET", keys.totals(user, venue), str(symbol)))
        risk, held, *totals = await self._bus.do_all(commands)
        return risk, held, totals[0] if totals else None

    async def write_heartbeat(self, service: str, instance: str, sign: HeartbeatRecord) -> None:
        """Write a heartbeat, which expires after `HEARTBEAT_TTL_MS`, and name the process in the index of processes."""
        flat = [part for pair in sign.fields().items() for part in pair]
        now = time.time_ns() // 1_000_000
        # An error reply is ignored: the heartbeat itself matters more, and without an index readers scan.
        await self._bus.do_all([("HSET", keys.PROCESSES, f"{service}:{instance}", now)])
        await self._bus.run(_HEARTBEAT, [keys.heartbeat(service, instance)], [HEARTBEAT_TTL_MS, *flat])

    async def forget_processes(self) -> None:
        """Remove processes from the index that wrote no heartbeat for a day: each start adds one."""
        old = time.time_ns() // 1_000_000 - _REMEMBERED_MS
        index = pairs((await self._bus.do_all([("HGETALL", keys.PROCESSES)]))[0])
        gone = [name for name, at in index.items() if (whole(at) or 0) < old]
        await self._bus.do_all([("HDEL", keys.PROCESSES, name) for name in gone])

    async def processes(self) -> list[str]:
        """Return the names `<service>:<instance>` of all processes that may run: by the index, else by a scan."""
        index = pairs((await self._bus.do_all([("HGETALL", keys.PROCESSES)]))[0])
        if index:
            return sorted(index)
        prefix = keys.HEARTBEATS.removesuffix("*")
        return sorted(name.removeprefix(prefix) for name in set(await self._bus.scan(keys.HEARTBEATS)))

    async def heartbeats(self) -> Mapping[str, HeartbeatRecord]:
        """Read all heartbeats by `<service>:<instance>`; those that cannot be read are left out."""
        prefix, names = keys.HEARTBEATS.removesuffix("*"), await self.processes()
        answers = await self._bus.do_all([("HGETALL", f"{prefix}{name}") for name in names])
        found = {}
        for name, answer in zip(names, answers, strict=True):
            with suppress(MalformedMessageError):
                if fields := pairs(answer):
                    found[name] = HeartbeatRecord.parse(fields)
        return found


def _key_check(answer: Any) -> DoctorRecord:
    values = answer if isinstance(answer, list) else [None] * len(DOCTOR_FIELDS)
    return read_key_check(dict(zip(DOCTOR_FIELDS, values, strict=True)))


def read_key_check(fields: Mapping[str, Any]) -> DoctorRecord:
    """Parse the last check of a key from its account's fields; an empty record if there was none or it cannot be read."""
    known = {name: str(value) for name in DOCTOR_FIELDS if (value := fields.get(name))}
    try:
        return DoctorRecord.parse(known) if known else _UNCHECKED
    except MalformedMessageError:
        return _UNCHECKED


def risk_fields(answer: Any) -> dict[str, str]:
    """Parse the hash of a risk state from the wire's answer; empty if nothing was recorded."""
    if isinstance(answer, Exception):  # an outage is raised before it comes here
        raise meaning(answer)
    return answer if isinstance(answer, dict) else pairs(answer)


def read_held(answer: Any) -> Position | None:
    """Parse one position from the wire's answer. Raises MalformedMessageError, also for a key of another type."""
    if isinstance(answer, Exception):
        if not str(answer).startswith("WRONGTYPE"):
            raise BusRefused(str(answer))
        raise MalformedMessageError(str(answer))
    return read_position(answer) if answer else None


def read_holdings(answer: Any) -> Holdings:
    """Parse a hash of positions from the wire's answer; unreadable ones are listed and do not hide the others."""
    if isinstance(answer, Exception):  # an outage is raised before it comes here
        return Holdings({}, {EVERY_POSITION: str(answer)})
    found: dict[Symbol, Position] = {}
    unreadable: dict[str, str] = {}
    for name, written in (answer if isinstance(answer, dict) else pairs(answer)).items():
        try:
            symbol, position = Symbol.parse(name), read_position(written)
            if position.symbol != symbol:
                raise MalformedMessageError(f"it is a record of {position.symbol}")
            found[symbol] = position
        except ValueError as error:
            unreadable[name] = str(error)
    return Holdings(found, unreadable)


@lru_cache(maxsize=65_536)
def switch_of(key: str) -> bytes:
    """Return the bytes of the command that reads a kill switch, for `read_switch`: of a hash that holds requests as well."""
    return pack(("HMGET", key, *SWITCH_FIELDS))


def read_switch(answer: Any) -> Control:
    """Parse the answer to `switch_of`; a switch that cannot be read (`SET` instead of `HSET`) stops entries."""
    if isinstance(answer, list):
        if not answer[0]:
            return RUNNING
        return Control.read(
            {name: value for name, value in zip(SWITCH_FIELDS, answer, strict=True) if value is not None}
        )
    return read_control(answer)


def read_control(answer: Any) -> Control:
    """Parse a kill switch from the wire's answer; one that cannot be read (`SET` instead of `HSET`) stops entries."""
    if not answer:
        return RUNNING
    if isinstance(answer, Exception):
        return Control(ControlMode.PAUSE, f"the switch cannot be read: {answer}")
    return Control.read(pairs(answer))


def read_equity(answer: Any) -> Money | None:
    """Parse the answer to HMGET of `equity` and `currency` of an account hash; None if unknown or unreadable."""
    return read_money(*answer) if isinstance(answer, list) and None not in answer else None


def read_account(user: str, venue: str, fields: Mapping[str, str]) -> Account | None:
    """Parse the fields of an account hash; None if there is none or it cannot be read."""
    if not fields:
        return None
    try:
        return AccountRecord.parse(fields).to_domain(user, venue)
    except MalformedMessageError:
        return None
