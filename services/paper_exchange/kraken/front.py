"""A Kraken request from its bytes to its answer: the venue's order of checks, the journal, the faults.

    path -> [faults before] -> key, address -> lockout, signature, nonce -> [faults that refuse] -> REST counter
         -> permission -> [faults that delay] -> arguments, rules, matching -> [faults that corrupt the answer]

A request is recorded when its body is complete, which is also when its nonce counts: the journal's order is the order of
arrival. A delayed request has used up its nonce and is processed later, as one that waits behind the venue's gateway.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from services.paper_exchange.core.account import ApiKey
from services.paper_exchange.core.exchange import Exchange
from services.paper_exchange.core.fault_table import Stage
from services.paper_exchange.core.faults import ArmedFault
from services.paper_exchange.core.instrument import TradingStatus
from services.paper_exchange.core.journal import OK
from services.paper_exchange.kraken import errors
from services.paper_exchange.kraken.call import Call
from services.paper_exchange.kraken.counters import TIERS, Counters
from services.paper_exchange.kraken.errors import KrakenRefusal
from services.paper_exchange.kraken.gate import Gate, LockoutRule, admits_address
from services.paper_exchange.kraken.methods import METHODS, Method
from services.paper_exchange.kraken.parameters import Parameters
from services.paper_exchange.kraken.public import METHODS as PUBLIC
from services.paper_exchange.kraken.replies import corrupt, failure, gateway_error, html_page, success
from services.paper_exchange.kraken.streams.tokens import Tokens
from services.paper_exchange.wire import Reply

VENUE: Final = "kraken"
PRIVATE: Final = "/0/private/"
PUBLIC_PATH: Final = "/0/public/"
NOT_PROCESSED: Final = "not processed"
BEFORE: Final = frozenset({Stage.BEFORE})
REFUSE: Final = frozenset({Stage.REFUSE})
DELAY: Final = frozenset({Stage.DELAY})
AFTER: Final = frozenset({Stage.AFTER})
STATUSES: Final = {"http_429": 429, "http_502": 502, "http_503": 503, "http_520": 520}
# Faults that replace the check of the same kind, so before the nonce is used up.
AT_THE_GATE: Final = {
    "key_revoked_mid_run": errors.INVALID_KEY,
    "temporary_lockout": errors.LOCKOUT,
    "invalid_nonce_burst": errors.INVALID_NONCE,
}
BEHIND_THE_GATE: Final = {
    "rate_limited": errors.RATE_LIMIT,
    "order_rate_limited": errors.ORDER_RATE_LIMIT,
    "too_many_requests": errors.TOO_MANY_REQUESTS,
    "permission_denied": errors.PERMISSION_DENIED,
    "account_disabled": errors.ACCOUNT_DISABLED,
    "unavailable_before_accept": errors.UNAVAILABLE,
    "busy": errors.BUSY,
}


@dataclass(frozen=True, slots=True)
class LimitSwitches:
    """The limits that apply; all do unless the market file switches them off."""

    rest: bool = True
    trading: bool = True
    lockout: LockoutRule = field(default_factory=LockoutRule)


@dataclass(slots=True)
class Request:
    """One request as received."""

    verb: str
    path: str
    query: bytes
    api_key: str
    signature: bytes
    content_type: bytes
    body: bytes
    address: str = ""
    """Where it came from; empty if that is not known."""


@dataclass(slots=True)
class DelayedRequest:
    """A request that was admitted and is processed after a delay."""

    seconds: float
    key: ApiKey
    method: Method
    name: str
    parameters: Parameters
    row: int
    arrived: float


class KrakenFront:
    """Kraken's REST interface over an exchange."""

    def __init__(self, exchange: Exchange, limits: LimitSwitches) -> None:
        self._exchange = exchange
        self._gate = Gate(exchange.keys, limits.lockout)
        self._rest = Counters() if limits.rest else None
        self.trading = Counters() if limits.trading else None
        """The trading counters; None if they are switched off."""
        self.tokens = Tokens()
        """The tokens of the WebSocket that this front has issued."""

    def answer(self, request: Request) -> Reply | DelayedRequest:
        """Answer a request, or return how long it must wait before `resume` processes it."""
        path = request.path
        if path.startswith(PRIVATE) and request.verb == "POST":
            method = METHODS.get(path[len(PRIVATE) :])
            if method is not None:
                return self._private(request, path[len(PRIVATE) :], method)
        elif path.startswith(PUBLIC_PATH) and request.verb == "GET" and path[len(PUBLIC_PATH) :] in PUBLIC:
            return self._public(request, path[len(PUBLIC_PATH) :])
        return failure(errors.UNKNOWN_METHOD)

    def resume(self, waiting: DelayedRequest) -> Reply:
        """Process a delayed request."""
        key, name, parameters = waiting.key, waiting.name, waiting.parameters
        return self._process(key, name, waiting.method, parameters, waiting.row, waiting.arrived)

    def _public(self, request: Request, name: str) -> Reply:
        switch = self._exchange.faults.take(BEFORE | REFUSE | AFTER, "", name, public=True, venue=VENUE)
        if switch is not None and switch.kind.stage is Stage.BEFORE:
            return _before(switch)
        if switch is not None and switch.kind.stage is Stage.REFUSE:
            return failure(self._refusal(switch))
        try:
            self._exchange.catch_up()
            reply = success(PUBLIC[name](self._exchange, Parameters.of_query(request.query)))
        except KrakenRefusal as refusal:
            reply = failure(str(refusal))
        return corrupt(reply, switch) if switch is not None else reply

    def _private(self, request: Request, name: str, method: Method) -> Reply | DelayedRequest:
        exchange = self._exchange
        key = self._gate.key(request.api_key)
        try:
            parameters = Parameters.of_body(request.body, request.content_type)
        except KrakenRefusal:
            parameters = Parameters({})
        nonce = parameters.text("nonce")
        now = exchange.clock.now()
        user = key.account.user if key is not None else ""
        row = exchange.journal.arrived(now, request.api_key, user, name, nonce, request.address)
        if only_check := parameters.text("validate"):
            exchange.journal.detail(row, "validate", only_check[:8])
        switch = exchange.faults.take(BEFORE | REFUSE, user, name, venue=VENUE)
        if switch is not None and switch.kind.stage is Stage.BEFORE:
            exchange.journal.fault(row, switch.fault)
            exchange.journal.verdict(row, NOT_PROCESSED)
            return _before(switch)
        if key is None or not admits_address(key, request.address):
            return self._refuse(row, errors.INVALID_KEY, user, name)
        error = AT_THE_GATE.get(switch.fault, "") if switch is not None else ""
        error = error or self._gate.admit(key, request.path, request.body, nonce, request.signature, now)
        if not error and switch is not None:
            error = self._refusal(switch)
        if switch is not None:
            exchange.journal.fault(row, switch.fault)
        error = error or self._limits_and_rights(key, method, now)
        if error:
            return self._refuse(row, error, user, name)
        delayed = exchange.faults.take(DELAY, user, name, venue=VENUE)
        if delayed is not None:
            exchange.journal.fault(row, delayed.fault)
            return DelayedRequest(delayed.seconds, key, method, name, parameters, row, now)
        reply = self._process(key, name, method, parameters, row, now)
        answer_fault = exchange.faults.take(AFTER, user, name, venue=VENUE) if reply.accepted else None
        return reply if answer_fault is None else self._corrupt_reply(reply, answer_fault, request, row)

    def _limits_and_rights(self, key: ApiKey, method: Method, now: float) -> str:
        if self._rest is not None and method.cost:
            tier = TIERS[key.tier]
            if not self._rest.charge(key.name, now, method.cost, tier.rest_max, tier.rest_decay):
                return errors.RATE_LIMIT
        if not method.open_to(key.permissions):
            return errors.PERMISSION_DENIED
        if self._exchange.faults.armed and self._exchange.rules.mode(key.account.user) is TradingStatus.MAINTENANCE:
            self._exchange.rules.count("maintenance_mode", key.account.user)
            return errors.UNAVAILABLE
        return ""

    def _process(
        self, key: ApiKey, name: str, method: Method, parameters: Parameters, row: int, arrived: float
    ) -> Reply:
        exchange = self._exchange
        exchange.catch_up()
        call = Call(exchange, self.trading, self.tokens, key, name, parameters, exchange.clock.now(), arrived)
        try:
            reply = success(method.handler(call))
        except KrakenRefusal as refusal:
            return self._refuse(row, str(refusal), key.account.user, name)
        exchange.journal.verdict(row, OK)
        return reply

    def _refuse(self, row: int, error: str, user: str, name: str) -> Reply:
        faults = self._exchange.faults
        if faults.armed and error in errors.OTHER_SPELLINGS and faults.effect("other_spellings", user, name):
            error = errors.OTHER_SPELLINGS[error]
        self._exchange.journal.verdict(row, error)
        with_result = faults.armed and faults.effect("error_with_result", user, name) is not None
        return failure(error, with_result=with_result)

    def _corrupt_reply(self, reply: Reply, switch: ArmedFault, request: Request, row: int) -> Reply:
        self._exchange.journal.fault(row, switch.fault)
        if switch.fault == "duplicate_delivery":
            self._private(request, request.path[len(PRIVATE) :], METHODS[request.path[len(PRIVATE) :]])
        return corrupt(reply, switch)

    def _refusal(self, switch: ArmedFault) -> str:
        if switch.fault == "throttled":
            return f"EService:Throttled: {int(self._exchange.clock.now()) + 2}"
        if switch.fault == "refused_with":
            return switch.error
        return AT_THE_GATE.get(switch.fault) or BEHIND_THE_GATE[switch.fault]


def _before(switch: ArmedFault) -> Reply:
    if switch.fault == "drop_before_process":
        return Reply(dropped=True)
    if switch.fault == "hang":
        return Reply(delay=switch.seconds, hangs=True)
    if switch.fault == "html_error_page_before_accept":
        return html_page()
    return gateway_error(STATUSES[switch.fault])
