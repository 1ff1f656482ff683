"""The write-ahead records of one account's orders: begin, move, settle. Everything is fenced by the lease."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import structlog

from shared.bus.connection import Bus
from shared.bus.errors import LeaseLost
from shared.bus.flow.streams import flatten
from shared.bus.master.open_orders import OpenOrderList
from shared.bus.order.book_changes import (
    BooksAsRead,
    BooksChanged,
    PositionChange,
    TotalsChange,
    as_read_words,
    counted_words,
    position_words,
    totals_words,
)
from shared.bus.order.book_corrections import corrected_sums
from shared.bus.order.send_permit import ReplayPermit, SendPermit, SendRefusal, SwitchSet
from shared.bus.ownership.lease import Lease
from shared.bus.ownership.nonce import NonceCounter
from shared.bus.scripts import Script, load
from shared.bus.topology.keys_apart import is_set_elsewhere, published_price, switches_beside
from shared.contracts import keys
from shared.contracts.equity_sample import EQUITY_STEPS
from shared.contracts.messages import ReportMessage
from shared.contracts.own_exit import own_exit_field, read_own_exit, read_own_exit_field, write_own_exit
from shared.contracts.position_record import read_position, write_position
from shared.domain.book_corrections import book_corrections
from shared.domain.funds import Funds, FundsMark
from shared.domain.order import TERMINAL, Decision, OrderState
from shared.domain.position import Position
from shared.domain.rename import Renames, merged
from shared.domain.values.symbol import Symbol

RETENTION_MS: Final = 70 * 24 * 3600 * 1000
"""How long the record of an ended order is kept: as long as its entry in the stream, which may be delivered again."""
_QUESTIONS: Final = 2
"""Nonces that are taken along with an order's: to ask what filled, and to read the balances after it."""
_UNSUMMED: Final = "unsummed"
_BEGIN, _REPLAY = load("begin_send"), load("begin_replay")
_TRANSITION, _SETTLE = load("transition"), load("settle")

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OwnExits:
    """The user's own exits that have begun and not ended; `unreadable` is why a record cannot be read, by symbol."""

    decisions: tuple[Decision, ...]
    unreadable: Mapping[str, str]


