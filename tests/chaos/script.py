"""The script of a run, drawn from the seed alone: what happens to whom, and when. The same seed gives the same script.

What the script cannot fix is how the operating system schedules the processes that suffer it; `actions.log` tells what came of
each act.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final

from shared.runtime.crash_points import CrashPoint
from tests.chaos.harm.ailments import some_ailment
from tests.chaos.harm.refusals import Refusal
from tests.chaos.harm.user_files import Damage
from tests.chaos.trading.followers import Follower, Mix, draw_followers, masters_of, users_at
from tests.chaos.trading.market import PRICES, Market, PlannedSignal

KILLS, STOPS, REDIS_KILLS, FAULTS, REDELIVERIES, MOVES = 0.34, 0.12, 0.02, 0.85, 0.1, 0.2
CLOCK_STEPS, REFUSALS, DAMAGES, SLOT_MOVES = 0.1, 0.02, 0.06, 0.1
"""How many of each per signal."""
_FAR_STEPS: Final = 0.3
"""The share of clock steps beyond the 5 s at which entries stop: exits must go on, and nothing may be sent twice.

Those last less long, or hardly anything would be bought in a run."""
_ENGINE_SHARE, _MASTER_SHARE = 0.4, 0.15
"""The shares of strikes that go to an engine, and to a master where there is one; the executors have the rest."""
_FAIL_OVERS: Final = 0.5
"""The share of Redis's deaths that lose writes."""
_BURST: Final = 0.5
"""The share of signals that come right upon the one before."""
_LONG_STOP: Final = 0.35
"""The share of stops that outlast the lease of 12 s."""
_ARMED: Final = 0.5
"""The share of restarted services that die at a step of the path, between its 1st and 60th pass."""
_IN_THE_ACT: Final = 0.7
"""The share of kills and stops that come within 60 ms of a signal."""


class Role(StrEnum):
    """Whom a strike goes to."""

    ENGINE = "engine"
    EXECUTOR = "executor"
    MASTER = "master"


@dataclass(frozen=True, slots=True)
class Emit:
    """The master's next signal; with a real master, the order on its account that is to become one."""

    signal: PlannedSignal


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL a service; it is started again after `down` seconds, perhaps armed to die by itself at a step of the path."""

    role: Role
    which: int
    down: float
    hook: str


@dataclass(frozen=True, slots=True)
class Stop:
    """SIGSTOP a service for so many seconds."""

    role: Role
    which: int
    seconds: float


@dataclass(frozen=True, slots=True)
class KillRedis:
    """SIGKILL Redis; it is started again on its own log after `down` seconds.

    With `lost` above 0 the last so many seconds of writes are gone, as after a fail-over to a replica that lagged behind.
    """

    down: float
    lost: float


@dataclass(frozen=True, slots=True)
class Arm:
    """Throw a fault switch of the exchange."""

    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Redeliver:
    """Have the last `back` entries of a user's orders (of the signals, without a user) delivered again, `times` times."""

    user: str
    back: int
    times: int


@dataclass(frozen=True, slots=True)
class Move:
    """Set a price."""

    symbol: str
    price: Decimal


@dataclass(frozen=True, slots=True)
class StepClock:
    """Set the wall clock of a service's host so many seconds off the exchange's, for a while."""

    role: Role
    which: int
    seconds: float
    lasts: float


@dataclass(frozen=True, slots=True)
class Refuse:
    """Have Redis refuse for a while: see `refusals.py`."""

    kind: Refusal
    which: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DamageFile:
    """Damage a user's file, and mend it after a while."""

    user: str
    damage: Damage
    seconds: float


@dataclass(frozen=True, slots=True)
class MoveSlots:
    """Move slots of a cluster from one node to another."""


Act = Emit | Kill | Stop | KillRedis | Arm | Redeliver | Move | StepClock | Refuse | DamageFile | MoveSlots


@dataclass(frozen=True, slots=True)
class Script:
    """All acts in order, each with its second from the start."""

    seed: int
    followers: list[Follower]
    signals: int
    seconds: float
    acts: list[tuple[float, Act]] = field(default_factory=list)
    master: bool = False
    """Whether the real master service tells the signals, of what a person trades on its account."""
    masters: tuple[str, ...] = ("kraken",)
    """The venues of the masters."""

    @property
    def users(self) -> list[str]:
        """Return who follows."""
        return [each.user for each in self.followers]


