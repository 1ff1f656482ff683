"""The root of the command line: every command by name, and one way to report failures."""

from __future__ import annotations

import typer

from services.ops import control, dead, health, user
from services.ops.audit import audit
from services.ops.drift import drift
from services.ops.flatten import flatten
from services.ops.master import master
from services.ops.output import AsJson
from services.ops.paper_accounts import paper_accounts
from services.ops.preflight import preflight
from services.ops.rebuild import rebuild
from services.ops.reconcile import reconcile
from services.ops.redis_users import redis_users
from services.ops.reload import reload
from services.ops.resolve import resolve
from services.ops.runner import run_command
from services.ops.status import status
from services.ops.stopouts import stopouts
from services.ops.streams import streams
from services.ops.track import track
from services.ops.unknown import unknown
from services.ops.why import why
from shared.domain.control import ControlMode


def main() -> None:
    """Run the command line."""
    run_command(build())


def build() -> typer.Typer:
    """Build the command line."""
    app = typer.Typer(
        name="ops",
        help="Inspect and control a running Shoal. Every command takes --json.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.command()(status)
    app.command()(audit)
    app.command()(preflight)
    app.command()(why)
    app.command()(streams)
    app.command()(stopouts)
    app.command()(drift)
    app.command()(master)
    app.command()(track)
    app.command()(unknown)
    app.command()(resolve)
    app.command()(reconcile)
    app.command()(rebuild)
    app.command()(reload)
    app.command("pause")(control.command(ControlMode.PAUSE, "Stop entries; exits go on."))
    app.command("close-only")(control.close_only)
    app.command("halt")(control.command(ControlMode.HALT, "Stop everything, exits included."))
    app.command()(flatten)
    app.command("resume")(control.resume)
    app.command("control")(control.control)
    app.add_typer(dead.build(), name="dead")
    app.add_typer(user.build(), name="user")
    app.command()(paper_accounts)
    app.command()(redis_users)
    app.command("health")(_health)
    return app


def _health(service: str, here: bool = False, as_json: AsJson = False) -> None:
    """Exit 0 if a service is healthy (for health checks); --here counts processes of this host only."""
    health.check(service, here=here, as_json=as_json)
