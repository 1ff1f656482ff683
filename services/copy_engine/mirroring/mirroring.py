"""Carries what happens to the master's resting orders to the users who mirror them: one decision each, in order.

An order is decided once, when it is placed; users who mirror orders only later copy its fills. The master watches its open orders
only while this says that a user mirrors them (`shoal:mirroring`). It must never hold up a signal: one event at a time, and
nothing of it is needed for the copying of fills.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.copy_engine.decisions.markets import Markets
from services.copy_engine.followers.follower_reader import FollowerReader
from services.copy_engine.mirroring.mirror_plan import as_signal, changed_decision, placed_decision
from services.copy_engine.mirroring.mirror_writer import MirrorWriter
from shared.bus.connection import Bus
from shared.bus.errors import ENDS_A_TURN
from shared.bus.flow.signals import SignalLog
from shared.bus.flow.streams import MAX_DELIVERIES, Entry, Group
from shared.bus.flow.sweep import Sweep
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.mirror import MasterOrderMessage, RestingOrderMessage
from shared.domain.copying.decision_plan import Judgement, decision_failed
from shared.domain.fault import FaultKind, Faults
from shared.domain.limits.policy import OrdersMode, UserPolicy
from shared.domain.mirror import MasterAction, MasterOrder
from shared.domain.order import Kind
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip

BLOCK_MS: Final = 200
"""How long a read of signals waits while a user mirrors orders, so that events are soon read too."""
_STATE_EVERY: Final = 15.0
"""Seconds between statements that orders are mirrored."""
_AGAIN: Final = 5.0
"""Seconds after a failure until events are read again."""
_BATCH: Final = 32
_LATEST: Final = 500
"""Signals that are searched for a fill of an order, before it is mirrored."""
_FILLED: Final = Skip("the master's order has filled already: its fills are copied", ReasonCode.COPIED_BY_FILLS)

log = structlog.get_logger()


class Mirroring:
    """The events of one engine's turn."""

    def __init__(
        self,
        bus: Bus,
        group: Group,
        clock: Callable[[], int],
        elapsed: Callable[[], float],
        faults: Faults,
        refusal: Callable[[], str],
    ) -> None:
        """`refusal` returns why this host's clock forbids entries now; empty if it does not."""
        self._bus = bus
        self._group = group
        self._clock = clock
        self._elapsed = elapsed
        self._refusal = refusal
        self._reader = FollowerReader(bus, clock)
        self._writer = MirrorWriter(bus, faults)
        self._stated: tuple[int, float] | None = None
        self._users: Sequence[UserPolicy] = ()
        self._concerned: list[UserPolicy] = []
        self._faults = faults
        self._pending = True
        self._sweep = Sweep(elapsed)
        self._failed_until = 0.0
        self.any = False
        """Whether a user mirrors orders, or did."""

    async def round(self, users: Sequence[UserPolicy], markets: Markets) -> None:
        """Do what is due; a failure in it is a fault, and what it concerns is tried again later. Raises BusUnavailable."""
        if self._elapsed() < self._failed_until:
            return
        try:
            await self._round(users, markets)
        except ENDS_A_TURN:
            raise
        except Exception as error:  # it must not keep the engine from distributing signals
            self._pending = True
            self._failed_until = self._elapsed() + _AGAIN
            if self._faults.report(FaultKind.STREAM, keys.MASTER_ORDERS, f"{type(error).__name__}: {error}"):
                log.exception("resting orders could not be carried to users")
        else:
            self._faults.clear(FaultKind.STREAM, keys.MASTER_ORDERS)

    async def _round(self, users: Sequence[UserPolicy], markets: Markets) -> None:
        if users is not self._users:
            self._users = users
            await self._find_concerned(users)
        await self._state(sum(policy.orders is OrdersMode.MIRROR for policy in users))
        if not self.any:
            return
        if self._pending or self._sweep.due():
            await self._group.ensure([keys.MASTER_ORDERS])
            for entry in await self._group.all_pending(keys.MASTER_ORDERS):
                if not self._writer.owes(entry.id):
                    await self._process(entry, markets)
            self._pending = False
        if settled := await self._writer.write_owed():
            await self._ack(*settled)
        for entry in await self._group.poll_new(keys.MASTER_ORDERS, _BATCH):
            await self._process(entry, markets)

    async def _find_concerned(self, users: Sequence[UserPolicy]) -> None:
        """Find the users who mirror orders, or did: an order that was placed for them is amended and ended."""
        answers = await self._bus.do_all([("EXISTS", keys.resting(policy.user)) for policy in users])
        self._concerned = [
            policy
            for policy, exists in zip(users, answers, strict=True)
            if policy.orders is OrdersMode.MIRROR or exists == 1
        ]
        self.any = bool(self._concerned)

    async def _state(self, mirroring: int) -> None:
        """Tell the master how many users mirror its orders; said again now and then, since Redis may forget."""
        if self._stated is None and not mirroring and not self.any:
            return
        if (
            self._stated is not None
            and self._stated[0] == mirroring
            and self._elapsed() < self._stated[1] + _STATE_EVERY
        ):
            return
        await self._bus.do("HSET", keys.MIRRORING, "v", "1", "users", mirroring, "at", self._clock())
        self._stated = (mirroring, self._elapsed())

    async def _process(self, entry: Entry, markets: Markets) -> None:
        order = await self._read(entry)
        if order is None:
            return
        if order.action is MasterAction.PLACED:
            await self._place(entry, order, markets)
        else:
            await self._change(entry, order)
        if not self._writer.owes(entry.id):
            await self._ack(entry.id)

    async def _ack(self, *entry_ids: str) -> None:
        """Acknowledge entries; in a cluster only once what was written to users is at replicas too."""
        await self._bus.replicate()
        await self._group.ack(keys.MASTER_ORDERS, *entry_ids)

    async def _place(self, entry: Entry, order: MasterOrder, markets: Markets) -> None:
        users = [policy for policy in self._concerned if policy.orders is OrdersMode.MIRROR]
        signal = as_signal(order)
        filled = order.filled.amount > 0 or await self._was_filled(order)
        refusal = self._refusal() if order.kind is Kind.ENTRY else ""
        entries, copied = [], 0
        for policy, follower in zip(users, await self._reader.followers(signal, users), strict=True):
            plan, now = await markets.plan(signal, policy, follower.venue), self._clock()
            judgement: Judgement
            try:
                judgement = _FILLED if filled else plan.judge(follower, now)
            except Exception as error:  # a failure in a decision is a skip of this user alone
                log.exception("decision failed", signal_id=order.id, user=policy.user)
                judgement = decision_failed(error)
            if refusal and not isinstance(judgement, Skip):
                judgement = Skip(refusal, ReasonCode.CLOCK)
            copied += not isinstance(judgement, Skip)
            decision = placed_decision(order, plan, follower, judgement, now)
            fields = RestingOrderMessage.from_domain(decision).fields()
            entries.append(Entry(keys.resting(policy.user), entry.id, fields))
        await self._writer.write(entries)
        self._log(order, signal, copied, len(users) - copied)

    async def _change(self, entry: Entry, order: MasterOrder) -> None:
        streams = [keys.resting(policy.user) for policy in self._concerned]
        entries = []
        for stream, placed in zip(
            streams,
            await self._writer.placed(streams, order.placed_entry or entry.id, order.master_order_id),
            strict=True,
        ):
            try:
                decision = changed_decision(order, placed, self._clock()) if placed else None
            except MalformedMessageError as error:
                log.error("the decision that placed an order cannot be read", stream=stream, reason=str(error))
                continue
            if decision is not None:
                entries.append(Entry(stream, entry.id, RestingOrderMessage.from_domain(decision).fields()))
        await self._writer.write(entries)
        self._log(order, None, len(entries), 0)

    async def _was_filled(self, order: MasterOrder) -> bool:
        """Return whether a fill of this order is a signal already: those who got it must not get the order as well."""
        latest = await SignalLog(self._bus).latest(_LATEST)
        return any(
            each.fields.get("master_order_id") == order.master_order_id and each.fields.get("venue") == order.venue
            for each in latest
        )

    async def _read(self, entry: Entry) -> MasterOrder | None:
        """Parse an event; one that cannot be read becomes a dead letter after its last delivery."""
        while True:
            try:
                return MasterOrderMessage.parse(entry.fields).to_domain()
            except MalformedMessageError as error:
                deliveries = await self._group.deliver_again(entry)
                if deliveries == 0:
                    return None
                if deliveries >= MAX_DELIVERIES:
                    await self._group.dead_letter(entry, str(error))
                    log.error("a master's order that cannot be read is now a dead letter", entry_id=entry.id)
                    return None

    def _log(self, order: MasterOrder, signal: Signal | None, copied: int, skipped: int) -> None:
        log.info(
            "resting order carried to users",
            signal_id=order.id,
            master_order_id=order.master_order_id,
            action=order.action,
            symbol=str(order.symbol),
            copied=copied,
            **({"skipped": skipped} if signal is not None else {}),
        )