def write_script(
    seed: int, signals: int, users: int, pace: float, *, master: bool = False, mix: Mix = Mix.KRAKEN
) -> Script:
    """Draw a script: one signal every `pace` seconds on average, and everything else strewn over the same time."""
    dice = random.Random(seed)
    names = [f"user-{number:02}" for number in range(users)]
    followers = draw_followers(seed, names, mix)
    script = Script(seed, followers, signals, signals * pace, master=master, masters=masters_of(mix))
    when: list[float] = []
    while len(when) < signals:
        burst = bool(when) and dice.random() < _BURST
        when.append(when[-1] + dice.uniform(0.0, 0.02) if burst else dice.uniform(0, script.seconds))
    when.sort()
    market = Market(dice, script.masters)
    script.acts.extend(_market(market, when, script.seconds))
    for _ in range(math.ceil(signals * KILLS)):
        script.acts.append((_moment(dice, when, script.seconds), _kill(dice, master)))
    for _ in range(math.ceil(signals * STOPS)):
        long = dice.random() < _LONG_STOP
        seconds = dice.uniform(13.5, 18.0) if long else dice.uniform(0.3, 7.0)
        stop = Stop(_role(dice, master), dice.randrange(100), seconds)
        script.acts.append((_moment(dice, when, script.seconds), stop))
    for _ in range(math.ceil(signals * REDIS_KILLS)):
        lost = dice.uniform(0.1, 1.2) if dice.random() < _FAIL_OVERS else 0.0
        script.acts.append((_moment(dice, when, script.seconds), KillRedis(dice.uniform(0.0, 4.0), lost)))
    for _ in range(math.ceil(signals * FAULTS)):
        arm = Arm(some_ailment(dice, users_at(followers), list(PRICES)))
        script.acts.append((dice.uniform(0, script.seconds * 0.95), arm))
    for _ in range(math.ceil(signals * REDELIVERIES)):
        user = dice.choice(["", *names, *names])
        again = Redeliver(user, dice.randint(1, 8), dice.randint(1, 5))
        script.acts.append((dice.uniform(script.seconds * 0.05, script.seconds), again))
    for _ in range(math.ceil(signals * CLOCK_STEPS)):
        script.acts.append((_moment(dice, when, script.seconds), _clock_step(dice, master)))
    for _ in range(math.ceil(signals * REFUSALS)):
        refuse = Refuse(dice.choice(list(Refusal)), dice.randrange(100), dice.uniform(1.0, 7.0))
        script.acts.append((_moment(dice, when, script.seconds), refuse))
    for _ in range(math.ceil(signals * DAMAGES)):
        damage = DamageFile(dice.choice(names), dice.choice(list(Damage)), dice.uniform(2.0, 30.0))
        script.acts.append((dice.uniform(0, script.seconds * 0.9), damage))
    script.acts.sort(key=lambda row: row[0])
    script.acts.extend((script.seconds, Emit(signal)) for signal in market.closing())
    return script


def move_slots_too(script: Script) -> Script:
    """Return a script with moves of a cluster's slots besides."""
    dice = random.Random(script.seed)
    moves = [(dice.uniform(0, script.seconds), MoveSlots()) for _ in range(math.ceil(script.signals * SLOT_MOVES))]
    return replace(script, acts=sorted([*script.acts, *moves], key=lambda row: row[0]))


def _clock_step(dice: random.Random, master: bool) -> StepClock:
    far = dice.random() < _FAR_STEPS
    seconds = dice.choice((-1, 1)) * (dice.uniform(6.0, 25.0) if far else dice.uniform(0.3, 4.5))
    lasts = dice.uniform(2.0, 7.0) if far else dice.uniform(3.0, 20.0)
    return StepClock(_role(dice, master), dice.randrange(100), round(seconds, 3), lasts)


def _role(dice: random.Random, master: bool) -> Role:
    drawn = dice.random()
    if drawn < _ENGINE_SHARE:
        return Role.ENGINE
    return Role.MASTER if master and drawn < _ENGINE_SHARE + _MASTER_SHARE else Role.EXECUTOR


def _kill(dice: random.Random, master: bool) -> Kill:
    role = _role(dice, master)
    steps = [step for step in CrashPoint if step.startswith(role)]
    hook = f"{dice.choice(steps)}:{dice.randint(1, 60)}" if dice.random() < _ARMED else ""
    return Kill(role, dice.randrange(100), dice.uniform(0.0, 2.0), hook)


def _moment(dice: random.Random, when: list[float], seconds: float) -> float:
    """Draw when to strike: mostly while a signal is being carried, or a strike would mostly meet processes at rest."""
    if dice.random() < _IN_THE_ACT:
        return dice.choice(when) + dice.uniform(0.001, 0.06)
    return dice.uniform(0, seconds)


def _market(market: Market, when: list[float], seconds: float) -> list[tuple[float, Act]]:
    """Draw prices and signals together, since a signal tells the price of its moment."""
    dice = market.dice
    moves = {dice.uniform(0, seconds) for _ in range(math.ceil(len(when) * MOVES))}
    times = sorted([*when, *moves])
    return [(at, Move(*market.move()) if at in moves else Emit(market.signal())) for at in times]
