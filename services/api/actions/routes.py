"""The routes of actions: a preview says what an action would do now, and its token does it, once.

Operators may do everything; a follower may pause and sell their own copies, and never loosen what an operator has set.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from services.api.access.identity import Identity, Role, at_least, identity_of
from services.api.actions.bodies import ActionBody, ChangeView, ConsequenceView, DoneView, Parameters
from services.api.actions.forms import REQUEST_BODY, read_posted
from services.api.problems import kind_of
from shared.bus.connection import Bus
from shared.bus.errors import BusError
from shared.operations.control_log import read_changes
from shared.operations.desk import ActionDesk
from shared.operations.errors import ActionRefused
from shared.operations.request import Action, ActionRequest

Operator = Annotated[Identity, Depends(at_least(Role.OPERATOR))]
Viewer = Annotated[Identity, Depends(at_least(Role.VIEWER))]
Query_ = Annotated[Parameters, Depends()]
Settings = Annotated[list[Annotated[str, Query(max_length=4_100)]], Query(alias="set", max_length=200)]
Count = Annotated[int, Query(ge=1, le=500)]
EntryId = Annotated[str, Query(max_length=41, pattern=r"^([0-9]{1,19}-[0-9]{1,19})?$")]
_ASKED_BY_FOLLOWER: Final = "asked for by the follower"
_HOME: Final = "/"
_NO_REDIS: Final = "redis-unavailable"


class OwnAction(StrEnum):
    """What a follower may do with their own account."""

    PAUSE = "pause"
    FLATTEN = "flatten"


def build_action_routes(desk: ActionDesk, bus: Bus, changed: Callable[[], None]) -> APIRouter:
    """Build the routes; `changed` is called after each action, so that no page shows what was before."""
    router = APIRouter(tags=["actions"])
    confirm = _Confirm(desk, changed)
    _add_actions(router, desk, confirm)
    _add_own_actions(router, desk, confirm)

    @router.get("/control-log")
    async def control_log(_: Viewer, count: Count = 50, before: EntryId = "") -> list[ChangeView]:
        """Show who changed what, newest first; `before` an entry's id: older ones."""
        return [ChangeView.of_change(each) for each in await read_changes(bus, count, before)]

    return router


def _add_actions(router: APIRouter, desk: ActionDesk, carry_out: _Confirm) -> None:
    @router.get("/actions/{action}")
    async def preview(action: Action, who: Operator, given: Query_, changes: Settings = []) -> ConsequenceView:  # noqa: B006
        """Say what an action would do now, in words and numbers, and return the token that confirms it. Changes nothing.

        With settings: `set=limits.max_order_pct=25`, once for each.
        """
        settings = dict(each.partition("=")[::2] for each in changes)
        return ConsequenceView.of_preview(action, await desk.preview(given.request(action, settings), who.name))

    @router.post("/actions/{action}", response_model=DoneView, openapi_extra={"requestBody": REQUEST_BODY})
    async def confirm(action: Action, who: Operator, request: Request) -> Response:
        """Do what a token confirms: once, and only if it still does what was shown (else 409 with the new consequence)."""
        return await carry_out(request, action, who.name, home=_HOME)


def _add_own_actions(router: APIRouter, desk: ActionDesk, carry_out: _Confirm) -> None:
    path = "/api/users/{user}/actions/{action}"

    @router.get(path)
    async def preview_own(user: str, action: OwnAction, request: Request) -> ConsequenceView:
        """Say what pausing or selling would do with one user. For operators, and for the user as a follower."""
        who = _may_act(request, user)
        wanted = ActionRequest(action=Action(action), user=user)
        await _keep_strict(desk, who, wanted)
        return ConsequenceView.of_preview(wanted.action, await desk.preview(wanted, _name(who)))

    @router.post(path, response_model=DoneView, openapi_extra={"requestBody": REQUEST_BODY})
    async def confirm_own(user: str, action: OwnAction, request: Request) -> Response:
        """Pause one user or sell their copies. For operators, and for the user as a follower."""
        who = _may_act(request, user)
        home = f"/users/{quote(user, safe='')}"
        return await carry_out(request, Action(action), _name(who), home=home, follower=who, user=user)


class _Confirm:
    """Carries out what a request confirms, and answers it: JSON with JSON, a form with a redirect."""

    def __init__(self, desk: ActionDesk, changed: Callable[[], None]) -> None:
        self._desk = desk
        self._changed = changed

    async def __call__(
        self, request: Request, action: Action, by: str, *, home: str, follower: Identity | None = None, user: str = ""
    ) -> Response:
        """Return the answer to a request. Raises what the desk raises, unless a page is waiting."""
        posted = await read_posted(request, home)
        wanted, reason = _wanted(action, posted.body, user), posted.body.reason
        try:
            if follower is not None:
                await _keep_strict(self._desk, follower, wanted)
                reason = reason or (_ASKED_BY_FOLLOWER if follower.role is Role.FOLLOWER else "")
            done = await self._desk.confirm(wanted, posted.body.token, by, reason)
        except (ActionRefused, BusError) as error:
            if posted.next is None:
                raise
            return _go(posted.next, action, kind_of(error)[1] if isinstance(error, ActionRefused) else _NO_REDIS)
        finally:
            self._changed()
        if posted.next is not None:
            return _go(posted.next, action, "repeated" if done.repeated else "done")
        return JSONResponse(DoneView.of_done(done).model_dump(mode="json"))


def _wanted(action: Action, body: ActionBody, user: str) -> ActionRequest:
    """Return what is asked for; below a user's path it is about this user alone."""
    if user:
        return ActionRequest(action=action, user=user)
    return body.request(action, body.settings)


def _go(path: str, action: Action, result: str) -> RedirectResponse:
    """Return the redirect of a form: the page says what happened by the stable words in its address."""
    mark = "&" if "?" in path else "?"
    return RedirectResponse(f"{path}{mark}{urlencode({'action': action, 'result': result})}", 303)


def _may_act(request: Request, user: str) -> Identity:
    """Return who asks. Raises HTTPException unless they are an operator, or the user as a follower."""
    who = identity_of(request)
    if who.role is Role.FOLLOWER and who.may_see(user):
        return who
    return at_least(Role.OPERATOR)(request)


async def _keep_strict(desk: ActionDesk, who: Identity, wanted: ActionRequest) -> None:
    """Raise HTTPException if a follower would loosen, or take over, what an operator has set."""
    if who.role is Role.FOLLOWER and (why := await desk.loosens(wanted, _name(who))):
        raise HTTPException(403, f"{why}: only an operator may change that")


def _name(who: Identity) -> str:
    """Return the name in the control log."""
    return f"{who.user} (follower)" if who.role is Role.FOLLOWER else who.name
