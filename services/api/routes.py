"""The JSON routes. Each does bounded work, and returns 503 with the reason while Redis does not answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from services.api.access.identity import sees_everything
from services.api.metrics import Metrics
from services.api.read_models import ReadModels
from services.api.reading.rolling_table import MOST
from shared.bus.errors import BusError
from shared.bus.users.user_index import user_of
from shared.contracts import keys
from shared.ledger.account_views import View
from shared.ledger.signal_views import SignalTraceView, SignalView
from shared.ledger.status import SystemReadiness
from shared.ledger.user_state import UserState
from shared.ledger.user_states.chosen_users import ChosenUsers
from shared.ledger.views import ReadinessView, StatusView

Count = Annotated[int, Query(ge=1, le=500)]
PageOf = Annotated[int | None, Query(ge=1, le=100_000)]
PerPage = Annotated[int, Query(ge=1, le=MOST)]


class Alive(View):
    """The process is running; this says nothing of Redis or other services."""

    status: str = "alive"


class Readiness(View):
    """Whether a signal would be copied now, and nothing else."""

    ready: bool


def build_routes(models: ReadModels, metrics: Metrics) -> APIRouter:
    """Build the routes."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Alive:
        """Report that the process is running."""
        return Alive()

    @router.get("/readyz", responses={503: {"model": ReadinessView}})
    async def readyz(request: Request, response: Response) -> ReadinessView | Readiness:
        """Report whether a signal would be copied now; 503 if not. Why, and whose, only to those who may see everything."""
        try:
            readiness = (await models.status()).readiness
        except BusError as error:
            readiness = _unreadable(str(error))
        response.status_code = 200 if readiness.ready else 503
        return ReadinessView.of(readiness) if sees_everything(request) else Readiness(ready=readiness.ready)

    @router.get("/status")
    async def status(
        user: str = "",
        state: UserState | None = None,
        group: str | None = None,
        page: PageOf = None,
        per_page: PerPage = 50,
    ) -> StatusView:
        """Show services, accounts, switches and streams: of all users, or of a page of those with this name, state or group.

        Everybody is counted in any case. Users who do not trade come first on pages.
        """
        whole, backlog, chosen = await models.status(), await models.whole_backlog(), ChosenUsers(user, state, group)
        if page is None and chosen.everybody:
            return StatusView.of(whole, backlog)
        first = ((page or 1) - 1) * per_page
        shown = await models.of_users(chosen.of(whole.summaries)[first : first + per_page])
        some = replace(whole, users=tuple(shown.values()), everyone=whole.summaries)
        return StatusView.of(
            some, [each for each in backlog if each.stream == keys.SIGNALS or user_of(each.stream) in shown]
        )

    @router.get("/signals")
    async def signals(count: Count = 50) -> list[SignalView]:
        """Show the newest signals, newest first."""
        return [SignalView.of(entry) for entry in await models.signals(count)]

    @router.get("/signals/{wanted}")
    async def signal(wanted: str) -> SignalTraceView:
        """Show each user's outcome of a signal and why; by its id or its entry id."""
        trace = await models.trace(wanted)
        if trace is None:
            raise HTTPException(404, f"no signal {wanted} in shoal:signals")
        return SignalTraceView.of(trace)

    @router.get("/metrics")
    async def show_metrics() -> Response:
        """Show the metrics for Prometheus."""
        return Response(
            metrics.render(await models.status(), await models.whole_backlog()), media_type=CONTENT_TYPE_LATEST
        )

    return router


def _unreadable(why: str) -> SystemReadiness:
    return SystemReadiness(
        ready=False,
        reasons=(why,),
        master=False,
        engine=False,
        users_ready=(),
        users_parked=(),
        users_unknown=(),
    )
