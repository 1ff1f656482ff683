"""What is left after a run, read with nothing of the product's own readers: Redis as it is, and the exchange's journal."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import redis

from shared.contracts import keys
from tests.support.stack import Stack

Fields = dict[str, str]
Balances = Mapping[str, Decimal]
_ENDED: Final = {"filled", "partial", "skipped", "rejected", "expired", "failed"}


@dataclass(frozen=True, slots=True)
class AccountEvidence:
    """One user's account at one venue."""

    venue: str
    positions: dict[str, Decimal]
    """What Shoal says is held from copying."""
    orders: list[dict[str, Any]]
    """The exchange's orders of this account."""
    balances: dict[str, Decimal]
    deposited: Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class UserEvidence:
    """Everything of one user. Streams as (entry id, fields)."""

    user: str
    decisions: list[tuple[str, Fields]]
    reports: list[tuple[str, Fields]]
    records: dict[str, Fields]
    """Write-ahead records by order id."""
    pending: int
    undelivered: int
    accounts: list[AccountEvidence]

    @property
    def orders(self) -> list[dict[str, Any]]:
        """The exchange's orders of this user, at all venues."""
        return [row for account in self.accounts for row in account.orders]

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
    copies: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By user: at which venue each master's signals are copied. Of a user who is not in it: at the master's own."""
    fail_overs: int = 0
    """How often Redis lost its last writes. Decisions among them were made twice, and need not be of the same size."""

    def copied_at(self, user: str, signal: Fields) -> str | None:
        """Return the venue where a user copies the master of a signal, who is named after its own; None if nowhere."""
        master = signal["venue"]
        return self.copies[user].get(master) if user in self.copies else master


def read_evidence(
    stack: Stack, client: redis.Redis, emitted: Sequence[str], deposited: Mapping[str, Mapping[str, Balances]]
) -> Evidence:
    """Read everything, once the system is quiet. `deposited` by user and venue."""
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


def _user(stack: Stack, client: redis.Redis, user: str, deposited: Mapping[str, Balances]) -> UserEvidence:
    decisions = entries(client, f"shoal:orders:{{{user}}}")
    pending, undelivered = backlog(client, f"shoal:orders:{{{user}}}", decisions)
    prefix = f"shoal:order:{{{user}}}:"
    records = {
        name.removeprefix(prefix): cast("Fields", client.hgetall(name)) for name in client.scan_iter(f"{prefix}*")
    }
    return UserEvidence(
        user=user,
        decisions=decisions,
        reports=entries(client, f"shoal:reports:{{{user}}}"),
        records=records,
        pending=pending,
        undelivered=undelivered,
        accounts=[_account(stack, client, user, venue, funds) for venue, funds in deposited.items()],
    )


def _account(stack: Stack, client: redis.Redis, user: str, venue: str, deposited: Balances) -> AccountEvidence:
    held = cast("Fields", client.hgetall(f"shoal:positions:{{{user}}}:{venue}"))
    found = stack.get(f"/paper/accounts/{user}/{venue}")
    return AccountEvidence(
        venue=venue,
        positions={symbol: Decimal(json.loads(text)["base_size"]) for symbol, text in held.items()},
        orders=stack.venue_orders(user, venue),
        balances={asset: Decimal(amount) for asset, amount in found["balances"].items()},
        deposited=deposited,
    )


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, sequence = entry_id.partition("-")
    return int(ms), int(sequence or 0)
