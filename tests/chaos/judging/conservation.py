"""The conservation check: nothing lost, nothing doubled, every amount where it belongs. Pure, and independent of `ops audit`.

Every (signal, user) has one decision, for the venue where the user copies that master, and one outcome; a venue accepted no
client id twice and nothing that nobody decided; what filled there is what was reported, is what the positions say, is what the
balances say.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from tests.chaos.judging.emissions import compare_emissions
from tests.chaos.judging.evidence import AccountEvidence, Evidence, Fields, UserEvidence
from tests.chaos.judging.legs import judge_legs, leg_ids

_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.001")
"""How far sums of rounded fees and costs in USD may be apart."""


@dataclass(slots=True)
class Findings:
    """Counts of what was looked at, and every breach in words."""

    decisions: int = 0
    orders: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    duplicates: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    disagreements: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        """Every breach."""
        return [*self.duplicates, *self.missing, *self.undecided, *self.disagreements, *self.unfinished]


def check(evidence: Evidence) -> Findings:
    """Judge a run."""
    found = Findings()
    _signals(evidence, found)
    for user in evidence.users:
        owners = _decisions(evidence, user, found)
        _outcomes(user, found)
        fills = _acceptances(user, owners, found, sizes_stand=not evidence.fail_overs)
        _amounts(user, fills, found)
        found.duplicates += judge_legs(user, owners, fills, sizes_stand=not evidence.fail_overs)
        for account in user.accounts:
            where = f"{user.user} at {account.venue}"
            _positions(where, account, found)
            _balances(where, account, found)
            _closed(evidence, user, account, found)
    return found


def _signals(evidence: Evidence, found: Findings) -> None:
    told = Counter(fields["id"] for _, fields in evidence.signals)
    found.missing += [f"signal {each} never reached the stream" for each in evidence.emitted if not told[each]]
    found.duplicates += [f"signal {each} stands {count} times" for each, count in told.items() if count > 1]
    if evidence.master_orders is not None:
        fills = compare_emissions(evidence.master_orders, evidence.signals)
        found.missing += fills.missing
        found.duplicates += fills.doubled
    if evidence.signals_pending or evidence.signals_undelivered:
        found.unfinished.append(
            f"signals: {evidence.signals_pending} pending, {evidence.signals_undelivered} undelivered"
        )
    if evidence.dead_letters:
        found.disagreements.append(f"{evidence.dead_letters} dead letters")


def _decisions(evidence: Evidence, user: UserEvidence, found: Findings) -> dict[str, Fields]:
    """Check that each signal was decided once; answers the decisions by the client ids that may be theirs."""
    found.decisions += len(user.decisions)
    by_signal: defaultdict[str, list[tuple[str, Fields]]] = defaultdict(list)
    for entry, fields in user.decisions:
        by_signal[fields["signal_id"]].append((entry, fields))
    for entry, signal in evidence.signals:
        made = by_signal.pop(signal["id"], [])
        if not made:
            found.missing.append(f"{user.user}: no decision on signal {signal['id']}")
        elif len(made) > 1:
            found.duplicates.append(f"{user.user}: {len(made)} decisions on signal {signal['id']}")
        elif made[0][0] != entry:
            found.disagreements.append(f"{user.user}: signal {signal['id']} is {entry}, its decision {made[0][0]}")
        elif made[0][1]["decision"] == "copy" and made[0][1]["venue"] != evidence.copied_at(user.user, signal):
            found.disagreements.append(f"{user.user}: signal {signal['id']} was copied at {made[0][1]['venue']}")
    found.undecided += [f"{user.user}: a decision on {each}, which is no signal" for each in by_signal]
    owners = {}
    # Copied, forgotten by a Redis that lost its last writes, decided anew as a skip, and found at the exchange.
    recalled = {fields["order_id"] for _, fields in user.reports if fields.get("code") == "recalled"}
    for _, fields in user.decisions:
        if fields["decision"] == "copy" or (evidence.fail_overs and fields["id"] in recalled):
            owners[fields["id"]] = fields
            if fields["kind"] == "exit":
                owners.update(dict.fromkeys(leg_ids(fields["id"]), fields))
    return owners


def _outcomes(user: UserEvidence, found: Findings) -> None:
    times = Counter(fields["order_id"] for _, fields in user.reports)
    found.outcomes.update(fields["outcome"] for _, fields in user.reports)
    for _, decision in user.decisions:
        count = times.pop(decision["id"], 0)
        if not count:
            state = user.records.get(decision["id"], {}).get("state", "not begun")
            found.missing.append(f"{user.user}: no outcome of {decision['id']} ({decision['decision']}, {state})")
        elif count > 1:
            found.duplicates.append(f"{user.user}: {count} outcomes of {decision['id']}")
    found.undecided += [f"{user.user}: an outcome of {each}, which nobody decided" for each in times]
    if user.pending or user.undelivered or user.open_records:
        found.unfinished.append(
            f"{user.user}: {user.pending} pending, {user.undelivered} undelivered, {len(user.open_records)} open records"
        )


def _acceptances(
    user: UserEvidence, owners: Mapping[str, Fields], found: Findings, *, sizes_stand: bool
) -> dict[str, list[dict[str, Any]]]:
    """Check what the exchange accepted; answers its orders by the decision they belong to.

    `sizes_stand` is False where a decision that was carried out may have been lost and made anew, with another size.
    """
    found.orders += len(user.orders)
    fills: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    times = Counter(str(row["client_order_id"]) for row in user.orders)
    for client_id, count in times.items():
        if count > 1:
            found.duplicates.append(f"{user.user}: the exchange accepted {client_id} {count} times")
    for row in user.orders:
        decision = owners.get(str(row["client_order_id"]))
        if row["closed_at"] is None:
            found.unfinished.append(f"{user.user}: order {row['order_id']} is still {row['status']} at the exchange")
        if decision is None:
            found.undecided.append(f"{user.user}: nobody decided the exchange's order {row['client_order_id']}")
            continue
        fills[decision["id"]].append(row)
        wrong = any(row[name] != decision[name] for name in ("symbol", "side", "venue"))
        sized = sizes_stand and decision["kind"] == "entry"
        if wrong or (sized and Decimal(row["size"]) > Decimal(decision["base_size"])):
            found.disagreements.append(f"{user.user}: {row['order_id']} is not what was decided in {decision['id']}")
    return fills


def _amounts(user: UserEvidence, fills: Mapping[str, list[dict[str, Any]]], found: Findings) -> None:
    """Compare each report with what its orders came to at the exchange."""
    for _, report in user.reports:
        rows = fills.get(report["order_id"], [])
        size = sum((Decimal(row["filled_size"] or 0) for row in rows), _ZERO)
        cost = sum((Decimal(row["cost"] or 0) for row in rows), _ZERO)
        fee = sum((Decimal(row["fee"] or 0) for row in rows), _ZERO)
        told = Decimal(report.get("filled_size") or 0)
        told_cost = told * Decimal(report.get("average_price") or 0)
        where = f"{user.user}: {report['outcome']} {report['order_id']}"
        if told != size or (report["outcome"] in {"filled", "partial"}) != (size > 0):
            found.disagreements.append(f"{where} tells {told}, the exchange filled {size}")
        elif abs(told_cost - cost) > max(_CENT, cost / 1000) or abs(Decimal(report.get("fee") or 0) - fee) > _CENT:
            found.disagreements.append(f"{where} tells {told_cost} and a fee of {report.get('fee')}, not {cost}, {fee}")


def _positions(where: str, account: AccountEvidence, found: Findings) -> None:
    net = _net(account)
    for symbol in sorted(net.keys() | account.positions.keys()):
        there, believed = net.get(symbol, _ZERO), account.positions.get(symbol, _ZERO)
        if there != believed:
            found.disagreements.append(f"{where}: {symbol} position {believed}, the exchange's fills leave {there}")
        if there < 0:
            found.disagreements.append(f"{where}: sold {-there} {symbol} more than was copied")


def _closed(evidence: Evidence, user: UserEvidence, account: AccountEvidence, found: Findings) -> None:
    """Check that nothing is held of what the master has closed: its last signal of a symbol decides. Dust is said to be dust."""
    last = {
        signal["symbol"]: signal
        for _, signal in evidence.signals
        if evidence.copied_at(user.user, signal) == account.venue
    }
    reasons = {report["signal_id"]: report["reason"] for _, report in user.reports}
    for symbol, size in account.positions.items():
        signal = last.get(symbol, {})
        closed = signal.get("kind") == "exit" and Decimal(signal["fraction"]) == 1
        if closed and "dust" not in reasons.get(signal["id"], ""):
            found.unfinished.append(
                f"{user.user} at {account.venue}: the master is flat in {symbol}, and {size} is still held"
            )


def _balances(where: str, account: AccountEvidence, found: Findings) -> None:
    due: defaultdict[str, Decimal] = defaultdict(Decimal, account.deposited)
    for symbol, size in _net(account).items():
        due[symbol.partition("/")[0]] += size
    for row in account.orders:
        cost = Decimal(row["cost"] or 0)
        due["USD"] -= Decimal(row["fee"] or 0) + (cost if row["side"] == "buy" else -cost)
    for asset in sorted(due.keys() | account.balances.keys()):
        there = account.balances.get(asset, _ZERO)
        if abs(there - due[asset]) > (_CENT if asset == "USD" else _ZERO):
            found.disagreements.append(f"{where}: the exchange has {there} {asset}, its fills leave {due[asset]}")


def _net(account: AccountEvidence) -> dict[str, Decimal]:
    net: defaultdict[str, Decimal] = defaultdict(Decimal)
    for row in account.orders:
        size = Decimal(row["filled_size"] or 0)
        net[row["symbol"]] += size if row["side"] == "buy" else -size
    return net
