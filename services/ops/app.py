"""The root of the command line: every command by name, and one way to report failures.

A command's module is imported when that command is run: people and scripts run these commands one by one, and most of the time of
a process would go into importing the other twenty.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Final

import typer

from services.ops.output import AsJson
from services.ops.runner import run_command
from shared.domain.control import ControlMode

COMMANDS: Final = (
    "status",
    "positions",
    "pnl",
    "orders",
    "watch",
    "audit",
    "preflight",
    "doctor",
    "why",
    "streams",
    "stopouts",
    "stages",
    "drift",
    "master",
    "track",
    "statement",
    "backtest",
    "unknown",
    "resting",
    "resolve",
    "reconcile",
    "rebuild",
    "reload",
    "pause",
    "close-only",
    "halt",
    "flatten",
    "resume",
    "lift",
    "control",
    "log",
    "dead",
    "notify",
    "user",
    "passwd",
    "link",
    "token",
    "paper-accounts",
    "redis-users",
    "health",
)
"""In the order of the help text. Each stands in the module of its name, unless `_add` says otherwise."""


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
    function = name.replace("-", "_")
    match name:
        case "pause":
            app.command(name)(_module("control").command(ControlMode.PAUSE, "Stop entries; exits go on."))
        case "halt":
            app.command(name)(_module("control").command(ControlMode.HALT, "Stop everything, exits included."))
        case "close-only" | "resume":
            app.command(name)(getattr(_module("control"), function))
        case "dead":
            app.add_typer(_module(name).build(), name=name)
        case "user":
            app.add_typer(_module("user.app").build(), name=name)
        case "backtest":
            app.command(name)(_module("backtest.command").backtest)
        case "health":
            app.command(name)(_health)
        case _:
            app.command(name)(getattr(_module(function), function))


def _module(name: str) -> ModuleType:
    return import_module(f"services.ops.{name}")


def _health(service: str, here: bool = False, as_json: AsJson = False) -> None:
    """Exit 0 if a service is healthy (for health checks); --here counts processes of this host only."""
    _module("health").check(service, here=here, as_json=as_json)
