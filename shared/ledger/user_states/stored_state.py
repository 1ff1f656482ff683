"""The state of each user as the api stores it for commands, so that these need not read thousands of users to count them.

Stored is only what an executor or a file decides. Who serves the user, the switch for everybody and whether a stop-out has passed
are judged when it is read: an old row must never make a user count as ready who is not served or is stopped.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from shared.domain.control import RUNNING, Control, ControlMode
from shared.domain.limits.policy import FileState
from shared.ledger.user_state import UserState, find_entry_stop, state_under
from shared.ledger.user_states.user_status import UserStatus
from shared.ledger.user_states.user_summary import UserSummary


@dataclass(frozen=True, slots=True)
class StoredState:
    """What is stored of one user. `settled`: the state if an executor serves the user and nothing stops entries.

    `stopped_until` in epoch ms. `bad_file`: the user's file cannot be used. `open_issues`: there was an order without a proven
    end, or a position that differs from the balances.
    """

    settled: UserState
    group: str = ""
    control: Control = RUNNING
    stopped_until: int = 0
    stopped_reason: str = ""
    key_notes: tuple[str, ...] = ()
    bad_file: bool = False
    open_issues: bool = False

    @staticmethod
    def of(status: UserStatus, *, open_issues: bool) -> StoredState:
        """Return what is stored of a user who was read."""
        policy, risk = status.policy, status.risk
        return StoredState(
            settled=status.settled,
            group=policy.group,
            control=status.control,
            stopped_until=risk.stopped_until if risk else 0,
            stopped_reason=risk.stopped_reason if risk and risk.stopped_until else "",
            key_notes=status.key_notes,
            bad_file=bool(policy.fault) and policy.file is not FileState.GONE,
            open_issues=open_issues,
        )

    def summary(self, user: str, everybody: Control, now: int, *, served: bool) -> UserSummary:
        """Return the user in short, under the switch for everybody, at `now` (epoch ms)."""
        stop = find_entry_stop(self.control, everybody, self, now)
        note = stop.reason if stop and not stop.everybody else ""
        return UserSummary(user, state_under(self.settled, stop, served=served), self.group, self.key_notes, note)

    def text(self) -> str:
        """Return it as stored: JSON, with what says something only."""
        said: dict[str, Any] = {"state": self.settled, "group": self.group, "until": self.stopped_until}
        said |= {"why": self.stopped_reason, "keys": self.key_notes, "bad": self.bad_file, "open": self.open_issues}
        if (control := self.control) != RUNNING:
            said["switch"] = [control.mode, control.reason, control.by, control.at]
        return json.dumps({name: value for name, value in said.items() if value}, separators=(",", ":"))

    @staticmethod
    def read(text: str) -> StoredState:
        """Parse what is stored. Raises ValueError if it cannot be read."""
        try:
            said: dict[str, Any] = json.loads(text)
            switch = said.get("switch")
            return StoredState(
                settled=UserState(said["state"]),
                group=str(said.get("group", "")),
                control=RUNNING if switch is None else Control(ControlMode(switch[0]), *switch[1:]),
                stopped_until=int(said.get("until", 0)),
                stopped_reason=str(said.get("why", "")),
                key_notes=tuple(map(str, said.get("keys", ()))),
                bad_file=bool(said.get("bad")),
                open_issues=bool(said.get("open")),
            )
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise ValueError(f"a stored state cannot be read: {error!r}") from None
