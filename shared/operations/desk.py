"""Foresees actions and carries out confirmed ones: each confirmation once, only if what was shown still holds, and on record.

Who may do what is decided before this, by roles. Nothing here trades: executors act on what is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from shared.operations.actions.dead_letter import DeadLetterActions
from shared.operations.actions.port import Ground, Operation
from shared.operations.actions.reloading import Reloading
from shared.operations.actions.settings_edit import SettingsEdit
from shared.operations.actions.stop_out import StopOutLift
from shared.operations.actions.switching import MODES, Switching
from shared.operations.actions.verdict import Verdicts
from shared.operations.confirmation import LASTS_MS, Confirmations, Shown, read_token, show
from shared.operations.consequence import Consequence
from shared.operations.control_log import Change
from shared.operations.errors import (
    ActionRefused,
    BadConfirmation,
    ConfirmationPending,
    ConsequenceChanged,
)
from shared.operations.request import Action, ActionRequest

_PATIENCE: Final = 5.0
"""Seconds that a repeated request waits for the first one's end."""
_POLL: Final = 0.05
_LONGEST_REASON: Final = 300
_NEEDS_NO_REASON: Final = frozenset({Action.RESUME, Action.RELOAD})
_CLOCK_TOLERANCE_MS: Final = 60_000

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Preview:
    """A consequence, and the token that confirms it."""

    consequence: Consequence
    token: str


@dataclass(frozen=True, slots=True)
class Done:
    """What was done. `repeated`: by an earlier request with the same confirmation, not by this one."""

    action: Action
    of: str
    text: str
    by: str
    at: int
    reason: str
    repeated: bool = False


class ActionDesk:
    """The actions of one process. `by` is the name of the person, as it will be in the control log."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._confirmations = Confirmations(ground.bus)
        self._switching = Switching(ground)
        letters = DeadLetterActions(ground)
        self._operations: Mapping[Action, Operation] = {
            **dict.fromkeys(MODES, self._switching),
            Action.LIFT: StopOutLift(ground),
            Action.RETRY: letters,
            Action.DROP: letters,
            Action.RESOLVE: Verdicts(ground),
            Action.RELOAD: Reloading(ground),
            Action.SETTINGS: SettingsEdit(ground),
        }

    async def preview(self, request: ActionRequest, by: str) -> Preview:
        """Return what an action would do now, with the token that confirms it. Raises ActionRefused, BusUnavailable."""
        consequence = await self._operations[request.action].foresee(request)
        return Preview(consequence, show(consequence, request.target(by), self._ground.clock()))

    async def confirm(self, request: ActionRequest, token: str, by: str, reason: str) -> Done:
        """Do what a token confirms, once. Raises ActionRefused (ConsequenceChanged with what it would do now), BusUnavailable.

        After BusUnavailable it may have been done: the same confirmation says so, and never does it again.
        """
        shown, why = read_token(token), _reason(request.action, reason)
        if shown.target != request.target(by):
            raise BadConfirmation("this confirmation belongs to another action, to other values or to another person")
        if earlier := await self._confirmations.find(shown):
            return await self._repeated(request, shown, earlier)
        preview = await self.preview(request, by)
        self._check(shown, preview)
        if not await self._confirmations.begin(shown):
            return await self._repeated(request, shown, {})
        now = self._ground.clock()
        text = preview.consequence.text
        change = Change(
            preview.consequence.of, "", _mode(request.action), why, by, now, request.action, text, confirmation=shown.id
        )
        try:
            done = await self._operations[request.action].perform(request, change)
        except ActionRefused:
            await self._confirmations.give_back(shown)
            raise
        result = Done(request.action, change.of, done, by, now, why)
        await self._confirmations.end(shown, {"of": result.of, "text": done, "by": by, "at": str(now), "reason": why})
        log.warning("done by a person", action=request.action, of=change.of, effect=done, by=by, reason=why)
        return result

    async def loosens(self, request: ActionRequest, by: str) -> str:
        """Return why an action would loosen, or take over, what another set on a user; empty if not. Raises BusUnavailable."""
        present = await self._switching.loosens(request, by)
        return f"{present.mode} is set by {present.by or 'an operator'}" if present else ""

    def _check(self, shown: Shown, preview: Preview) -> None:
        """Raise ConsequenceChanged unless what was shown still holds."""
        age = self._ground.clock() - shown.at
        if not -_CLOCK_TOLERANCE_MS <= age <= LASTS_MS:
            raise ConsequenceChanged(
                "too much time has passed since this was shown", preview.consequence, preview.token
            )
        if shown.facts != preview.consequence.digest or not preview.consequence.is_near(shown.figures):
            raise ConsequenceChanged(
                "what it would do has changed since it was shown", preview.consequence, preview.token
            )

    async def _repeated(self, request: ActionRequest, shown: Shown, found: Mapping[str, str]) -> Done:
        """Return the result of the request that used this confirmation first, once it has one."""
        end = asyncio.get_running_loop().time() + _PATIENCE
        while "text" not in found:
            if asyncio.get_running_loop().time() > end:
                raise ConfirmationPending(
                    "this confirmation was used, and its end is not known: see the control log before you ask again"
                )
            await asyncio.sleep(_POLL)
            found = await self._confirmations.find(shown) or {}
        if found.get("target") != shown.target:
            raise BadConfirmation("this confirmation was used for another action")
        return Done(
            request.action, found["of"], found["text"], found["by"], int(found["at"]), found["reason"], repeated=True
        )


def _mode(action: Action) -> str:
    return str(MODES.get(action, action))


def _reason(action: Action, typed: str) -> str:
    """Return the reason as it is kept. Raises ActionRefused if there is none where one is needed."""
    text = " ".join(typed.split())
    if not text and action not in _NEEDS_NO_REASON:
        raise ActionRefused("a reason is needed: it is shown wherever this stops or changes something")
    if len(text) > _LONGEST_REASON or not text.isprintable():
        raise ActionRefused(f"the reason must be plain text of at most {_LONGEST_REASON} characters")
    return text
