"""`ops lift`: end a stop-out before its time. The executor that serves the user does it at its next look."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from services.ops.operator import Yes, confirm, operator_name
from services.ops.output import AsJson, print_json
from services.ops.runner import refuse, run_with_bus
from services.ops.switches.control import Reason
from services.ops.users import read_policies_if_possible, select_users
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.domain.limits.policy import UserPolicy
from shared.operations.actions.port import Ground
from shared.operations.desk import ActionDesk, Done, Preview
from shared.operations.errors import ActionRefused
from shared.operations.request import Action, ActionRequest

User = Annotated[str, typer.Option("--user", help="Whose stop-out ends.")]
Venue = Annotated[str, typer.Option("--venue", help="Only on this account; all of the user's if not given.")]


def lift(reason: Reason, user: User, venue: Venue = "", yes: Yes = False, as_json: AsJson = False) -> None:
    """End a user's stop-out now: entries go on, and losses are counted from now on."""
    request = ActionRequest(action=Action.LIFT, user=user, venue=venue)

    async def look(settings: Settings, bus: Bus) -> Preview:
        return await desk_of(settings, bus).preview(request, operator_name())

    async def work(settings: Settings, bus: Bus) -> Done:
        return await desk_of(settings, bus).confirm(request, preview.token, operator_name(), reason)

    try:
        preview = run_with_bus(look)
        if not as_json:
            print("\n".join((preview.consequence.text, *preview.consequence.details, *preview.consequence.notes)))
        confirm("Do it?", yes=yes)
        done = run_with_bus(work)
    except ActionRefused as error:
        refuse(str(error))
    if as_json:
        print_json({"user": user, "action": Action.LIFT.value, "reason": reason, "effect": done.text})
    else:
        print("done: the executor ends it at its next look, within seconds")


def desk_of(settings: Settings, bus: Bus) -> ActionDesk:
    """Return the desk of a command: what the page does, by the same checks."""

    async def users() -> dict[str, UserPolicy | None]:
        policies = await read_policies_if_possible(settings, bus)
        return {name: policies.get(name) for name in await select_users(settings, bus, "")}

    ground = Ground(
        bus, settings.shoal_config, users, lambda: time.time_ns() // 1_000_000, settings.shoal_config_source
    )
    return ActionDesk(ground)
