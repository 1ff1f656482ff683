"""Which options each fault honours: one that would arm and never fire, or fire for more than was asked, is refused.

A test that arms a fault for one user and passes because the fault never fired has tested nothing. So every option that a fault
cannot honour, at any venue where it may fire, is refused with a sentence that names it. The stage of a fault decides (see
`core/fault_table.py`), and the tables below name the exceptions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from services.paper_exchange.coinbase.methods import HANDLERS, PUBLIC_HANDLERS
from services.paper_exchange.core.fault_table import FAULTS, ORDERS, QUERIES, FaultSpec, Stage
from services.paper_exchange.kraken.methods import METHODS
from services.paper_exchange.kraken.public import METHODS as PUBLIC_METHODS

VENUES: Final = ("kraken", "coinbase")
PRIVATE: Final[Mapping[str, frozenset[str]]] = {"kraken": frozenset(METHODS), "coinbase": frozenset(HANDLERS)}
PUBLIC: Final[Mapping[str, frozenset[str]]] = {
    "kraken": frozenset(PUBLIC_METHODS),
    "coinbase": frozenset(PUBLIC_HANDLERS),
}
REQUESTS: Final = frozenset({Stage.BEFORE, Stage.REFUSE, Stage.DELAY, Stage.AFTER})
"""They strike a request by its user and method, before or after its parameters have a meaning."""
EVERY_METHOD: Final = frozenset({Stage.BEFORE, Stage.REFUSE, Stage.AFTER})
"""Of these, the ones that strike public methods too."""

ONLY_METHODS: Final[Mapping[str, frozenset[str]]] = {
    "response_moves_order_id": ORDERS | {"EditOrder"},
    "order_invisible_for_3s": ORDERS,
    "fee_in_base": ORDERS,
    "partial_fill": ORDERS,
    "partial_fill_then_cancel": ORDERS,
    "accepted_then_failed": ORDERS,
    "pending_for": ORDERS,
    "replay_says_duplicate": ORDERS,
    "fills_late": ORDERS,
    "fills_listed_late": ORDERS,
    "fill_during_cancel": frozenset({"CancelOrder", "CancelOrders"}),
    "stale_open_orders": frozenset({"OpenOrders", "ListOrders"}),
    "order_status_unknown": QUERIES,
    "volume_in_quote": QUERIES,
    "row_without_type": QUERIES,
    "alias_in_fills": frozenset({"ListFills"}),
}
"""The methods that a fault can be bound to, where those are not all."""
PRIVATE_METHODS_ONLY: Final = frozenset({"duplicate_delivery", "other_spellings", "error_with_result"})
NO_METHOD: Final = frozenset({"balance_lags_fill"})
"""Effects that no single method causes; neither does any condition."""

_BOTH: Final = frozenset(VENUES)
_KRAKEN: Final = frozenset({"kraken"})
_COINBASE: Final = frozenset({"coinbase"})
SAME_FOR_EVERY_USER: Final[Mapping[str, frozenset[str]]] = {
    "ordermin_raised_mid_run": _BOTH,
    "precision_change": _BOTH,
    "pair_not_listed": _BOTH,
    "pair_halted": _KRAKEN,
    "clock_ahead": _BOTH,
    "clock_behind": _BOTH,
}
"""Where a fault cannot be bound to a user."""
SAME_FOR_EVERY_SYMBOL: Final[Mapping[str, frozenset[str]]] = {
    "stale_open_orders": _BOTH,
    "order_status_unknown": _COINBASE,
    "other_spellings": _BOTH,
    "error_with_result": _BOTH,
    "alias_in_fills": _BOTH,
    "maintenance_mode": _BOTH,
    "cancel_only_mode": _KRAKEN,
    "post_only_mode": _KRAKEN,
    "throttled_with_401": _BOTH,
    "trade_permission_lost": _BOTH,
    "portfolio_switched": _BOTH,
    "clock_ahead": _BOTH,
    "clock_behind": _BOTH,
}
"""Where a fault cannot be bound to a symbol; none that strikes requests can."""
NOT_COUNTED: Final = frozenset({"precision_change", "pair_not_listed", "clock_ahead", "clock_behind"})
"""Conditions that are seen rather than struck: they end with their time, or when they are disarmed."""
STRUCK_BY_CHANCE: Final = frozenset({"portfolio_switched", "throttled_with_401"})
"""Conditions that are drawn anew for each request; the others hold as long as they are armed."""
WITH_FRACTION: Final = frozenset({"partial_fill", "partial_fill_then_cancel"})


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """What a fault is to be armed with; `fraction` only says whether there is one."""

    fault: str
    user: str = ""
    venue: str = ""
    method: str = ""
    symbol: str = ""
    count: int | None = None
    probability: float = 1.0
    fraction: bool = False

    @property
    def kind(self) -> FaultSpec:
        """Return the row of the fault table."""
        return FAULTS[self.fault]

    @property
    def venues(self) -> tuple[str, ...]:
        """Return the venues where it may fire."""
        only = self.venue or self.kind.venue
        return (only,) if only else VENUES


def refusal_of(options: FaultOptions) -> str:
    """Return the sentence that says which option the fault cannot honour; empty if it honours all of them."""
    if options.kind.stage not in REQUESTS | {Stage.EFFECT, Stage.CONDITION}:
        return ""  # a stage with its own rules
    return _user(options) or _symbol(options) or _method(options) or _count(options) or _rest(options)


def _user(options: FaultOptions) -> str:
    fault = options.fault
    if not options.user:
        return ""
    if same := _at(options, SAME_FOR_EVERY_USER):
        return f"{fault} is the same for every user at {same}: arm it without a user"
    if _is_public(options):
        return f"{options.method} is public, so {fault} cannot be bound to a user there: arm it without a user"
    return ""


def _symbol(options: FaultOptions) -> str:
    fault = options.fault
    if not options.symbol:
        return ""
    if options.kind.stage in REQUESTS:
        return f"{fault} strikes requests, whatever their symbol: arm it without a symbol"
    if same := _at(options, SAME_FOR_EVERY_SYMBOL):
        return f"{fault} is the same for every symbol at {same}: arm it without a symbol"
    return ""


def _method(options: FaultOptions) -> str:
    fault, method, stage = options.fault, options.method, options.kind.stage
    if not method:
        return ""
    if stage is Stage.CONDITION or fault in NO_METHOD:
        return f"{fault} does not depend on a method: arm it without one"
    known = {name for venue in options.venues for name in PRIVATE[venue] | PUBLIC[venue]}
    if method not in known:
        return f"method {method!r} is not a method of {' or '.join(options.venues)}"
    allowed = ONLY_METHODS.get(fault)
    if allowed is not None:
        fitting = allowed & known
        return "" if method in fitting else f"{fault} strikes only {', '.join(sorted(fitting))}, not {method}"
    if _is_public(options) and (stage not in EVERY_METHOD or fault in PRIVATE_METHODS_ONLY):
        return f"{fault} strikes private methods only, and {method} is public"
    return ""


def _count(options: FaultOptions) -> str:
    if options.count is not None and options.fault in NOT_COUNTED:
        return f"{options.fault} is a state and strikes nothing that could be counted: arm it with seconds instead of count"
    return ""


def _rest(options: FaultOptions) -> str:
    fault = options.fault
    if options.probability < 1 and options.kind.stage is Stage.CONDITION and fault not in STRUCK_BY_CHANCE:
        return f"{fault} is a state and holds for every request: arm it without a probability"
    if options.fraction and fault not in WITH_FRACTION:
        return f"{fault} fills nothing: fraction is for {', '.join(sorted(WITH_FRACTION))}"
    return ""


def _at(options: FaultOptions, table: Mapping[str, frozenset[str]]) -> str:
    return " and ".join(venue for venue in options.venues if venue in table.get(options.fault, ()))


def _is_public(options: FaultOptions) -> bool:
    """Return whether the method is public at a venue where the fault may fire."""
    return any(options.method in PUBLIC[venue] for venue in options.venues)
