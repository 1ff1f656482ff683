"""`ops stages`: where each user stands on the canary ladder, what was counted, and the steps that were made."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import read_policies, require_known
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.ledger.stages.rows import StageRow, StageStep, read_stages, read_steps

_COLUMNS: Final = ["user", "stage", "max", "clean", "tracking", "faults", "since (UTC)"]
_STEPS: Final = ["when (UTC)", "user", "from", "to", "by", "why"]

User = Annotated[str, typer.Option("--user", help="Only this user; else all whose entries a stage may reduce.")]
Count = Annotated[int, typer.Option("--count", min=1, max=1_000, help="How many recent steps to show per user.")]


def stages(user: User = "", count: Count = 20, as_json: AsJson = False) -> None:
    """Show each user's stage (paper, shadow, 0.05, 0.25, 1), what was counted there, and past steps."""

    async def work(settings: Settings, bus: Bus) -> tuple[list[StageRow], list[StageStep]]:
        policies = await read_policies(settings, bus)
        if user:
            require_known(user, policies)
        reduced = sorted(name for name, policy in policies.items() if policy.stage.restricts)
        names = [user] if user else reduced
        found = await read_stages(bus, [policies[name] for name in names])
        return list(found.values()), await read_steps(bus, names, count)

    rows, steps = run_with_bus(work)
    if as_json:
        print_json({"stages": [each.row() for each in rows], "steps": [each.row() for each in steps]})
        return
    out = console()
    out.print(
        table(
            "Stages", _COLUMNS, [_cells(each) for each in rows], empty="no user has a stage below 1, or one that moves"
        )
    )
    for each in rows:
        if said := [*each.standing, *([each.held_back] if each.held_back else [])]:
            out.print(f"  {each.user}: {'; '.join(said)}", markup=False)
    cells = [(clock(each.at), each.user, each.before, each.after, each.by, each.reason) for each in steps]
    out.print(table("Steps", _STEPS, cells, empty="no stage was ever changed"))


def _cells(each: StageRow) -> tuple[str, ...]:
    if not each.auto:
        return each.user, each.stage, "-", "-", "-", "-", "fixed by the file"
    tracking = "-" if each.tracking_bps is None else f"{each.tracking_bps} bps"
    return each.user, each.stage, each.max, f"{each.clean}/{each.trades}", tracking, str(each.faults), clock(each.since)
