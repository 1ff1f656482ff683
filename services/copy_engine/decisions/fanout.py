"""Distributes one signal to all users: one decision each, written under the signal's own entry id.

That id makes the fan-out safe to repeat: Redis refuses a second decision on the same signal, so the first one is kept. Signals
must be distributed strictly in order, each to all users before the next: a stream accepts no id below its last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from services.copy_engine.decisions.input_recorder import InputRecorder
from services.copy_engine.decisions.markets import Markets
from services.copy_engine.decisions.order_writer import OrderWriter
from services.copy_engine.decisions.owed_decisions import OwedDecisions
from services.copy_engine.followers.follower_reader import FollowerReader
from services.copy_engine.followers.roster import Roster
from shared.bus.client.wire import Command, pack
from shared.bus.connection import Bus
from shared.bus.flow.streams import Entry
from shared.domain.copying.decision_plan import DecisionPlan, Judgement, decision_failed
from shared.domain.copying.follower import Follower
from shared.domain.fault import Faults
from shared.domain.limits.policy import UserPolicy
from shared.domain.order import Kind
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.skip import Skip
from shared.domain.stages.stage import Stage
from shared.runtime.crash_points import CrashPoint, CrashPoints

_NOTHING: Final = pack(("ECHO", "owed"))
"""Placeholder in a round trip for a user who is owed earlier decisions."""

log = structlog.get_logger()


class FanOut:
    """Decides and writes for all users; the user who goes first rotates."""

    def __init__(
        self,
        bus: Bus,
        clock: Callable[[], int],
        crash_points: CrashPoints | None = None,
        refusal: Callable[[], str] = lambda: "",
        owed: OwedDecisions | None = None,
        inputs: InputRecorder | None = None,
    ) -> None:
        """`refusal` returns why this host's clock forbids entries for all users now; an empty text if it does not.

        Without `inputs`, decisions are written without what they were made from, and cannot be repeated later.
        """
        self._bus = bus
        self._refusal = refusal
        self._owed = owed or OwedDecisions(bus, Faults())
        self._clock = clock
        self._inputs = inputs
        self._crash_points = crash_points or CrashPoints()
        self._reader = FollowerReader(bus, clock)
        self._roster = Roster([])
        self._turn = 0

    async def distribute(self, entry: Entry, signal: Signal, users: Sequence[UserPolicy], markets: Markets) -> None:
        """Write one decision per user. Raises BusUnavailable: then the whole signal is distributed again, harmlessly.

        Pass another sequence object whenever users or settings change: the roster is computed once per sequence.
        """
        if users is not self._roster.users:
            self._roster = Roster(users)
        if not users:
            return
        self._turn += 1
        writers: dict[tuple[int, str | None], OrderWriter] = {}
        copied = 0
        refusal = self._refusal() if signal.kind is Kind.ENTRY else ""
        for members in self._roster.chunks(self._turn - 1):
            followers = await self._reader.followers(signal, [member.policy for member in members])
            now = self._clock()
            commands: list[Command] = []
            judgements: list[Judgement] = []
            for member, follower in zip(members, followers, strict=True):
                writer = writers.get((member.settings, follower.venue))
                if writer is None:
                    plan = await markets.plan(signal, member.policy, follower.venue)
                    inputs = None if self._inputs is None else self._inputs.of_plan(plan, member.policy, refusal)
                    writer = writers[member.settings, follower.venue] = OrderWriter(plan, entry.id, inputs)
                judgement = _judge(writer.plan, follower, now, signal)
                if refusal and not isinstance(judgement, Skip):
                    judgement = Skip(refusal, ReasonCode.CLOCK)
                copied += not isinstance(judgement, Skip) and follower.stage is not Stage.SHADOW
                judgements.append(judgement)
                # A user who is owed an earlier decision gets this one after it: a stream accepts no id below its last.
                owed = member.stream in self._owed.streams
                commands.append(_NOTHING if owed else writer.command(member.stream, follower, judgement, now))
            for number, answer in enumerate(await self._bus.do_all(commands)):
                if isinstance(answer, Exception) or commands[number] is _NOTHING:
                    member = members[number]
                    writer = writers[member.settings, followers[number].venue]
                    fields = writer.fields(followers[number], judgements[number], now)
                    await self._owed.handle_unwritten(Entry(member.stream, entry.id, fields), answer)
            self._crash_points.hit(CrashPoint.ENGINE_MID_FANOUT)
        log.info(
            "signal carried to users",
            signal_id=signal.id,
            symbol=str(signal.symbol),
            kind=signal.kind,
            copied=copied,
            skipped=len(users) - copied,
        )


def _judge(plan: DecisionPlan, follower: Follower, now: int, signal: Signal) -> Judgement:
    try:
        return plan.judge(follower, now)
    except Exception as error:  # any failure in a decision is a skip: no user may receive the master's size
        log.exception("decision failed", signal_id=signal.id, user=follower.policy.user)
        return decision_failed(error)
