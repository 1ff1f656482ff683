"""Stands in front of every route: finds out who asks, refuses what they may not do, and refuses forged changes.

Closed by default: a path that is not public needs an identity, and the role's permissions are checked here before any route is
asked. It must never let a request pass because something failed: without Redis there are no sessions, and the answer is 503.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.access import forgery, permissions
from services.api.access.answer import Answer, SessionEnded
from services.api.access.cookies import SESSION, VISIT, read_cookie
from services.api.access.identity import Identity
from services.api.access.open_access import LOCAL, is_local
from services.api.access.refusals import problem, sign_in_first
from services.api.access.sessions import Sessions
from shared.bus.errors import BusError
from shared.sign_in.access_tokens import AccessTokens
from shared.sign_in.secret_tokens import is_token, new_token

_BEARER: Final = "bearer "
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: `secret` is what forms are bound to, `session` the token of a session if that is how they signed in.

    `bearer` is the token of a program that sent one.
    """

    identity: Identity | None
    secret: str
    session: str = ""
    by_token: bool = False
    bearer: str = ""
    new_visit: bool = False


class AccessMiddleware:
    """The middleware. With `open_to_this_machine` a request that came straight from it needs no session."""

    def __init__(
        self,
        app: ASGIApp,
        sessions: Sessions,
        tokens: AccessTokens,
        *,
        open_to_this_machine: bool = False,
        origins: frozenset[str] = frozenset(),
    ) -> None:
        """`origins`: under which the page is known to browsers, beside the host that a request names."""
        self._app = app
        self._sessions = sessions
        self._tokens = tokens
        self._open = open_to_this_machine
        self._origins = origins
        self._running: Counter[str] = Counter()
        """Requests that are being answered, by session; those without one together."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        if permissions.is_static(request.url.path) and request.method in permissions.SAFE:
            await self._app(scope, receive, send)
            return
        try:
            caller = await self._identify(request)
        except BusError as error:
            if request.url.path not in permissions.HEALTH:
                await problem(503, str(error), retry_after="2")(scope, receive, send)
                return
            caller = Caller(None, new_token())
        await self._answer(caller, request, receive, send)

    async def _answer(self, caller: Caller, request: Request, receive: Receive, send: Send) -> None:
        answer = Answer(request, send, caller.secret if caller.new_visit else "", self._still_signed_in(caller))
        refused = self._refusal(caller, request)
        if refused is None and request.method not in permissions.SAFE and not caller.by_token:
            refused, receive = await self._check_forgery(caller, request, receive)
        if refused is not None:
            await refused(request.scope, receive, answer.send)
            return
        state: dict[str, Any] = request.scope.setdefault("state", {})
        state["identity"] = caller.identity
        state["csrf"] = "" if caller.by_token else forgery.token_for(caller.secret)
        if not self._may_begin(caller.session):
            await problem(429, "too many requests of this session at once", retry_after="2")(
                request.scope, receive, answer.send
            )
            return
        try:
            await self._app(request.scope, receive, answer.send)
        except SessionEnded:
            log.info("an open page was closed: its session has ended")
        finally:
            self._has_ended(caller.session)

    def _may_begin(self, session: str) -> bool:
        """Count a request of a session; return whether it may be answered. Each open page asks Redis for its events."""
        if session and self._running[session] >= MOST_AT_ONCE:
            return False
        self._running[session] += 1
        return True

    def _has_ended(self, session: str) -> None:
        self._running[session] -= 1
        if not self._running[session]:
            del self._running[session]

    async def _identify(self, request: Request) -> Caller:
        """Find out who asks. Raises BusUnavailable."""
        authorization = request.headers.get("authorization", "")
        if authorization.lower().startswith(_BEARER):
            bearer = authorization[len(_BEARER) :].strip()
            found = await self._tokens.find(bearer)
            identity = Identity(f"token {found.name}", found.role) if found else None
            return Caller(identity, "", by_token=True, bearer=bearer)
        if session := read_cookie(request, SESSION):
            identity = await self._sessions.find(session)
            if identity is not None:
                return Caller(identity, session, session)
        visit = read_cookie(request, VISIT)
        new = not is_token(visit)
        return Caller(LOCAL if self._open and is_local(request) else None, new_token() if new else visit, new_visit=new)

    def _refusal(self, caller: Caller, request: Request) -> Response | None:
        path = request.url.path
        if caller.identity is None:
            if permissions.is_public(path) and not caller.by_token:
                return None
            if self._open and path not in permissions.HEALTH and not is_local(request):
                return problem(403, "API_SIGN_IN is off: only this machine is answered, and no proxy")
            if path in permissions.HEALTH:
                return None
            return sign_in_first(request)
        why = permissions.refusal(caller.identity, request.method, path)
        return problem(403, why) if why else None

    async def _check_forgery(
        self, caller: Caller, request: Request, receive: Receive
    ) -> tuple[Response | None, Receive]:
        """Check where a change came from, and its token; return what to answer if it is refused, and the body's receive."""
        if forgery.is_from_elsewhere(request, self._origins):
            return problem(403, "this was sent by another site"), receive
        try:
            stranger = permissions.is_public(request.url.path)
            given, receive = await forgery.read_token(request, receive, form_only=stranger)
        except forgery.FormTooLarge:
            return problem(413, "the form is too large"), receive
        if not forgery.is_token_for(caller.secret, given):
            return problem(403, "the form is out of date: load the page again (token csrf missing or wrong)"), receive
        return None, receive

    def _still_signed_in(self, caller: Caller) -> Any:
        """Return what asks, during a long answer, whether session or token is still alive; None where there is neither."""
        if not caller.session and not caller.bearer:
            return None
        asked = time.monotonic()

        async def alive() -> bool:
            nonlocal asked
            if time.monotonic() - asked < CHECK_EVERY:
                return True
            asked = time.monotonic()
            try:
                if caller.bearer:
                    return await self._tokens.find(caller.bearer) is not None
                return await self._sessions.find(caller.session) is not None
            except BusError:
                return True  # the stream itself reads Redis: nothing new can be in it now

        return alive


MOST_AT_ONCE: Final = 48
"""Requests of one session that are answered at once: a browser opens six connections, so this is for several of one person's."""
CHECK_EVERY: Final = 5.0
"""Seconds between two questions, during one long answer, whether its session is still alive."""
