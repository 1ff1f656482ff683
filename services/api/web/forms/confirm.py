"""The pages on which an action is confirmed: what it would do now, in words, before the button that does it.

They change nothing: the button sends a form to the routes of `services/api/actions`, with the token of what was shown. Without
scripts they work the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, HTTPException, Request, Response

from services.api.access.identity import Identity, Role, at_least, identity_of
from services.api.actions.bodies import Parameters, Word
from services.api.web.rendering import Pages
from services.api.web.users.account import AccountReader
from shared.config.users.changes import settings_of
from shared.operations.desk import ActionDesk
from shared.operations.errors import ActionRefused, UnknownTarget
from shared.operations.request import Action, ActionRequest

TITLES: Final[Mapping[Action, str]] = {
    Action.PAUSE: "Pause",
    Action.CLOSE_ONLY: "Pause",
    Action.RESUME: "Resume",
    Action.HALT: "Halt",
    Action.FLATTEN: "Sell all copies",
    Action.LIFT: "End the stop-out",
    Action.RETRY: "Put the dead letter back",
    Action.DROP: "Drop the dead letter",
    Action.RESOLVE: "Settle the order",
    Action.RELOAD: "Reload",
    Action.SETTINGS: "Change the settings",
}
_DANGEROUS: Final = frozenset({Action.FLATTEN, Action.HALT, Action.DROP, Action.RESOLVE})
_FOLLOWERS_OWN: Final = frozenset({Action.PAUSE, Action.FLATTEN})
_OF_USERS: Final = frozenset(
    {Action.PAUSE, Action.CLOSE_ONLY, Action.RESUME, Action.HALT, Action.FLATTEN, Action.LIFT, Action.SETTINGS}
)
_TYPED: Final = ("outcome", "size", "price", "fee")
"""What is typed into the form of an order's verdict."""
_SETTING: Final = "set."
_MOST_SETTINGS: Final = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What a page asks to confirm: the request, who asks, where the form goes, and where the person goes on."""

    wanted: ActionRequest
    by: str
    target: str
    home: str
    back: str = ""
    """The form that asked, with what was typed; empty if there is none."""


def build_confirm_routes(pages: Pages, desk: ActionDesk, accounts: AccountReader) -> APIRouter:
    """Build the routes."""
    router = APIRouter(include_in_schema=False)
    confirmation = _Confirmation(pages, desk)

    @router.get("/confirm/{action}")
    async def of_all(
        request: Request,
        action: Action,
        who: Annotated[Identity, Depends(at_least(Role.OPERATOR))],
        given: Annotated[Parameters, Depends()],
    ) -> Response:
        home = "/" if action in _OF_USERS else "/operations"
        asked = Asked(given.request(action), who.name, f"/actions/{action}", home, _form_of(action, given))
        return await confirmation.show(request, asked)

    @router.get("/users/{user}/confirm/{action}")
    async def of_user(request: Request, user: str, action: Action, venue: Word = "") -> Response:
        who = identity_of(request)
        home = f"/users/{user}"
        if action not in _OF_USERS:
            raise HTTPException(404, "there is no such action of a user")
        if who.role is Role.FOLLOWER:
            if not who.may_see(user) or action not in _FOLLOWERS_OWN:
                raise HTTPException(403, "followers may pause and sell their own copies only")
            wanted = ActionRequest(action=action, user=user)
            by = f"{who.user} (follower)"
            if why := await desk.loosens(wanted, by):
                return await pages.problem(request, 403, TITLES[action], f"{why}: only an operator may change that.")
            asked = Asked(wanted, by, f"/api{home}/actions/{action}", home)
        else:
            at_least(Role.OPERATOR)(request)
            wanted = ActionRequest(action=action, user=user, venue=venue, changes=_changes(request))
            asked = Asked(wanted, who.name, f"/actions/{action}", home)
        return await confirmation.show(request, asked)

    @router.get("/users/{user}/settings", dependencies=[Depends(at_least(Role.OPERATOR))])
    async def settings(request: Request, user: str) -> Response:
        found = await accounts.find(user)
        if found is None:
            return await pages.problem(request, 404, "No such user", f"There is no user {user}.")
        return await pages.page(
            request, "settings.html", user=user, settings=settings_of(found.policy), fault=found.policy.fault
        )

    return router


class _Confirmation:
    """Shows what an action would do."""

    def __init__(self, pages: Pages, desk: ActionDesk) -> None:
        self._pages = pages
        self._desk = desk

    async def show(self, request: Request, asked: Asked) -> Response:
        """Return the page, or the reason in words if the action would be refused. Raises BusUnavailable."""
        action = asked.wanted.action
        try:
            preview = await self._desk.preview(asked.wanted, asked.by)
        except ActionRefused as error:
            code = 404 if isinstance(error, UnknownTarget) else 409
            text = f"This cannot be done: {error}."
            return await self._pages.problem(request, code, TITLES[action], text, back=asked.back or asked.home)
        return await self._pages.page(
            request,
            "confirm.html",
            heading=TITLES[action],
            shown=preview.consequence,
            dangerous=action in _DANGEROUS,
            needs_reason=action not in {Action.RESUME, Action.RELOAD},
            target=asked.target,
            home=asked.back or asked.home,
            fields=[*_fields(asked.wanted), ("token", preview.token), ("next", asked.home)],
        )


def _form_of(action: Action, given: Parameters) -> str:
    """Return the address of the form that asked, with what was typed into it; empty for an action that has none."""
    if action is not Action.RESOLVE or not (given.user and given.order):
        return ""
    typed = {name: value for name in _TYPED if (value := getattr(given, name))}
    place = f"/operations/orders/{quote(given.user, safe='')}/{quote(given.order, safe='')}"
    return f"{place}?{urlencode(typed)}" if typed else place


def _changes(request: Request) -> tuple[tuple[str, str], ...]:
    """Return the settings of a form. Raises HTTPException 422 for more than there are settings."""
    items = [(name, value) for name, value in request.query_params.multi_items() if name.startswith(_SETTING)]
    if len(items) > _MOST_SETTINGS:
        raise HTTPException(422, "too many settings")
    return tuple((name.removeprefix(_SETTING), value) for name, value in items)


def _fields(wanted: ActionRequest) -> Sequence[tuple[str, Any]]:
    """Return the fields that repeat a request in a form."""
    named = [(name, getattr(wanted, name)) for name in Parameters.model_fields]
    return [
        *((name, value) for name, value in named if value),
        *((f"set.{key}", value) for key, value in wanted.changes),
    ]
