"""Changing a user's settings, in a file or in Redis: checked as services check them, and explained before they are written."""

from __future__ import annotations

import asyncio
import difflib
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from shared.bus.users.user_settings import Author, SettingsVersion
from shared.config.users.changes import differences, settings_of
from shared.domain.limits.policy import OnLeave, UserPolicy
from shared.domain.limits.protection import due
from shared.domain.position import Position
from shared.domain.values.money import Price
from shared.operations.actions.port import Ground
from shared.operations.consequence import Consequence, digest_of
from shared.operations.control_log import Change, write_change
from shared.operations.errors import ActionRefused, UnknownTarget
from shared.operations.holdings import count, read_held, read_market, value_positions
from shared.operations.request import ActionRequest
from shared.operations.settings.toml_edit import NotEditableError, edit_toml
from shared.operations.settings.user_store import judge, usable
from shared.operations.settings.values import to_toml
from shared.operations.settings.words import describe_change
from shared.operations.switches import Scope

_MOST_LINES: Final = 80
_EXITS: Final = "exits."


@dataclass(frozen=True, slots=True)
class _Edit:
    before: SettingsVersion
    after: str
    old: UserPolicy | None
    new: UserPolicy


class SettingsEdit:
    """The action `settings`."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._lock = asyncio.Lock()

    async def foresee(self, request: ActionRequest) -> Consequence:
        """Return what the change means, and the lines that differ. Raises ActionRefused, BusUnavailable."""
        edit = await self._edit(request)
        changed = differences(edit.old, edit.new) if edit.old else ()
        words = [describe_change(each) for each in changed]
        lines = difflib.unified_diff(
            edit.before.text.splitlines(), edit.after.splitlines(), "before", "after", lineterm="", n=1
        )
        details = (*words, *list(lines)[:_MOST_LINES])
        if edit.old is None:
            text = f"repairs the settings of {request.user}, which could not be used until now"
        else:
            text = f"changes {count(len(changed), 'setting')} of {request.user}: {'; '.join(words)}"
        sale, figures, positions = await self._sale(request.user, edit)
        notes = ["services read it within seconds; the former text is kept"]
        if any(each.key.startswith(_EXITS) for each in changed):
            notes.insert(0, "a position that is beyond the new exit already is sold at the next look, within a second")
        facts = [digest_of(edit.before.text), digest_of(edit.after), positions]
        return Consequence(request.user, text + sale, details, tuple(notes), figures, facts)

    async def perform(self, request: ActionRequest, change: Change) -> str:
        """Write the settings. Raises ActionRefused if they cannot be written, or have changed."""
        async with self._lock:
            edit = await self._edit(request)
            author = Author(change.by, change.at, change.reason)
            former = await self._ground.store.write(request.user, edit.after, author, over=edit.before)
        changed = differences(edit.old, edit.new) if edit.old else ()
        before = "; ".join(f"{each.key} = {each.old}" for each in changed)
        await write_change(self._ground.bus, replace(change, before=before))
        return f"{change.effect} ({former})"

    async def _sale(self, user: str, edit: _Edit) -> tuple[str, dict[str, Decimal], list[str]]:
        """Return what executors sell at once by the new settings and not by the old ones, in words, figures and facts."""
        leaves, left = _leaves(edit.new), edit.old is not None and _leaves(edit.old)
        if (leaves and left) or (not leaves and edit.old is not None and edit.old.exits == edit.new.exits):
            return "", {}, []
        held = await read_held(self._ground.bus, Scope(user), {})
        prices, now = await read_market(self._ground.bus, held.positions), self._ground.clock()
        sold = {
            place: position
            for place, position in held.positions.items()
            if leaves or _newly_due(position, prices.get(place[1:]), now, edit)
        }
        if not sold:
            return "; nothing that is held is sold now", {}, []
        worth = await value_positions(self._ground.bus, sold)
        figures = {f"value {name}": each for name, each in worth.by_currency.items()}
        figures["positions"] = Decimal(len(sold))
        places = sorted(f"{venue} {symbol}" for _, venue, symbol in sold)
        return f"; sells {count(len(places), 'position')}, about {worth} at market", figures, places

    async def _edit(self, request: ActionRequest) -> _Edit:
        """Return the text as it is and as it would be. Raises ActionRefused for what the loader would refuse."""
        user, config = request.user, self._ground.config
        before = await self._ground.store.read(user)
        if before is None:
            raise UnknownTarget(f"there is no user {user[:40]!r}")
        found = judge(config, before)
        old = found if isinstance(found, UserPolicy) else None
        changes = self._changes(request, old)
        try:
            after = edit_toml(before.text, changes)
        except NotEditableError as error:
            raise ActionRefused(f"{user}: {error}") from None
        new = usable(config, user, after)
        if old is not None and not differences(old, new):
            raise ActionRefused(f"nothing of {user}'s settings would change")
        return _Edit(before, after, old, new)

    def _changes(self, request: ActionRequest, old: UserPolicy | None) -> dict[str, str | None]:
        """Return the settings to write; those that a form repeats as they are stay untouched."""
        if not request.changes:
            raise ActionRefused("name at least one setting, such as limits.max_order_pct=25")
        present = settings_of(old) if old else {}
        wanted: dict[str, str | None] = {}
        for key, typed in request.changes:
            literal = to_toml(key, typed)
            if key in wanted:
                raise ActionRefused(f"{key} is given twice")
            if typed.strip() != present.get(key):
                wanted[key] = literal
        return wanted


def _leaves(policy: UserPolicy) -> bool:
    return not policy.enabled and policy.on_leave is OnLeave.CLOSE_NOW


def _newly_due(position: Position, price: Price | None, now: int, edit: _Edit) -> bool:
    """Return whether the new exits close a position at once that the old ones keep."""
    if due(position, price, now, edit.new.exits) is None:
        return False
    return edit.old is None or due(position, price, now, edit.old.exits) is None
