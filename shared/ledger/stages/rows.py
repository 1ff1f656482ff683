"""Users' stages on the canary ladder: where each stands, what was counted, and the steps that were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from shared.bus.connection import Bus
from shared.bus.flow.streams import entry_ms, read_entries
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.stage import read_stage
from shared.domain.limits.policy import UserPolicy
from shared.domain.stages.ladder import LadderState, effective_stage
from shared.domain.stages.stage import Stage
from shared.domain.values.money import plain
from shared.domain.values.numerals import whole


@dataclass(frozen=True, slots=True)
class StageRow:
    """One user's stage. `since` in epoch ms, None where the stage is the file's; `tracking_bps` None while nothing was compared.

    `held_back` says why a full count made no step, or why the record cannot be read.
    """

    user: str
    stage: str
    start: str
    max: str
    auto: bool
    since: int | None = None
    clean: int = 0
    trades: int = 0
    tracking_bps: str | None = None
    faults: int = 0
    standing: tuple[str, ...] = ()
    held_back: str = ""
    ready: str = ""
    """Why a user on paper may be moved to real money, and how."""

    @property
    def words(self) -> str:
        """Describe the stage for people; an empty text for a user who simply trades with real money or paper."""
        if not self.auto:
            return f"stage {self.stage} (fixed)" if Stage(self.stage).reduced else ""
        counted = f"{self.clean} of {self.trades} clean trades, {self.faults} fault{'' if self.faults == 1 else 's'}"
        more = [*self.standing, *filter(None, (self.held_back, self.ready))]
        most = "" if self.stage == Stage.PAPER else f" of at most {self.max}"
        return f"stage {self.stage}{most}: {counted}{''.join(f'; {each}' for each in more)}"

    def row(self) -> dict[str, object]:
        """Return it as a JSON row."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class StageStep:
    """A change of stage at an instant (epoch ms); `by` is `ladder` or `file`."""

    user: str
    at: int
    before: str
    after: str
    by: str
    reason: str

    def row(self) -> dict[str, object]:
        """Return it as a JSON row."""
        return asdict(self)


def way_to_shadow(user: str) -> str:
    """Describe how a person moves a user from paper to real money: what is held on paper is sold there first."""
    return (
        f"ops flatten --user {user}; then give {user} a key of the real account, set stage.start = 'shadow' (no paper = true) "
        f"in config/users/{user}.toml, and: ops doctor {user}; ops resume --user {user}"
    )


async def read_stages(bus: Bus, policies: Sequence[UserPolicy]) -> dict[str, StageRow]:
    """Read where users stand; only those with `stage.auto` have a record to read. Raises BusUnavailable."""
    moving = [policy.user for policy in policies if policy.stage.auto]
    answers = await bus.do_all([("HGETALL", keys.stage(user)) for user in moving])
    records = dict(zip(moving, answers, strict=True))
    return {policy.user: stage_row(policy, pairs(records.get(policy.user))) for policy in policies}


async def read_steps(bus: Bus, users: Sequence[str], count: int) -> list[StageStep]:
    """Read the `count` latest steps of each user, latest first. Raises BusUnavailable."""
    answers = await bus.do_all([("XREVRANGE", keys.stage_moves(user), "+", "-", "COUNT", count) for user in users])
    found = []
    for user, rows in zip(users, answers, strict=True):
        for entry in read_entries(keys.stage_moves(user), rows if isinstance(rows, list) else []):
            said = entry.fields
            at = whole(said.get("at")) or entry_ms(entry.id)
            parts = [said.get(name, "") for name in ("before", "after", "by", "reason")]
            found.append(StageStep(user, at, *parts))
    return found


def stage_row(policy: UserPolicy, fields: Mapping[str, str]) -> StageRow:
    """Return a user's row from the settings and the fields of the record, if there are any."""
    stage = policy.stage
    state: LadderState | None = None
    unreadable = ""
    try:
        state = read_stage(fields) if stage.auto else None
    except MalformedMessageError as error:
        unreadable = f"the record cannot be read, so no entry is copied: {error}"
    if state is None or state.start is not stage.start:
        return StageRow(
            policy.user,
            stage.start,
            stage.start,
            stage.ceiling,
            stage.auto,
            trades=stage.trades if stage.auto else 0,
            held_back=unreadable,
        )
    tracking = state.tracking_bps
    return StageRow(
        policy.user,
        effective_stage(stage, state),
        stage.start,
        stage.ceiling,
        stage.auto,
        state.since,
        state.clean,
        stage.trades,
        None if tracking is None else plain(round(tracking, 2)),
        len(state.faults),
        tuple(sorted(state.standing)),
        state.held_back,
        f"{state.ready}; {way_to_shadow(policy.user)}" if state.ready else "",
    )
