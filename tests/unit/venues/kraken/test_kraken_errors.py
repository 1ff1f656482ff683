"""Every row of the error catalogue (shared/venues/kraken/KRAKEN.md, K15 to K18) and the leaf it is mapped to."""

from __future__ import annotations

import pytest

from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, as_read
from shared.venues.kraken.errors import LONGEST_WAIT, failure_of

NOW = 1_800_000_000.0

REFUSED_EITHER_WAY = [
    ("EAPI:Invalid key", Refusal.AUTH),
    ("EAPI:Invalid signature", Refusal.AUTH),
    ("EAPI:Invalid nonce", Refusal.NONCE),
    ("EGeneral:Temporary lockout", Refusal.LOCKED),
    ("EGeneral:Permission denied", Refusal.AUTH),
    ("EAPI:Permission denied", Refusal.AUTH),
    ("EAuth:Account temporary disabled", Refusal.AUTH),
    ("EAuth:Account unconfirmed", Refusal.AUTH),
    ("EAccount:Invalid permissions", Refusal.AUTH),
    ("EAccount:Invalid permissions:SUI trading restricted for CA.", Refusal.OTHER),
    ("EGeneral:Invalid arguments", Refusal.OTHER),
    ("EGeneral:Invalid arguments:volume", Refusal.OTHER),
    ("EGeneral:Invalid arguments:price", Refusal.OTHER),
    ("EGeneral:Invalid arguments:viqc", Refusal.OTHER),
    ("EGeneral:Invalid arguments:Index unavailable", Refusal.OTHER),
    ("EGeneral:Invalid arguments:volume minimum not met", Refusal.MINIMUM),
    ("EOrder:Order minimum not met", Refusal.MINIMUM),
    ("EOrder:Cost minimum not met", Refusal.MINIMUM),
    ("EGeneral:Unknown method", Refusal.OTHER),
    ("EGeneral:Invalid arguments:deadline", Refusal.DEADLINE),
    ("EService:Market in cancel_only mode", Refusal.HALTED),
    ("EService:Market in post_only mode", Refusal.HALTED),
    ("EService:Deadline elapsed", Refusal.DEADLINE),
    ("EOrder:Insufficient funds", Refusal.FUNDS),
    ("EOrder:Tick size check failed", Refusal.PRECISION),
    ("EOrder:Invalid price", Refusal.PRECISION),
    ("EOrder:Invalid price:ETH/GBP price can only be specified up to 2 decimals.", Refusal.PRECISION),
    ("EOrder:Post only order", Refusal.OTHER),
    ("EOrder:Orders limit exceeded", Refusal.OTHER),
    ("EOrder:Scheduled orders limit exceeded", Refusal.OTHER),
    ("EOrder:Positions limit exceeded", Refusal.OTHER),
    ("EOrder:Margin allowance exceeded", Refusal.OTHER),
    ("EOrder:Margin level too low", Refusal.OTHER),
    ("EOrder:Margin position size exceeded", Refusal.OTHER),
    ("EOrder:Insufficient margin", Refusal.OTHER),
    ("EOrder:Cannot open position", Refusal.OTHER),
    ("EOrder:Reduce only:No position exists", Refusal.OTHER),
    ("EQuery:Unknown asset pair", Refusal.OTHER),
    ("EQuery:Unknown asset", Refusal.OTHER),
    ("EQuery:Invalid asset pair", Refusal.OTHER),
    ("EOrder:No amendable parameters provided", Refusal.OTHER),
    ("EAPI:Invalid token", Refusal.AUTH),
    ("ESession:Invalid session", Refusal.AUTH),
]
RATE_LIMITS = [
    "EAPI:Rate limit exceeded",
    "EOrder:Rate limit exceeded",
    "EOrder:Domain rate limit exceeded",
    "EAuth:Rate limit exceeded",
    "EGeneral:Too many requests",
    "EService:Throttled: 1800000004",
    "EService: Throttled: 1800000004",
]
DOUBTFUL = [
    "EGeneral:Internal error",
    "EDatabase:Internal error",
    "EService:Unavailable",
    "EService: Unavailable",
    "EService:Busy",
    "EService:Timeout",
    "EOrder:A text that nobody has seen before",
    "EBrandnew:Something",
    "not even an error",
    "",
]


