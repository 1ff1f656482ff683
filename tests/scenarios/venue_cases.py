"""Which faults strike whom at which venue, and what each must come to: the table that the day of `venue_day` lives through.

A fault that both venues know has the same name at both; what differs is beside it. What only one of them can do (nonces and
lockouts at Kraken; tokens, replays and flags of products at Coinbase) is in its own part.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from tests.support.paper_control import WORDS

MARKETS: Final[Mapping[str, Mapping[str, str]]] = {
    "kraken": {"BTC/USD": "0.001", "ETH/USD": "0.01", "BCH/USD": "0.1", "LTC/USD": "1", "AAVE/USD": "0.5"},
    "coinbase": {
        "BTC/USD": "0.001",
        "SOL/USD": "0.4",
        "LINK/USD": "4",
        "AVAX/USD": "2",
        "DOT/USD": "10",
        "UNI/USD": "6",
    },
}
"""What each user buys of it, for 60 USD. The pairs beside BTC/USD are for conditions that hold for whoever trades them."""
FILLED: Final = ("filled", 1)
KINDS: Final = ("entry", "exit")


@dataclass(frozen=True, slots=True)
class Case:
    """How a fault is armed, and the outcome and the number of orders at the exchange that it must lead to."""

    armed: Mapping[str, Any]
    entry: tuple[str, int] = FILLED
    exit: tuple[str, int] = FILLED
    count: int = 1
    """How often it strikes an entry."""
    again: int = 1
    """How often it strikes an exit; 0: until it is turned off."""
    parks: bool = False
    words: str = ""
    """A pattern that the reason of the outcome must have, whatever its case."""
    pairs: tuple[str, str] = ("BTC/USD", "BTC/USD")
    """What is traded by the user whose entry is struck, and by the one whose exit is."""
    before: Mapping[str, Any] | None = None
    """A fault that strikes once, before this one can."""
    strikes: bool = True
    """Whether the exchange can come to it at all: some faults concern what Shoal never does."""


def _refused(fault: str, words: str) -> Case:
    return Case({"fault": fault}, entry=("turned down", 0), again=3, words=words)


def _parks(fault: str, words: str, **more: Any) -> Case:
    return Case({"fault": fault, **more}, entry=("turned down", 0), again=0, parks=True, words=words)


def _everywhere(
    places: str, raised: tuple[str, str], halted: tuple[str, str], words_of_a_halt: str
) -> Mapping[str, Case]:
    """Return the cases of both venues. `places`: the method that places orders; then the pairs of two conditions."""
    return {
        "processed_then_reply_dropped": Case({"fault": "processed_then_reply_dropped"}),
        "502_after_accept": Case({"fault": "502_after_accept"}),
        "html_error_page": Case({"fault": "html_error_page"}),
        "truncated_json": Case({"fault": "truncated_json"}),
        "delay_beyond_timeout_then_processed": Case({"fault": "delay_beyond_timeout_then_processed", "seconds": 5.5}),
        "unavailable_before_accept": Case({"fault": "unavailable_before_accept", "method": places}),
        "unavailable_after_accept": Case({"fault": "unavailable_after_accept"}),
        "520_before_accept": Case({"fault": "http_520", "method": places}),
        "order_invisible_for_3s": Case({"fault": "order_invisible_for_3s"}),
        "partial_fill_then_cancel": Case(
            {"fault": "partial_fill_then_cancel", "fraction": 0.4}, entry=("partial", 1), exit=("filled", 2)
        ),
        "fill_during_cancel": Case({"fault": "fill_during_cancel"}, strikes=False),
        "rate_limited": Case({"fault": "rate_limited", "method": places}),
        "ordermin_raised_mid_run": Case(
            {"fault": "ordermin_raised_mid_run"},
            entry=("turned down", 0),
            exit=("skipped", 0),
            again=0,
            words="minimum|INVALID_QUOTE_SIZE_TOO_SMALL",
            pairs=raised,
        ),
        "balance_lags_fill": Case({"fault": "balance_lags_fill"}),
        "response_moves_order_id": Case({"fault": "response_moves_order_id"}),
        "status_unknown_is_not_filled": Case(
            {"fault": "order_status_unknown"}, entry=("partial", 1), exit=FILLED, again=0
        ),
        "market_order_resolved_after_it_filled": Case({"fault": "processed_then_reply_dropped"}),
        "pair_halted": Case(
            {"fault": "pair_halted"}, entry=("turned down", 0), again=0, words=words_of_a_halt, pairs=halted
        ),
    }


_KRAKEN: Final[Mapping[str, Case]] = {
    **_everywhere("AddOrder", ("ETH/USD", "BCH/USD"), ("LTC/USD", "AAVE/USD"), "cancel_only"),
    "temporary_lockout": _parks("temporary_lockout", "Temporary lockout"),
    "invalid_nonce_burst": Case({"fault": "invalid_nonce_burst", "method": "AddOrder"}),
    "invalid_nonce_for_good": _parks("invalid_nonce_burst", "used by another program"),
    "permission_denied": _parks("permission_denied", "Permission denied", method="AddOrder"),
    "key_revoked_mid_run": _parks("key_revoked_mid_run", "Invalid key"),
    "cancel_only_mode": _refused("cancel_only_mode", "cancel_only"),
}
_COINBASE: Final[Mapping[str, Case]] = {
    **_everywhere("CreateOrder", ("SOL/USD", "LINK/USD"), ("AVAX/USD", "DOT/USD"), "disabled"),
    "permission_denied": _parks("permission_denied", "Missing required scopes", method="CreateOrder"),
    "trade_permission_lost": _parks("trade_permission_lost", "Missing required scopes"),
    "portfolio_switched": _parks("portfolio_switched", "account is not available"),
    "key_revoked_mid_run": _parks("key_revoked_mid_run", "Unauthorized"),
    "cancel_only_mode": _refused("cancel_only_mode", "ORDER_ENTRY_DISABLED"),
    "limit_only": Case({"fault": "product_limit_only"}, pairs=("BTC/USD", "UNI/USD"), strikes=False, again=0),
    "rate_limited_with_a_page": Case({"fault": "http_429_html", "method": "CreateOrder"}),
    "unavailable_with_a_bare_text": Case({"fault": "http_503_go_sg", "method": "CreateOrder"}),
    "unauthorized_burst": Case({"fault": "unauthorized_burst", "method": "CreateOrder"}, count=3, again=3),
    "token_expires_on_the_way": Case({"fault": "delay_beyond_timeout_then_processed", "seconds": 8.5}),
    "accepted_then_failed": Case(
        {"fault": "accepted_then_failed"}, entry=("turned down", 1), exit=("filled", 2), words="HOLD_FAILURE"
    ),
    "pending_for": Case({"fault": "pending_for"}),
    "fills_late": Case({"fault": "fills_late"}),
    "replay_says_duplicate": Case(
        {"fault": "replay_says_duplicate"}, before={"fault": "processed_then_reply_dropped", "count": 1}
    ),
}
CASES: Final[Mapping[str, Mapping[str, Case]]] = {"kraken": _KRAKEN, "coinbase": _COINBASE}
UNKNOWN: Final = "status_unknown_is_not_filled"


@dataclass(frozen=True, slots=True)
class Struck:
    """Somebody whom a fault strikes once: at which venue, by which name of the table, during an entry or an exit."""

    venue: str
    name: str
    kind: str

    @property
    def user(self) -> str:
        """Return the id, of 32 characters at most."""
        return f"{self.venue[0]}-{self.kind}-{self.name}"[:32]

    @property
    def case(self) -> Case:
        """Return what strikes them."""
        return CASES[self.venue][self.name]

    @property
    def pair(self) -> str:
        """Return the pair that they trade."""
        return self.case.pairs[self.kind == "exit"]

    @property
    def size(self) -> Decimal:
        """Return what they buy and sell at a time."""
        return Decimal(MARKETS[self.venue][self.pair])

    @property
    def places(self) -> str:
        """Return the journal's name of the request that places their orders."""
        return WORDS[self.venue].places


def everybody() -> Iterator[Struck]:
    """Iterate over everybody of the day."""
    for venue, cases in CASES.items():
        for name in cases:
            for kind in KINDS:
                yield Struck(venue, name, kind)
