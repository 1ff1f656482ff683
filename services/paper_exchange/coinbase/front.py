"""A Coinbase request from its bytes to its answer: the venue's order of checks, the journal, the faults.

    path (404) -> [faults before] -> token (401) -> rate (429) -> [faults that refuse] -> scope (403) -> [faults that delay]
         -> form (400) -> rules, matching (200, success or not) -> [faults that corrupt the answer]

A private request is recorded when its body is complete: the journal's order is the order of arrival. A delayed request waits in
front of the gate: when it gets there its token is checked again, so it is refused once that has expired.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qs

from services.paper_exchange.coinbase.call import Call, PublicCall, Query, Shape
from services.paper_exchange.coinbase.errors import CoinbaseRefusal, invalid_argument, not_found
from services.paper_exchange.coinbase.gate import Gate, Headers, Request
from services.paper_exchange.coinbase.methods import HANDLERS, PUBLIC_HANDLERS
from services.paper_exchange.coinbase.replies import failure, success
from services.paper_exchange.coinbase.routes import Route, Scope, find_route
from services.paper_exchange.coinbase.token import claimed_key
from services.paper_exchange.coinbase.venue import NAME, CoinbaseVenue
from services.paper_exchange.coinbase.verdicts import verdict_of
from services.paper_exchange.coinbase.wire_faults import AT_THE_GATE, before, corrupt, refused
from services.paper_exchange.core.account import ApiKey
from services.paper_exchange.core.fault_table import Stage
from services.paper_exchange.core.faults import ArmedFault
from services.paper_exchange.core.journal import OK
from services.paper_exchange.wire import Reply

NOT_PROCESSED: Final = "not processed"
BEFORE_OR_REFUSE: Final = frozenset({Stage.BEFORE, Stage.REFUSE})
DELAY: Final = frozenset({Stage.DELAY})
AFTER: Final = frozenset({Stage.AFTER})


@dataclass(slots=True)
class PrivateRequest:
    """A private request on its way: what is known of it, and its row in the journal."""

    request: Request
    route: Route
    variables: dict[str, str]
    body: Shape | None  # None if it is not a JSON object
    user: str
    row: int


@dataclass(slots=True)
class DelayedRequest:
    """A request that waits in front of the gate."""

    seconds: float
    private: PrivateRequest


class CoinbaseFront:
    """Coinbase's REST interface over an exchange."""

    def __init__(self, venue: CoinbaseVenue, *, limited: bool = True) -> None:
        self.venue = venue
        self._exchange = venue.exchange
        self._gate = Gate(venue, limited=limited)

    def answer(self, request: Request) -> Reply | DelayedRequest:
        """Answer a request, or return how long it must wait before `resume` processes it."""
        found = find_route(request.verb, request.path)
        if found is None or (found[0].name not in HANDLERS and found[0].name not in PUBLIC_HANDLERS):
            return failure(not_found("The requested resource was not found"))
        route, variables = found
        if route.scope is Scope.PUBLIC:
            return self._public(request, route, variables)
        return self._private(self._arrive(request, route, variables))

    def resume(self, waiting: DelayedRequest) -> Reply:
        """Process a delayed request."""
        try:
            key = self._gate.key(self._gate.token(waiting.private.request))
        except CoinbaseRefusal as refusal:
            return self._refuse(waiting.private, refusal)
        return self._process(waiting.private, key)

    def _public(self, request: Request, route: Route, variables: dict[str, str]) -> Reply:
        exchange = self._exchange
        switch = exchange.faults.take(BEFORE_OR_REFUSE | AFTER, "", route.name, public=True, venue=NAME)
        if switch is not None and switch.kind.stage is Stage.BEFORE:
            return before(switch)
        headers: Headers = []
        try:
            if request.authorization:
                self._gate.token(request)
            headers = self._gate.count_address(request.address)
            if switch is not None and switch.kind.stage is Stage.REFUSE:
                return _with(headers, _reply_of(refused(switch, route.name, None)))
            exchange.catch_up()
            call = PublicCall(exchange, route.name, variables, _query(request.query), exchange.clock.now())
            reply = success(PUBLIC_HANDLERS[route.name](call))
        except CoinbaseRefusal as refusal:
            return _with(headers, failure(refusal))
        return _with(headers, corrupt(reply, switch, route.name, None) if switch is not None else reply)

    def _arrive(self, request: Request, route: Route, variables: dict[str, str]) -> PrivateRequest:
        name, journal = claimed_key(request.authorization), self._exchange.journal
        key = self.venue.key(name)
        user = key.account.user if key is not None else ""
        row = journal.arrived(self._exchange.clock.now(), name, user, route.name, "", request.address)
        body = _object(request.body) if request.verb == "POST" else {}
        if body is not None and isinstance(client_id := body.get("client_order_id"), str):
            journal.detail(row, "client_order_id", client_id[:256])
            journal.detail(row, "body", sha256(request.body).hexdigest()[:16])  # a replay must not change a byte
        return PrivateRequest(request, route, variables, body, user, row)

    def _private(self, private: PrivateRequest) -> Reply | DelayedRequest:
        faults, journal = self._exchange.faults, self._exchange.journal
        name, user = private.route.name, private.user
        switch = faults.take(BEFORE_OR_REFUSE, user, name, venue=NAME)
        if switch is not None:
            journal.fault(private.row, switch.fault)
            if switch.kind.stage is Stage.BEFORE:
                journal.verdict(private.row, NOT_PROCESSED)
                return before(switch)
        headers: Headers = []
        try:
            token = self._gate.token(private.request)
            key = self._gate.key(token)
            if name == "CreateOrder":
                journal.detail(private.row, "token_expires", token.expires)
            if switch is None or switch.fault not in AT_THE_GATE:
                headers = self._gate.count_key(key)
            if switch is not None:
                return _with(headers, self._replace_check(private, switch))
            self._gate.check_rights(key, private.route.scope)
        except CoinbaseRefusal as refusal:
            return _with(headers, self._refuse(private, refusal))
        delayed = faults.take(DELAY, user, name, venue=NAME)
        if delayed is not None:
            journal.fault(private.row, delayed.fault)
            return DelayedRequest(delayed.seconds, private)
        reply = self._process(private, key)
        answer_fault = faults.take(AFTER, user, name, venue=NAME) if reply.accepted else None
        return _with(headers, reply if answer_fault is None else self._corrupt_reply(reply, answer_fault, private))

    def _process(self, private: PrivateRequest, key: ApiKey) -> Reply:
        exchange, route = self._exchange, private.route
        exchange.catch_up()
        try:
            if private.body is None:
                raise invalid_argument("the body is not a JSON object")
            call = Call(
                exchange,
                route.name,
                private.variables,
                _query(private.request.query),
                exchange.clock.now(),
                key,
                self.venue.portfolio(key),
                self.venue.portfolios,
                private.body,
            )
            shape = HANDLERS[route.name](call)
        except CoinbaseRefusal as refusal:
            return self._refuse(private, refusal)
        verdict = verdict_of(shape)
        exchange.journal.verdict(private.row, verdict)
        return success(shape, accepted=verdict == OK)

    def _replace_check(self, private: PrivateRequest, switch: ArmedFault) -> Reply:
        answer = refused(switch, private.route.name, private.body)
        if isinstance(answer, CoinbaseRefusal):
            return self._refuse(private, answer)
        self._exchange.journal.verdict(private.row, verdict_of(answer))
        return success(answer, accepted=False)

    def _refuse(self, private: PrivateRequest, refusal: CoinbaseRefusal) -> Reply:
        self._exchange.journal.verdict(private.row, refusal.verdict)
        if refusal.why:
            self._exchange.journal.detail(private.row, "why", refusal.why)
        return failure(refusal)

    def _corrupt_reply(self, reply: Reply, switch: ArmedFault, private: PrivateRequest) -> Reply:
        self._exchange.journal.fault(private.row, switch.fault)
        if switch.fault == "duplicate_delivery":
            self._private(self._arrive(private.request, private.route, private.variables))
        return corrupt(reply, switch, private.route.name, private.body)


def _reply_of(answer: CoinbaseRefusal | Shape) -> Reply:
    return failure(answer) if isinstance(answer, CoinbaseRefusal) else success(answer, accepted=False)


def _with(headers: Headers, reply: Reply) -> Reply:
    """Add the rate limit's headers, unless the answer has some already or never came from the venue."""
    if not reply.headers and not reply.dropped:
        reply.headers = headers
    return reply


def _query(query: bytes) -> Query:
    return Query(parse_qs(query.decode("latin-1"), keep_blank_values=True))


def _object(body: bytes) -> Shape | None:
    try:
        found = json.loads(body or b"{}", parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refuse_constant(text: str) -> float:
    raise ValueError(text)
