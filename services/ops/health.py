"""`ops health <service>`: exit 0 if the service is healthy, 1 with the reason if not. Health checks run it, so it must stay
cheap.

A service is healthy while one of its processes has a heartbeat whose state is not a failure; the master also needs a ready
account. With `--here` only processes of this host count: a container asks about itself.
"""

from __future__ import annotations

import socket
import sys
from typing import Final

from services.ops.runner import refuse, run_command, run_with_bus
from shared.bus.connection import Bus
from shared.bus.master.master_places import place_label, read_master_places
from shared.bus.state.records import Records
from shared.config.settings import Settings
from shared.domain.account import AccountState
from shared.ledger.live_processes import read_processes

SERVICES: Final = ("master-strategy", "copy-engine", "executor", "api", "notifier")
_USAGE: Final = f"health needs one service of {', '.join(SERVICES)} (and --here for processes of this host only)"


def main() -> None:
    """Run the command from `sys.argv`."""
    asked = [word for word in sys.argv[2:] if word not in {"--here", "--json"}]
    if len(asked) != 1 or asked[0] not in SERVICES:
        refuse(_USAGE)
    run_command(lambda: check(asked[0], here="--here" in sys.argv, as_json="--json" in sys.argv))


def check(service: str, *, here: bool, as_json: bool) -> None:
    """Print whether a service is healthy and exit with 0 or 1."""

    async def work(_settings: Settings, bus: Bus) -> str:
        return await find_problem(bus, service, f"{socket.gethostname()}-" if here else "")

    why = run_with_bus(work)
    if as_json:
        import json  # noqa: PLC0415  # a health check does not need it

        print(json.dumps({"ok": not why, "service": service, "reason": why}))
    else:
        print(f"{service}: {why or 'healthy'}")
    sys.exit(1 if why else 0)


async def find_problem(bus: Bus, service: str, instances: str = "") -> str:
    """Return why a service is not healthy, empty if it is. Only instances whose name starts with `instances` count."""
    records = Records(bus)
    processes = read_processes(await records.heartbeats())
    states = [
        process.state for process in processes if process.service == service and process.instance.startswith(instances)
    ]
    if not states:
        return "no heartbeat"
    if all(state.startswith("failed") for state in states):
        return states[0]
    if service == "master-strategy":
        accounts = await records.accounts(await read_master_places(bus))
        known = [account for account in accounts if account is not None]
        if not any(account.state is AccountState.READY for account in known):
            said = "; ".join(
                f"{place_label(each.user, each.venue)}: {each.state} {each.reason}".rstrip() for each in known
            )
            return f"the master account is not ready ({said or 'it has not been read yet'})"
    return ""
