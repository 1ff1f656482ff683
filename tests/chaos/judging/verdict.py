"""What a run came to: the figures, the table for people, the JSON line for machines, and whether it passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.chaos.judging.conservation import Findings, check
from tests.chaos.judging.evidence import Evidence
from tests.chaos.judging.nonces import NonceFigures, count_nonces
from tests.chaos.judging.sends import SendFigures, judge_sends
from tests.chaos.run import Run

_SHOWN: Final = 20
_LONG: Final = 100
"""Signals of a run in which every kind of trouble must have come up."""
_AUDITED: Final = ("missing", "duplicates", "disagreements", "dead_letters", "open")


@dataclass(frozen=True, slots=True)
class ChaosResult:
    """A judged run."""

    figures: dict[str, Any]
    breaches: list[str]

    @property
    def ok(self) -> bool:
        """Nothing broke, and enough was tried."""
        return bool(self.figures["ok"])


def judge(run: Run, *, quiet: bool, began: float, ended: float, tame: bool = False) -> ChaosResult:
    """Gather the evidence and judge it, by the check of our own and by the product's audit; a `tame` run may do little harm."""
    evidence = run.evidence()
    found = check(evidence)
    nonces = count_nonces(evidence)
    persons = {person.api_key for person in run.persons.values()}
    sends = judge_sends([row for row in evidence.requests if row["api_key"] not in persons])
    audit = run.audit()
    breaches = [*found.all, *_of_nonces(nonces), *sends.altered, *_of_audit(audit)]
    orders_at = _orders_at(evidence)
    if not tame:
        breaches += _tameness(run, orders_at, sends)
    if not quiet:
        breaches.append("the system did not come to rest")
    if evidence.logged["exceptions"]:
        breaches.append(f"{evidence.logged['exceptions']} exceptions in the logs")
    if evidence.logged["tracebacks"]:
        breaches.append(f"{evidence.logged['tracebacks']} processes ended with a traceback")
    given_up = [each for person in run.persons.values() for each in person.given_up]
    breaches += [f"the person could not place {each} on the master's account" for each in given_up]
    figures = {
        "ok": not breaches,
        "seed": run.script.seed,
        "signals": len(evidence.signals),
        "users": len(evidence.users),
        "accounts": sum(len(user.accounts) for user in evidence.users),
        **_conserved(found),
        "invalid_nonces": nonces.visible,
        "nonces_fenced": nonces.fenced,
        "nonces_repeated": nonces.repeated,
        "nonces_injected": nonces.injected,
        "orders_at": orders_at,
        "replays": sends.replays,
        "altered_replays": len(sends.altered),
        "kills": run.fleet.kills + run.fleet.step_deaths + run.redis_kills,
        "service_kills": run.fleet.kills,
        "deaths_at_a_step": run.fleet.step_deaths,
        "redis_kills": run.redis_kills,
        "fail_overs": run.fail_overs,
        "slot_moves": run.slot_moves,
        "stops": run.fleet.stops,
        "respawns": run.fleet.respawns,
        "faults": run.faults.total(),
        "faults_at": dict(sorted(run.faults_at.items())),
        "faults_by_kind": dict(sorted(run.faults.items())),
        "redeliveries": run.redeliveries,
        "clock_steps": run.fleet.clock_steps,
        "refusals_of_redis": run.refusals.count,
        "damaged_files": run.files.count,
        "parked": evidence.logged["parked"],
        "requests": len(evidence.requests),
        "audit": {name: audit.get(name) for name in ("ok", *_AUDITED, "invalid_nonces")},
        "seconds": round(ended - began),
        "breaches": breaches[:_SHOWN],
    }
    return ChaosResult(figures, breaches)


def show(verdict: ChaosResult, console: Console) -> None:
    """Print the table."""
    table = Table(title="Chaos", title_justify="left", title_style="bold", show_header=False, box=None, pad_edge=False)
    for name, value in verdict.figures.items():
        if not isinstance(value, (dict, list)):
            table.add_row(name.replace("_", " "), str(value))
    for name in ("outcomes", "orders_at", "faults_at", "faults_by_kind", "audit"):
        for kind, count in verdict.figures[name].items():
            table.add_row(f"{name.replace('_', ' ')}: {kind}", str(count))
    console.print(table)
    for breach in verdict.breaches[:_SHOWN]:
        console.print(breach, markup=False, style="red")
    if len(verdict.breaches) > _SHOWN:
        console.print(f"... and {len(verdict.breaches) - _SHOWN} more", style="red")
    console.print("[bold green]PASSED[/]" if verdict.ok else "[bold red]FAILED[/]")


def _conserved(found: Findings) -> dict[str, Any]:
    return {
        "decisions": found.decisions,
        "orders": found.orders,
        "outcomes": dict(sorted(found.outcomes.items())),
        "duplicates": len(found.duplicates),
        "missing": len(found.missing),
        "undecided": len(found.undecided),
        "disagreements": len(found.disagreements),
        "unfinished": len(found.unfinished),
    }


def _of_nonces(nonces: NonceFigures) -> list[str]:
    found = []
    if nonces.visible:
        found.append(f"{nonces.visible} invalid nonces became visible to users")
    if nonces.unexplained:
        found.append(f"{nonces.unexplained} nonces refused that were above all before them")
    return found


def _of_audit(audit: dict[str, Any]) -> list[str]:
    """Take the audit's word on all but nonces: it cannot tell a fenced request from a wrong one."""
    if "error" in audit:
        return [f"ops audit failed: {audit['error']}"]
    return [f"ops audit: {audit[name]} {name}" for name in _AUDITED if audit.get(name)]


def _orders_at(evidence: Evidence) -> dict[str, int]:
    """Count the orders at each venue where somebody has an account."""
    found: Counter[str] = Counter()
    for user in evidence.users:
        for account in user.accounts:
            found[account.venue] += len(account.orders)
    return dict(sorted(found.items()))


def _tameness(run: Run, orders_at: Mapping[str, int], sends: SendFigures) -> list[str]:
    """A run that hardly killed or lied proves nothing."""
    signals, users = run.script.signals, len(run.script.users)
    found = []
    if run.fleet.kills < signals / 5:
        found.append(f"too tame: {run.fleet.kills} kills")
    if run.faults.total() < signals * min(1.0, users / 20):
        found.append(f"too tame: {run.faults.total()} faults")
    if not (run.fleet.clock_steps and run.refusals.count and run.files.count):
        found.append("too tame: no clock was stepped, no Redis refused or no file was damaged")
    for venue, orders in orders_at.items():
        if not orders or not run.faults_at[venue]:
            found.append(f"too tame: {orders} orders and {run.faults_at[venue]} faults at {venue}")
    if "coinbase" in orders_at and not sends.replays and signals >= _LONG:
        found.append("too tame: no order was sent again under its id")
    return found