@pytest.mark.parametrize("order", [True, False], ids=["order", "lookup"])
@pytest.mark.parametrize(("text", "refusal"), REFUSED_EITHER_WAY)
def test_a_refusal_is_definite_and_has_its_family(text: str, refusal: Refusal, order: bool) -> None:
    failure = failure_of([text], order=order, now=NOW)
    assert isinstance(failure, Rejected)
    assert failure.refusal is refusal
    assert failure.words == text


@pytest.mark.parametrize("order", [True, False], ids=["order", "lookup"])
@pytest.mark.parametrize("text", RATE_LIMITS)
def test_a_rate_limit_means_not_processed_and_names_a_wait(text: str, order: bool) -> None:
    failure = failure_of([text], order=order, now=NOW)
    assert isinstance(failure, Unavailable)
    assert 0 < failure.retry_after <= 4


def test_a_throttled_until_in_the_past_or_far_ahead_is_not_believed() -> None:
    past = failure_of(["EService:Throttled: 1700000000"], order=True, now=NOW)
    far = failure_of(["EService:Throttled: 1900000000"], order=True, now=NOW)
    assert isinstance(past, Unavailable)
    assert isinstance(far, Unavailable)
    assert (past.retry_after, far.retry_after) == (0.0, LONGEST_WAIT)


@pytest.mark.parametrize("text", DOUBTFUL)
def test_a_failure_of_the_venue_or_an_unknown_text_leaves_an_order_in_doubt(text: str) -> None:
    failure = failure_of([text], order=True, now=NOW)
    assert isinstance(failure, OutcomeUnknown)
    assert isinstance(as_read(failure), Unavailable)


@pytest.mark.parametrize("text", ["EOrder:Invalid order", "EOrder:Unknown order"])
def test_an_unknown_order_is_gone_for_a_lookup_and_a_plain_refusal_for_a_new_one(text: str) -> None:
    looked_up = failure_of([text], order=False, now=NOW)
    placed = failure_of([text], order=True, now=NOW)
    assert isinstance(looked_up, Rejected)
    assert isinstance(placed, Rejected)
    assert (looked_up.refusal, placed.refusal) == (Refusal.GONE, Refusal.OTHER)


@pytest.mark.parametrize(
    "text",
    [
        "EOrder:Duplicate order",
        "EGeneral:Invalid arguments:cl_ord_id",
        "EOrder:reference id in use",
        "EOrder:duplicate id",
    ],
)
def test_whatever_speaks_of_the_client_id_is_a_duplicate_to_be_looked_up(text: str) -> None:
    failure = failure_of([text], order=True, now=NOW)
    assert isinstance(failure, Rejected)
    assert failure.refusal is Refusal.DUPLICATE


def test_warnings_are_successes() -> None:
    assert failure_of([], order=True, now=NOW) is None
    assert failure_of(["WGeneral:Danger"], order=True, now=NOW) is None
    assert isinstance(failure_of(["WGeneral:Danger", "EOrder:Insufficient funds"], order=True, now=NOW), Rejected)


def test_of_several_texts_the_most_doubtful_one_decides() -> None:
    failure = failure_of(["EOrder:Insufficient funds", "EService:Unavailable"], order=True, now=NOW)
    assert isinstance(failure, OutcomeUnknown)


def test_words_are_cut_to_one_short_line() -> None:
    failure = failure_of(["EOrder:Invalid price:\nx\x1b[31m" + "y" * 500], order=True, now=NOW)
    assert isinstance(failure, Rejected)
    assert failure.words.isprintable()
    assert len(failure.words) == 200
