"""Stop-outs: those in force, from the risk state that engine and executor use, and past ones, from the users' streams.

Only the risk state says what is in force: a stop-out can end early (its limit was removed from the settings), or later than
recorded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from shared.bus.connection import Bus
from shared.bus.flow.streams import entry_ms, read_entries
from shared.bus.state.records import pairs
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.risk import RiskRecord
from shared.domain.limits.risk_state import RiskState
from shared.domain.values.venue import VENUES
from shared.ledger.signal_views import instant


@dataclass(frozen=True, slots=True)
class StopOutRow:
    """One stop-out. Instants in epoch ms; `since` is None if its record is gone. An unreadable state counts as in force."""

    user: str
    venue: str
    since: int | None
    until: int | None
    rules: str
    action: str
    reason: str
    in_force: bool

    def row(self) -> dict[str, object]:
        """Return it as a JSON row."""
        return asdict(self)


async def read_stopouts(bus: Bus, users: Sequence[str], now: int, count: int) -> list[StopOutRow]:
    """Read stop-outs at `now` (epoch ms), those in force first, then the `count` latest of each user. Raises BusUnavailable."""
    places = [(user, venue) for user in users for venue in VENUES]
    states = await bus.do_all([("HGETALL", keys.risk(user, venue)) for user, venue in places])
    logs = await bus.do_all([("XREVRANGE", keys.stopouts(user), "+", "-", "COUNT", count) for user in users])
    recorded = [_recorded(user, rows) for user, rows in zip(users, logs, strict=True)]
    past = [line for lines in recorded for line in lines]
    now_stopped = []
    for (user, venue), answer in zip(places, states, strict=True):
        line = _in_force(user, venue, pairs(answer), past, now)
        if line is not None:
            now_stopped.append(line)
    shown = {(line.user, line.venue, line.since) for line in now_stopped}
    return [*now_stopped, *(line for line in past if (line.user, line.venue, line.since) not in shown)]


def _recorded(user: str, rows: object) -> list[StopOutRow]:
    found = []
    for entry in read_entries(keys.stopouts(user), rows if isinstance(rows, list) else []):
        said = entry.fields
        found.append(
            StopOutRow(
                user=user,
                venue=said.get("venue", ""),
                since=instant(said, "at") or entry_ms(entry.id),
                until=instant(said, "until"),
                rules=said.get("rules", ""),
                action=said.get("action", ""),
                reason=said.get("reason", ""),
                in_force=False,
            )
        )
    return found


def _in_force(
    user: str, venue: str, fields: Mapping[str, str], past: Sequence[StopOutRow], now: int
) -> StopOutRow | None:
    """Return the stop-out in force on an account, if any; it began with its latest record that has not ended."""
    if not fields:
        return None
    try:
        state: RiskState = RiskRecord.parse(fields).to_domain()
    except MalformedMessageError as error:
        return StopOutRow(user, venue, None, None, "", "", f"the risk state cannot be read: {error}", in_force=True)
    if not state.stopped(now):
        return None
    own = [line for line in past if (line.user, line.venue) == (user, venue) and (line.until or 0) > now]
    return StopOutRow(
        user=user,
        venue=venue,
        since=max((line.since or 0 for line in own), default=0) or None,
        until=state.stopped_until,
        rules=",".join(state.stopped_by),
        action=state.stopped_action or "",
        reason=state.stopped_reason,
        in_force=True,
    )
