"""What is left after a run, read with nothing of the product's own readers: Redis as it is, and the exchange's journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import redis

from shared.contracts import keys
from tests.support.stack import Stack

Fields = dict[str, str]
_ENDED: Final = {"filled", "partial", "skipped", "rejected", "expired", "failed"}


@dataclass(frozen=True, slots=True)
class UserEvidence:
    """Everything of one user. Streams as (entry id, fields)."""

    user: str
    decisions: list[tuple[str, Fields]]
    reports: list[tuple[str, Fields]]
    records: dict[str, Fields]
    """Write-ahead records by order id."""
    positions: dict[str, Decimal]
    pending: int
    undelivered: int
    orders: list[dict[str, Any]]
    """The exchange's orders of this user."""
    balances: dict[str, Decimal]
    deposited: dict[str, Decimal]

    @property
    def open_records(self) -> list[str]:
        """Orders whose record has no end."""
        return [order for order, fields in self.records.items() if fields.get("state") not in _ENDED]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything of a run."""

    emitted: Sequence[str]
    """Ids of the signals that the master gave, in order."""
    signals: list[tuple[str, Fields]]
    signals_pending: int
    signals_undelivered: int
    users: list[UserEvidence]
    dead_letters: int
    requests: list[dict[str, Any]]
    logged: Counter[str]
    """What the services' logs say, by kind: see `read_logs`."""
    master_orders: list[dict[str, Any]] | None = None
    """The exchange's orders on the master's account, where the real master tells the signals."""
    fail_overs: int = 0
    """How often Redis lost its last writes. Decisions among them were made twice, and need not be of the same size."""


def read_evidence(
    stack: Stack, client: redis.Redis, emitted: Sequence[str], deposited: dict[str, dict[str, Decimal]]
) -> Evidence:
    """Read everything, once the system is quiet."""
    signals = entries(client, keys.SIGNALS)
    dead = sum(client.xlen(name) for name in client.scan_iter(keys.dead("*")))
    pending, undelivered = backlog(client, keys.SIGNALS, signals)
    return Evidence(
        emitted=emitted,
        signals=signals,
        signals_pending=pending,
        signals_undelivered=undelivered,
        users=[_user(stack, client, user, deposited[user]) for user in stack.users],
        dead_letters=dead,
        requests=list(stack.get("/paper/requests")),
        logged=read_logs(stack.folder),
    )


def entries(client: redis.Redis, stream: str) -> list[tuple[str, Fields]]:
    """Read a whole stream."""
    return cast("list[tuple[str, Fields]]", client.xrange(stream))


def backlog(client: redis.Redis, stream: str, rows: Sequence[tuple[str, Fields]]) -> tuple[int, int]:
    """Count what a stream's group has been given and not acknowledged, and what it was never given."""
    if not rows:
        return 0, 0
    groups = client.xinfo_groups(stream)
    if not groups:
        return 0, len(rows)
    last = _order(str(groups[0]["last-delivered-id"]))
    return int(groups[0]["pending"]), sum(_order(entry) > last for entry, _ in rows)


def idle(client: redis.Redis, stream: str) -> bool:
    """Return whether a stream's group has been given everything and has acknowledged it."""
    groups, facts = client.xinfo_groups(stream), client.xinfo_stream(stream)
    return bool(groups) and not groups[0]["pending"] and groups[0]["last-delivered-id"] == facts["last-generated-id"]


def read_logs(folder: Path) -> Counter[str]:
    """Count what the services logged: exceptions, accounts parked for a nonce and for other reasons, voided turns."""
    found: Counter[str] = Counter()
    for path in sorted(folder.glob("*.log")):
        for line in path.read_text(errors="replace").splitlines():
            if not line.startswith("{"):
                found["unreadable lines"] += bool(line.strip())
                found["tracebacks"] += line.startswith("Traceback")
                continue
            try:
                event = json.loads(line)
            except ValueError:  # cut by a kill
                continue
            found.update(_kinds(event))
    return found


def _kinds(event: dict[str, Any]) -> list[str]:
    kinds = []
    if event.get("exception") or event.get("exc_info"):
        kinds.append("exceptions")
    if "PARKED" in str(event.get("event")):
        nonce = "nonce" in str(event.get("reason")).lower() or "another program" in str(event.get("reason"))
        kinds.append("parked for a nonce" if nonce else "parked")
    return kinds


def _user(stack: Stack, client: redis.Redis, user: str, deposited: dict[str, Decimal]) -> UserEvidence:
    decisions = entries(client, f"shoal:orders:{{{user}}}")
    pending, undelivered = backlog(client, f"shoal:orders:{{{user}}}", decisions)
    prefix = f"shoal:order:{{{user}}}:"
    records = {
        name.removeprefix(prefix): cast("Fields", client.hgetall(name)) for name in client.scan_iter(f"{prefix}*")
    }
    held = cast("Fields", client.hgetall(f"shoal:positions:{{{user}}}:kraken"))
    account = stack.get(f"/paper/accounts/{user}/kraken")
    return UserEvidence(
        user=user,
        decisions=decisions,
        reports=entries(client, f"shoal:reports:{{{user}}}"),
        records=records,
        positions={symbol: Decimal(json.loads(text)["base_size"]) for symbol, text in held.items()},
        pending=pending,
        undelivered=undelivered,
        orders=list(stack.get(f"/paper/orders?user={user}")),
        balances={asset: Decimal(amount) for asset, amount in account["balances"].items()},
        deposited=deposited,
    )


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)
