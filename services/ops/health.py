"""`ops health <service>`: exit 0 if the service is well, 1 with the reason if not. Made for health checks, so it must stay cheap.

A service is well while one of its processes gives signs of life whose state is no failure; the master only once its account is
ready. With `--here` only processes of this host count, which is what a container asks about itself.
"""

from __future__ import annotations

import socket
import sys
from typing import Final

from services.ops.runner import refuse, run_command, run_with_bus
from shared.bus.connection import Bus
from shared.bus.records import Records
from shared.config.settings import Settings
from shared.domain.account import MASTER, AccountState
from shared.ledger.status import VENUES, read_processes

SERVICES: Final = ("master-strategy", "copy-engine", "executor", "api")
_USAGE: Final = f"health needs one service of {', '.join(SERVICES)} (and --here for processes of this host only)"


def main() -> None:
    """Run the command from `sys.argv`."""
    asked = [word for word in sys.argv[2:] if word not in {"--here", "--json"}]
    if len(asked) != 1 or asked[0] not in SERVICES:
        refuse(_USAGE)
    run_command(lambda: check(asked[0], here="--here" in sys.argv, as_json="--json" in sys.argv))


def check(service: str, *, here: bool, as_json: bool) -> None:
    """Say whether a service is well and end with 0 or 1."""

    async def work(_settings: Settings, bus: Bus) -> str:
        return await find_problem(bus, service, f"{socket.gethostname()}-" if here else "")

    why = run_with_bus(work)
    if as_json:
        import json  # noqa: PLC0415  # of no use to a health check

        print(json.dumps({"ok": not why, "service": service, "reason": why}))
    else:
        print(f"{service}: {why or 'well'}")
    sys.exit(1 if why else 0)


async def find_problem(bus: Bus, service: str, instances: str = "") -> str:
    """Say why a service is not well, an empty text if it is; only instances whose name begins with `instances` count."""
    records = Records(bus)
    signs = read_processes(await records.heartbeats())
    states = [sign.state for sign in signs if sign.service == service and sign.instance.startswith(instances)]
    if not states:
        return "gives no sign of life"
    if all(state.startswith("failed") for state in states):
        return states[0]
    if service == "master-strategy":
        accounts = await records.accounts([(MASTER, venue) for venue in VENUES])
        known = [account for account in accounts if account is not None]
        if not any(account.state is AccountState.READY for account in known):
            said = "; ".join(f"{each.venue}: {each.state} {each.reason}".rstrip() for each in known)
            return f"the master account is not ready ({said or 'nothing is known of it'})"
    return ""