class OrderStore:
    """The orders of one account under one lease."""

    def __init__(
        self,
        bus: Bus,
        lease: Lease,
        user: str,
        venue: str,
        retention_ms: int = RETENTION_MS,
        *,
        positions: str | None = None,
        lists_open: bool = False,
    ) -> None:
        """`positions` is the key of the hash that ended orders change; by default the user's positions from copying.

        With `lists_open` the orders that have begun are also listed in `shoal:open_orders`, for what shows them: for an account
        without an order stream, whose pending entries would say the same.
        """
        self._bus = bus
        self._clustered = bus.clustered
        self._positions = positions or keys.positions(user, venue)
        self._lease = lease
        self._fence = keys.fence(lease.holder)
        self._user = user
        self._venue = venue
        self._retention_ms = retention_ms
        self.writes = 0
        """Grows with each write of this process to the account's books: what was read at another count may be outdated."""
        self._open = OpenOrderList(bus, user, venue) if lists_open else None

    async def load(self, order_id: str) -> Mapping[str, str]:
        """Read the record of an order; empty if its first send never began."""
        flat = iter(await self._bus.do("HGETALL", keys.order(self._user, order_id)))
        return dict(zip(flat, flat, strict=True))

    async def open_orders(self) -> dict[str, Mapping[str, str]]:
        """Read the records of orders that have not ended, by id: scans the keyspace, so only for the start of a process."""
        names = set(await self._bus.scan(keys.order(self._user, "*")))
        prefix = keys.order(self._user, "")
        found = {name.removeprefix(prefix): await self.load(name.removeprefix(prefix)) for name in sorted(names)}
        open_ = {
            order_id: fields for order_id, fields in found.items() if fields and fields.get("state") not in TERMINAL
        }
        if self._open is not None and self._lease.remaining > 0:
            await self._open.replace(open_)
        return open_

    async def begin(
        self,
        order_id: str,
        nonces: NonceCounter | None,
        fields: Mapping[str, str],
        switches: Sequence[str] = (),
    ) -> SendPermit | SendRefusal | SwitchSet:
        """Record the intent to send and allocate its nonce, unless a kill switch of the keys `switches` is set.

        `nonces` is None at a venue without them. Raises LeaseLost, BusUnavailable (then it may have been recorded).
        """
        if self._clustered:
            if await is_set_elsewhere(self._bus, self._user, switches):
                return SwitchSet()
            switches = switches_beside(self._user, switches)
        counter, floor = ([], "") if nonces is None else ([nonces.key], nonces.taken)
        begun = self._bus.run(
            _BEGIN,
            [self._fence, keys.order(self._user, order_id), *counter, *switches],
            [self._lease.token, floor, _QUESTIONS, *flatten(fields)],
        )
        if self._open is None:
            answer = await begun
        else:
            _, answer = await asyncio.gather(self._open.add(order_id), begun)  # in one round trip
        if (stop := self._not_begun(answer)) is not None:
            return stop
        nonce, attempt = int(answer[1]), int(answer[2])
        return SendPermit(nonce if nonces is None else nonces.used(nonce, _QUESTIONS), attempt)

    async def begin_replay(
        self, order_id: str, client_order_id: str, deadline_at: int, switches: Sequence[str] = ()
    ) -> ReplayPermit | SendRefusal | SwitchSet:
        """Record that a request whose outcome is open is sent again, with its new deadline, unless a kill switch is set.

        A refusal names the state of a record that is not of such a send. Raises LeaseLost, BusUnavailable (then it may have been
        recorded).
        """
        if self._clustered:
            if await is_set_elsewhere(self._bus, self._user, switches):
                return SwitchSet()
            switches = switches_beside(self._user, switches)
        answer = await self._bus.run(
            _REPLAY,
            [self._fence, keys.order(self._user, order_id), *switches],
            [self._lease.token, client_order_id, deadline_at],
        )
        stop = self._not_begun(answer)
        return ReplayPermit(int(answer[1])) if stop is None else stop

    def _not_begun(self, answer: Sequence[str]) -> SendRefusal | SwitchSet | None:
        if answer[0] == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        if answer[0] == "switch":
            return SwitchSet()
        return SendRefusal(OrderState(answer[1])) if answer[0] == "state" else None

    async def move(
        self,
        order_id: str,
        state: OrderState,
        fields: Mapping[str, str],
        position: PositionChange | None = None,
        risk: Mapping[str, str] | None = None,
        totals: TotalsChange | None = None,
        *,
        note_price: bool = False,
    ) -> None:
        """Record a transition between non-terminal states, with the position, risk state and totals that a finished leg changed.

        With `note_price` the published price of the order's symbol is recorded too, if `fields` name that and there is one.
        Raises LeaseLost, and ValueError for a transition that is not legal.
        """
        if note_price and self._clustered:  # no script can read the prices with the order
            price = await published_price(self._bus, self._venue, fields.get("symbol", ""))
            fields, note_price = {**fields, **price}, False
        books_change = position is not None or risk is not None or totals is not None
        run = self._write if books_change else self._bus.run
        answer = await run(
            _TRANSITION,
            [
                self._fence,
                keys.order(self._user, order_id),
                self._positions,
                keys.risk(self._user, self._venue),
                keys.totals(self._user, self._venue),
                *([keys.prices(self._venue)] if note_price else []),
            ],
            [
                self._lease.token,
                state,
                *position_words(position),
                *totals_words(totals),
                *counted_words(risk),
                *flatten(fields),
            ],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        if answer == _UNSUMMED:
            self._note_unsummed(order_id)
        elif answer != "ok":
            raise ValueError(f"order {order_id} is {answer}; it cannot become {state}")

    async def settle(
        self,
        report: ReportMessage,
        *,
        entry_id: str,
        fields: Mapping[str, str],
        position: PositionChange | None = None,
        risk: Mapping[str, str] | None = None,
        totals: TotalsChange | None = None,
        as_read: BooksAsRead | None = None,
        account: Mapping[str, str] | None = None,
        begun: Mapping[str, str] | None = None,
        note_price: bool = False,
    ) -> bool:
        """Settle an order: write its report, the changed position, risk state and totals, and acknowledge its entry, in one step.

        `account` are the fields of the account's record that the order's trade changes. `begun` is what the order's record has
        had since its write-ahead, in case it was lost. With `note_price` the published price of the order's symbol is recorded
        too, unless the order's record has one.

        `entry_id` is empty for an order that did not come from the stream. Return False if it had ended before; then only the
        acknowledgement happens. Raises BooksChanged if the books are not `as_read`, LeaseLost, BusUnavailable (repeat it: the
        second time is harmless).
        """
        content = report.fields()
        if note_price and self._clustered:  # no script can read the prices with the order
            price = await published_price(self._bus, self._venue, str(report.symbol))
            fields, content, note_price = {**fields, **price}, {**content, **price}, False
        answer = await self._write(
            _SETTLE,
            [
                self._fence,
                keys.order(self._user, report.order_id),
                keys.reports(self._user),
                keys.orders(self._user),
                self._positions,
                keys.risk(self._user, self._venue),
                keys.totals(self._user, self._venue),
                keys.account(self._user, self._venue),
                *([keys.prices(self._venue)] if note_price else []),
            ],
            [
                self._lease.token,
                report.outcome,
                self._retention_ms,
                keys.EXECUTOR,
                entry_id,
                *position_words(position),
                *totals_words(totals),
                *as_read_words(as_read, risk),
                str(report.symbol) if note_price else "",
                *counted_words(begun),
                *counted_words(fields),
                *counted_words(risk),
                *counted_words(account),
                *flatten(content),
            ],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        if answer == "changed":
            raise BooksChanged
        if answer == _UNSUMMED:
            self._note_unsummed(report.order_id)
        if self._open is not None:
            self._open.ended(report.order_id)
        return answer in {"ok", _UNSUMMED}

    def _note_unsummed(self, order_id: str) -> None:
        log.error(
            "the sums of trades could not be written",
            user=self._user,
            order_id=order_id,
            reason="the key is of another type, or this Redis user may not write it; `ops pnl --check` shows the difference",
        )

    async def mark_books(self, funds: Funds, *, clear: bool) -> FundsMark:
        """Record whether the account's books are of paper or real money. Raises LeaseLost, BusUnavailable.

        With `clear` their content is deleted in the same step: positions, risk state, differences, sums of trades, samples of
        the equity, and the balances that the engine sizes by.
        """
        user, venue = self._user, self._venue
        of_account = (keys.positions, keys.risk, keys.differences, keys.totals, keys.book_corrections)
        forgotten = [key(user, venue) for key in of_account] + [keys.equity(user, venue, step) for step in EQUITY_STEPS]
        answer = await self._write(
            load("begin_books"),
            [self._fence, keys.books(user, venue), *([*forgotten, keys.account(user, venue)] if clear else [])],
            [self._lease.token, funds],
        )
        if not answer:
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        return FundsMark(funds, int(answer))

    async def note_key(self, fingerprint: str) -> None:
        """Record the key with which the account trades: its books are of that key's account. Raises LeaseLost, BusUnavailable."""
        await self._note_keys(key=fingerprint, other_key="")

    async def note_other_key(self, fingerprint: str) -> None:
        """Record a key that is of another account than the books. Raises LeaseLost, BusUnavailable."""
        await self._note_keys(other_key=fingerprint)

    async def _note_keys(self, **fields: str) -> None:
        triples = [part for name, value in fields.items() for part in (1, name, value)]
        books = keys.books(self._user, self._venue)
        answer = await self._bus.run(load("put_fields"), [self._fence, books], [self._lease.token, *triples])
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")

    async def rebuild_books(self, funds: Funds, positions: Mapping[str, str]) -> bool:
        """Write lost books with these position records by symbol; False if there are books already: then nothing was written.

        Raises LeaseLost, BusUnavailable (repeat it: the second time returns False).
        """
        user, venue = self._user, self._venue
        answer = await self._write(
            load("rebuild_books"),
            [self._fence, keys.books(user, venue), keys.positions(user, venue)],
            [self._lease.token, funds, *flatten(positions)],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        return bool(answer == "ok")

    async def correct(self, change: PositionChange, corrected: Mapping[str, Decimal] | None = None) -> None:
        """Correct a position without an order, on an operator's request. Raises LeaseLost, BusUnavailable.

        `corrected` is what that changes in the books of named masters: it is added to their sums in the same step. Call it under
        the lock of the account's positions, so that nothing else changes these sums meanwhile.
        """
        key, args = keys.positions(self._user, self._venue), position_words(change)
        if not corrected:
            await self._put(key, *args)
            return
        beside = keys.book_corrections(self._user, self._venue)
        sums = await corrected_sums(self._bus, beside, {Symbol.parse(change.symbol): corrected})
        triples = [part for name, value in sums.items() for part in ("2", name, value)]
        answer = await self._write(
            load("put_fields"),
            [self._fence, key, beside],
            [self._lease.token, "1", *args, *triples],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")

    async def move_position(self, old: Symbol, new: Symbol, renames: Renames) -> bool:
        """Move a position to another name of its symbol, in one step, and add it to a position under that name.

        Return False if there is none, or one of the two changed meanwhile: then nothing was written. Raises LeaseLost,
        BusUnavailable (repeat it: the second time returns False), MalformedMessageError.
        """
        key = keys.positions(self._user, self._venue)
        held = [value or "" for value in await self._bus.do("HMGET", key, str(old), str(new))]
        if not held[0]:
            return False
        position = read_position(held[0])
        moved = renames.position(position, new)
        before = read_position(held[1]) if held[1] else Position.flat(new, moved.updated_at)
        after = merged(before, moved) if held[1] else moved
        changes = {old: book_corrections(position, Position.flat(old, 0)), new: book_corrections(before, after)}
        beside = keys.book_corrections(self._user, self._venue)
        sums = await corrected_sums(self._bus, beside, changes)
        answer = await self._write(
            load("move_position"),
            [self._fence, key, *([beside] if sums else [])],
            [self._lease.token, str(old), held[0], str(new), held[1], write_position(after), *flatten(sums)],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
        return bool(answer == "ok")

    async def own_exits(self) -> OwnExits:
        """Read the user's own exits that have begun and not ended."""
        found, unreadable = [], {}
        flat = iter(await self._bus.do("HGETALL", keys.own_exits(self._user, self._venue)))
        for name, written in zip(flat, flat, strict=True):
            try:
                symbol, master = read_own_exit_field(name)
                found.append(read_own_exit(self._user, self._venue, symbol, written, master=master))
            except ValueError as error:
                unreadable[name] = str(error)
        return OwnExits(tuple(found), unreadable)

    async def note_own_exit(self, decision: Decision) -> None:
        """Record durably that an own exit begins, before anything of it is sent. Raises LeaseLost, BusUnavailable."""
        await self._put(keys.own_exits(self._user, self._venue), own_exit_field(decision), write_own_exit(decision))

    async def forget_own_exit(self, decision: Decision) -> None:
        """Remove the record of an own exit, since it has ended. Raises LeaseLost, BusUnavailable."""
        await self._put(keys.own_exits(self._user, self._venue), own_exit_field(decision), "")

    async def write_risk(self, fields: Mapping[str, str], stop_out: Mapping[str, str] | None = None) -> None:
        """Record the risk state, with a stop-out that has just begun. Raises LeaseLost, BusUnavailable."""
        answer = await self._write(
            load("write_state"),
            [self._fence, keys.risk(self._user, self._venue), keys.stopouts(self._user)],
            [self._lease.token, *counted_words(fields), *flatten(stop_out or {})],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")

    async def write_totals(self, fields: Mapping[str, str]) -> None:
        """Write sums of trades by symbol, in one step. Raises LeaseLost, BusUnavailable."""
        triples = [part for name, value in fields.items() for part in (1, name, value)]
        answer = await self._write(
            load("put_fields"),
            [self._fence, keys.totals(self._user, self._venue)],
            [self._lease.token, *triples],
        )
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")

    async def _write(self, script: Script, names: list[str], args: list[str | int]) -> Any:
        """Run a script that writes to the account's books."""
        self.writes += 1  # a read on its way may be answered before or after it
        try:
            return await self._bus.run(script, names, args)
        finally:
            self.writes += 1

    async def _put(self, key: str, field: str, value: str) -> None:
        answer = await self._write(load("put_field"), [self._fence, key], [self._lease.token, field, value])
        if answer == "fenced":
            raise LeaseLost(f"another process serves {self._lease.holder} now")
