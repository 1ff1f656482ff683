"""The metrics for Prometheus. One registry per application: nothing is global, so tests and processes share no counts.

Series must not grow with the users: what is about users is summed over them, and has a series for each only if that is asked for
(`API_METRICS_PER_USER=on`), for installations with few.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from shared.contracts import keys
from shared.ledger.backlog import Backlog
from shared.ledger.outcomes import Outcome
from shared.ledger.status import SystemStatus
from shared.ledger.user_state import UserState

_LATENCIES: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 300)
"""Seconds: most copies take fractions of a second, an exit may wait for minutes."""
ALL_USERS: Final = "*"
"""What stands for the user in a series of all users; no user can have this name."""


class Metrics:
    """The counters, fed by outcomes as they arrive, and the gauges, set from the status at every scrape."""

    def __init__(self, *, per_user: bool = False) -> None:
        """With `per_user`, outcomes, latencies, equities and streams have series of each user."""
        self._per_user = per_user
        of_user = ("user",) if per_user else ()
        self._registry = CollectorRegistry()
        self._settled = CollectorRegistry()
        """Apart, because its text only changes with an outcome, and may be the longest part: a histogram for each user."""
        self._settled_text: bytes | None = None
        self._outcomes = self._counter("shoal_outcomes", "Settled orders since the streams began", *of_user, "outcome")
        self._latency = Histogram(
            "shoal_copy_latency_seconds",
            "From the master's fill to the venue's acceptance of a copy",
            of_user,
            buckets=_LATENCIES,
            registry=self._settled,
        )
        self._ready = self._gauge("shoal_ready", "1 while a signal would be copied")
        self._services = self._gauge("shoal_processes", "Processes with a heartbeat", "service")
        self._accounts = self._gauge("shoal_users", "Configured users by state", "state")
        self._groups = self._gauge("shoal_group_users", "Users whom executors are to serve, by group", "group")
        self._equity = self._gauge("shoal_equity", "Equity as last read, for display only", "user", "venue", "currency")
        self._signals = self._gauge("shoal_signals_total", "Signals ever emitted")
        self._length = self._gauge("shoal_stream_length", "Entries in a stream", "stream")
        self._pending = self._gauge(
            "shoal_stream_pending", "Delivered to the group, not acknowledged", "stream", "group"
        )
        self._lag = self._gauge("shoal_stream_lag", "Not yet delivered to the group", "stream", "group")
        self._dead = self._gauge("shoal_dead_letters", "Entries that no service could read", "stream")

        self._faults = self._gauge("shoal_faults", "Faults at present", "service", "kind")
        self._fault_events = self._gauge(
            "shoal_fault_events_total", "How often faults occurred in the running processes", "service", "kind"
        )

    def count(self, outcome: Outcome) -> None:
        """Count one outcome."""
        self._settled_text = None
        whose = (outcome.user,) if self._per_user else ()
        self._outcomes.labels(*whose, outcome.outcome).inc()
        if outcome.latency_ms is not None:
            latency = self._latency.labels(*whose) if whose else self._latency
            latency.observe(max(outcome.latency_ms, 0) / 1000)

    def render(self, status: SystemStatus, backlog: Sequence[Backlog]) -> bytes:
        """Set the gauges and render all metrics in the text format."""
        self._set_state(status)
        self._set_streams(backlog if self._per_user else sum_backlog(backlog))
        if self._settled_text is None:
            self._settled_text = generate_latest(self._settled)
        return self._settled_text + generate_latest(self._registry)

    def _set_streams(self, backlog: Iterable[Backlog]) -> None:
        for gauge in (self._length, self._pending, self._lag, self._dead):
            gauge.clear()
        for each in backlog:
            if each.stream == keys.SIGNALS:
                self._signals.set(each.added)
            self._length.labels(each.stream).set(each.length)
            self._dead.labels(each.stream).set(each.dead)
            if each.group:
                self._pending.labels(each.stream, each.group).set(each.pending)
                if each.lag is not None:
                    self._lag.labels(each.stream, each.group).set(each.lag)

    def _set_state(self, status: SystemStatus) -> None:
        for gauge in (self._services, self._accounts, self._groups, self._equity, self._faults, self._fault_events):
            gauge.clear()
        self._ready.set(status.readiness.ready)
        for process in status.services:
            self._services.labels(process.service).inc()
            for fault in process.faults:
                self._faults.labels(process.service, fault.kind).inc()
            for kind, count in process.counts.items():
                self._fault_events.labels(process.service, kind).inc(count)
        for user in status.users:
            self._accounts.labels(user.state).inc()
            if user.state is not UserState.OFF:
                self._groups.labels(user.policy.group).inc()
        self._set_equities(status)

    def _set_equities(self, status: SystemStatus) -> None:
        sums: defaultdict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
        for user in status.users:
            for venue, account in user.accounts:
                if account is not None and account.equity is not None:
                    name = user.policy.user if self._per_user else ALL_USERS
                    sums[name, venue, account.equity.currency] += account.equity.amount
        for venue, account in status.master:
            if account.equity is not None:
                sums[account.user, venue, account.equity.currency] += account.equity.amount
        for labels, amount in sums.items():
            self._equity.labels(*labels).set(float(amount))

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self._settled)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self._registry)


def sum_backlog(backlog: Iterable[Backlog]) -> list[Backlog]:
    """Return the rows of the signal stream, and one of all users' streams: how much they hold, and how much waits in them.

    A stream without a group waits as a whole; one whose lag Redis does not know counts with what is known.
    """
    found: list[Backlog] = []
    users = Backlog(keys.orders(ALL_USERS), keys.EXECUTOR, 0, 0, 0, 0, "", 0)
    for each in backlog:
        if each.stream == keys.SIGNALS:
            found.append(each)
        elif each.group in {"", keys.EXECUTOR}:
            users = replace(
                users,
                length=users.length + each.length,
                added=users.added + each.added,
                pending=users.pending + each.pending,
                lag=(users.lag or 0) + (each.lag or 0),
                dead=users.dead + each.dead,
            )
    return [*found, users]
