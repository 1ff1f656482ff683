"""`ops user set`: change settings of a user, as the page does: shown first, checked as services check them, with a history."""

from __future__ import annotations

from typing import Annotated

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, print_json
from services.ops.runner import run_with_bus
from services.ops.switches.lift import desk_of
from services.ops.user.names import Who
from shared.bus.connection import Bus
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.operations.desk import Done, Preview
from shared.operations.request import Action, ActionRequest

Changes = Annotated[
    list[str],
    typer.Argument(metavar="KEY=VALUE...", help="Such as limits.max_order_pct=25; without a value: as if never set."),
]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the change.")]


def set_settings(user: Who, changes: Changes, reason: Reason, yes: Yes = False, as_json: AsJson = False) -> None:
    """Change settings of a user: services take them over in about two seconds. Comments and other settings stay."""
    request = ActionRequest(action=Action.SETTINGS, user=user, changes=tuple(map(_pair, changes)))

    async def look(settings: Settings, bus: Bus) -> Preview:
        return await desk_of(settings, bus).preview(request, operator_name())

    async def work(settings: Settings, bus: Bus) -> Done:
        return await desk_of(settings, bus).confirm(request, preview.token, operator_name(), reason)

    preview = run_with_bus(look)
    shown = preview.consequence
    if not as_json:
        print("\n".join((shown.text, *shown.details, *shown.notes)))
    confirm("Do it?", yes=yes)
    done = run_with_bus(work)
    if as_json:
        print_json({"user": user, "action": Action.SETTINGS.value, "reason": reason, "effect": done.text})
    else:
        print(f"done: {done.text}")


def _pair(given: str) -> tuple[str, str]:
    key, sign, value = given.partition("=")
    if not sign:
        raise ConfigurationError(f"{given}: write KEY=VALUE, such as limits.max_order_pct=25")
    return key.strip(), value
