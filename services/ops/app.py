"""The root of the command line: every command by name, and one way to report failures.

A command's module is imported when that command is run: people and scripts run these commands one by one, and most of the time of
a process would go into importing the others.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final

import typer

from services.ops.output import AsJson
from services.ops.runner import run_command
from shared.domain.control import ControlMode

COMMANDS: Final = {
    "status": "system.status",
    "positions": "money.positions",
    "pnl": "money.pnl",
    "orders": "orders.orders",
    "watch": "money.watch",
    "audit": "checks.audit",
    "preflight": "checks.preflight",
    "doctor": "checks.doctor",
    "why": "orders.why",
    "streams": "system.streams",
    "stopouts": "switches.stopouts",
    "stages": "system.stages",
    "drift": "checks.drift",
    "master": "system.master",
    "track": "money.track",
    "statement": "money.statement",
    "backtest": "backtest.command",
    "what-if": "orders.what_if",
    "unknown": "orders.unknown",
    "resting": "orders.resting",
    "resolve": "orders.resolve",
    "reconcile": "checks.reconcile",
    "rebuild": "checks.rebuild",
    "reload": "system.reload",
    "pause": "switches.control",
    "close-only": "switches.control",
    "halt": "switches.control",
    "flatten": "switches.flatten",
    "resume": "switches.control",
    "lift": "switches.lift",
    "control": "switches.control",
    "log": "switches.log",
    "dead": "orders.dead",
    "notify": "system.notify",
    "user": "user.app",
    "passwd": "access.passwd",
    "link": "access.link",
    "token": "access.token",
    "paper-accounts": "system.paper_accounts",
    "redis-users": "access.redis_users",
    "acl": "access.acl",
    "seal": "sealing.app",
    "health": "health",
}
"""The module of each command, in the order of the help text."""


def main() -> None:
    """Run the command that is named first in the arguments."""
    run_command(build(sys.argv[1] if len(sys.argv) > 1 else ""))


def build(asked_for: str = "") -> typer.Typer:
    """Build the command line: the command `asked_for`, or all of them if there is none of that name."""
    app = typer.Typer(
        name="ops",
        help="Inspect and control a running Shoal. Every command takes --json.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(lambda: None)  # so that one command keeps its name
    for name in [asked_for] if asked_for in COMMANDS else COMMANDS:
        _add(app, name)
    return app


def _add(app: typer.Typer, name: str) -> None:
    module = import_module(f"services.ops.{COMMANDS[name]}")
    match name:
        case "pause":
            app.command(name)(module.command(ControlMode.PAUSE, "Stop entries; exits go on."))
        case "halt":
            app.command(name)(module.command(ControlMode.HALT, "Stop everything, exits included."))
        case "dead" | "user" | "seal":
            app.add_typer(module.build(), name=name)
        case "health":
            app.command(name)(_health)
        case _:
            app.command(name)(getattr(module, name.replace("-", "_")))


def _health(service: str, here: bool = False, as_json: AsJson = False) -> None:
    """Exit 0 if a service is healthy (for health checks); --here counts processes of this host only."""
    import_module("services.ops.health").check(service, here=here, as_json=as_json)
