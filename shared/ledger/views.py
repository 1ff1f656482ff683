"""The state of the system as JSON: what `GET /status` returns and `ops status --json` prints. Amounts are texts, never floats."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import Field

from shared.ledger.account_views import AccountView, ControlView, UserView, View
from shared.ledger.backlog import Backlog, Nonce
from shared.ledger.live_processes import ServiceFault
from shared.ledger.open_issues import PositionDifference, UnresolvedOrder
from shared.ledger.status import SystemReadiness, SystemStatus


class ServiceView(View):
    """A running process."""

    service: str
    instance: str
    state: str
    since: int | None = None
    version: str = ""


class FaultView(View):
    """A fault in a process since `since` (epoch ms); `blocks`: no signal is copied until it has ended."""

    service: str
    kind: str
    subject: str
    reason: str
    since: int
    count: int
    blocks: bool

    @staticmethod
    def of(found: ServiceFault) -> FaultView:
        """Build the view of a fault."""
        fault = found.fault
        return FaultView(
            service=found.service,
            kind=fault.kind,
            subject=fault.subject,
            reason=fault.reason,
            since=fault.since,
            count=fault.count,
            blocks=fault.blocks,
        )


class ReadinessView(View):
    """Whether a signal would be copied now; `reasons` list what is missing, `notes` what is stopped on purpose."""

    ready: bool
    reasons: tuple[str, ...]
    master: bool
    engine: bool
    users_ready: tuple[str, ...]
    users_parked: tuple[str, ...]
    users_unknown: tuple[str, ...]
    users_held: tuple[str, ...] = ()
    users: str = ""
    notes: tuple[str, ...] = ()

    @staticmethod
    def of(readiness: SystemReadiness) -> ReadinessView:
        """Build the view of the readiness."""
        return ReadinessView(
            ready=readiness.ready,
            reasons=readiness.reasons,
            master=readiness.master,
            engine=readiness.engine,
            users_ready=readiness.users_ready,
            users_parked=readiness.users_parked,
            users_unknown=readiness.users_unknown,
            users_held=readiness.users_held,
            users=readiness.users,
            notes=readiness.notes,
        )


class StreamView(View):
    """One group on one stream; `lag` is null if Redis does not know it."""

    stream: str
    group: str
    length: int
    pending: int
    lag: int | None
    last_delivered: str
    dead: int

    @staticmethod
    def of(backlog: Backlog) -> StreamView:
        """Build the view of a backlog."""
        return StreamView(
            stream=backlog.stream,
            group=backlog.group,
            length=backlog.length,
            pending=backlog.pending,
            lag=backlog.lag,
            last_delivered=backlog.last_delivered,
            dead=backlog.dead,
        )


class NonceView(View):
    """The last nonce of a key, which is named by its fingerprint."""

    user: str
    fingerprint: str
    value: int


class UnresolvedOrderView(View):
    """An unresolved order; `sent_at` in epoch ms, `reason` is the last one recorded."""

    user: str
    order_id: str
    state: str
    symbol: str
    side: str
    base_size: str
    sent_at: int | None
    reason: str

    @staticmethod
    def of(order: UnresolvedOrder) -> UnresolvedOrderView:
        """Build the view of an order."""
        fields = order.fields
        return UnresolvedOrderView(
            user=order.user,
            order_id=order.order_id,
            state=order.state,
            symbol=fields.get("symbol", ""),
            side=fields.get("side", ""),
            base_size=fields.get("base_size", ""),
            sent_at=order.sent_at,
            reason=fields.get("reason", ""),
        )


class PositionDifferenceView(View):
    """A position that the venue's balance does not cover."""

    user: str
    venue: str
    symbol: str
    text: str

    @staticmethod
    def of(differing: PositionDifference) -> PositionDifferenceView:
        """Build the view of a difference."""
        return PositionDifferenceView(
            user=differing.user, venue=differing.venue, symbol=differing.symbol, text=differing.text
        )


class StatusView(View):
    """The status of the whole system."""

    mode: str = ""
    """`paper` or `live`; empty while no service reports it."""
    mirror_only: bool = False
    """Whether the master's account is followed and no strategy trades it."""
    readiness: ReadinessView
    control: ControlView
    symbol_switches: dict[str, str] = Field(default_factory=dict)
    engine_owner: str
    services: tuple[ServiceView, ...]
    faults: tuple[FaultView, ...] = ()
    master: tuple[AccountView, ...]
    users: tuple[UserView, ...]
    streams: tuple[StreamView, ...]
    nonces: tuple[NonceView, ...] = ()
    unknown: tuple[UnresolvedOrderView, ...] = ()
    differences: tuple[PositionDifferenceView, ...] = ()

    @staticmethod
    def of(
        status: SystemStatus,
        streams: Iterable[Backlog],
        nonces: Iterable[Nonce] = (),
        unknown: Iterable[UnresolvedOrder] = (),
        differences: Iterable[PositionDifference] = (),
    ) -> StatusView:
        """Build the view of the system."""
        return StatusView(
            mode=status.mode,
            mirror_only=status.mirror_only,
            symbol_switches={symbol: f"{each.mode} {each.reason}".rstrip() for symbol, each in status.symbols.items()},
            readiness=ReadinessView.of(status.readiness),
            control=ControlView.of(status.control),
            engine_owner=status.engine_owner,
            services=tuple(
                ServiceView(
                    service=process.service,
                    instance=process.instance,
                    state=process.state,
                    since=process.since,
                    version=process.version,
                )
                for process in status.services
            ),
            faults=tuple(map(FaultView.of, status.faults)),
            master=tuple(AccountView.of(venue, account) for venue, account in status.master),
            users=tuple(UserView.of(user) for user in status.users),
            streams=tuple(StreamView.of(each) for each in streams),
            nonces=tuple(NonceView(user=each.user, fingerprint=each.fingerprint, value=each.value) for each in nonces),
            unknown=tuple(UnresolvedOrderView.of(each) for each in unknown),
            differences=tuple(PositionDifferenceView.of(each) for each in differences),
        )
