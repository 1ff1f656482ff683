"""What an answer of Coinbase comes to at the port: by status, then by either shape, then by families of reasons."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.venues.answers import read_object
from shared.venues.coinbase.errors import failure_of, refusal_of
from shared.venues.coinbase.transport import Reply
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable, VenueError

PAGE = b"<!DOCTYPE html><html><title>Attention Required! | Cloudflare</title></html>"
BAD = json.dumps({"error": "INVALID_ARGUMENT", "error_details": "limit", "message": "limit"}).encode()
GATEWAY = json.dumps({"error": "x", "code": 3, "message": "y", "details": [{"type_url": "t", "value": "v"}]}).encode()


def answer(status: int, raw: bytes, wait: float = 0.0) -> Reply:
    return Reply(status, read_object(raw), len(raw), wait)


def failure(status: int, raw: bytes, *, order: bool = True) -> VenueError:
    found = failure_of(answer(status, raw), order=order)
    assert found is not None
    return found


@pytest.mark.parametrize("order", [True, False])
@pytest.mark.parametrize(
    ("status", "raw"),
    [
        (500, BAD),
        (500, b'{"errors":[{"id":"internal_server_error","message":"m"}]}'),
        (502, PAGE),
        (503, b"go/sg/0f1e2d3c-4b5a-4697-8877-665544332211"),
        (504, b""),
        (520, b"error code: 520"),
        (302, b""),
        (204, b""),
        (200, b'{"success":tr'),
        (200, PAGE),
        (200, b"[]"),
        (200, b'{"success":true,"success":false}'),
        (400, PAGE),
        (403, PAGE),
        (404, PAGE),
        (408, BAD),
        (409, BAD),
        (499, BAD),
    ],
)
def test_what_may_have_been_processed_is_unknown(status: int, raw: bytes, order: bool) -> None:
    assert isinstance(failure(status, raw, order=order), OutcomeUnknown)


@pytest.mark.parametrize("raw", [b"Unauthorized", b"", PAGE, b'{"errors":[{"id":"unauthorized","message":"m"}]}'])
def test_a_401_is_of_the_key_in_any_shape(raw: bytes) -> None:
    found = failure(401, raw)
    assert isinstance(found, Rejected)
    assert (found.refusal, "401" in found.words) == (Refusal.AUTH, True)


@pytest.mark.parametrize(
    ("status", "raw", "order", "refusal"),
    [
        (403, b'{"error":"PERMISSION_DENIED","error_details":"Missing required scopes"}', True, Refusal.AUTH),
        (404, b'{"error":"NOT_FOUND","error_details":"x","message":"x"}', False, Refusal.GONE),
        (404, b'{"error":"unknown","error_details":"order with this orderID was not found"}', False, Refusal.GONE),
        (404, b'{"error":"NOT_FOUND"}', True, Refusal.OTHER),
        (400, BAD, True, Refusal.OTHER),
        (400, GATEWAY, True, Refusal.OTHER),
        (400, b'{"error":"INVALID_ARGUMENT","message":"Insufficient balance in source account"}', True, Refusal.FUNDS),
        (400, b"{}", True, Refusal.OTHER),
    ],
)
def test_coinbase_s_own_words_below_500_are_definite(status: int, raw: bytes, order: bool, refusal: Refusal) -> None:
    found = failure(status, raw, order=order)
    assert isinstance(found, Rejected)
    assert found.refusal is refusal


@pytest.mark.parametrize("raw", [b'{"errors":[{"id":"rate_limit_exceeded","message":"Too many requests"}]}', PAGE, b""])
def test_a_429_was_not_processed(raw: bytes) -> None:
    found = failure_of(answer(429, raw, 2.5), order=True)
    assert isinstance(found, Unavailable)
    assert found.retry_after == 2.5


@pytest.mark.parametrize("raw", [b"{}", b'{"success":false}', b'{"error":"","orders":[]}'])
def test_an_object_with_status_200_is_no_failure_by_itself(raw: bytes) -> None:
    assert failure_of(answer(200, raw), order=True) is None


def refused(**response: Any) -> Rejected:
    found = refusal_of({"success": False, "error_response": response})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("reason", "refusal"),
    [
        ("INSUFFICIENT_FUND", Refusal.FUNDS),
        ("PREVIEW_INSUFFICIENT_FUND", Refusal.FUNDS),
        ("INSUFFICIENT_FUNDS", Refusal.FUNDS),
        ("INSUFFICIENT_LEDGER_BALANCE", Refusal.FUNDS),
        ("PREVIEW_INVALID_LEDGER_BALANCE", Refusal.FUNDS),
        ("INVALID_BASE_SIZE_TOO_SMALL", Refusal.MINIMUM),
        ("PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", Refusal.MINIMUM),
        ("INVALID_BASE_SIZE_TOO_LARGE", Refusal.OTHER),
        ("INVALID_SIZE_PRECISION", Refusal.PRECISION),
        ("PREVIEW_INVALID_PRICE_PRECISION", Refusal.PRECISION),
        ("INVALID_LIMIT_PRICE_PRECISION", Refusal.PRECISION),
        ("TRADING_DISABLED", Refusal.HALTED),
        ("PRODUCT_TRADING_HALTED", Refusal.HALTED),
        ("ORDER_ENTRY_DISABLED", Refusal.HALTED),
        ("PREVIEW_UNTRADABLE_PRODUCT", Refusal.HALTED),
        ("NOT_ALLOWED_BY_MARKET_STATE", Refusal.HALTED),
        ("INVALID_NO_LIQUIDITY", Refusal.HALTED),
        ("PREVIEW_MISSING_PRODUCT_PRICE_BOOK", Refusal.HALTED),
        ("MISSING_MARKET_TRADE_DATA", Refusal.HALTED),
        ("INVALID_LIMIT_PRICE_POST_ONLY", Refusal.HALTED),
        ("PREVIEW_INVALID_LIMIT_PRICE_POSTONLY", Refusal.HALTED),
        ("DUPLICATE_CLIENT_ORDER_ID", Refusal.DUPLICATE),
        ("INVALID_LIMIT_PRICE", Refusal.OTHER),
        ("GEOFENCING_RESTRICTION", Refusal.OTHER),
        ("UNKNOWN_FAILURE_REASON", Refusal.OTHER),
        ("COMMANDER_REJECTED_NEW_ORDER", Refusal.OTHER),
        ("A_WORD_OF_NEXT_YEAR", Refusal.OTHER),
    ],
)
@pytest.mark.parametrize("field", ["new_order_failure_reason", "preview_failure_reason", "error"])
def test_a_refusal_has_a_family_whichever_field_names_it(field: str, reason: str, refusal: Refusal) -> None:
    found = refused(**{field: reason}, message="words")
    assert found.refusal is refusal
    assert found.words == f"{reason}: words"


def test_a_reason_beside_unknown_ones_is_the_one_that_counts() -> None:
    found = refused(
        error="UNKNOWN_FAILURE_REASON",
        message="m",
        error_details="",
        preview_failure_reason="PREVIEW_INSUFFICIENT_FUND",
        new_order_failure_reason="UNKNOWN_FAILURE_REASON",
    )
    assert (found.refusal, found.words) == (Refusal.FUNDS, "PREVIEW_INSUFFICIENT_FUND: m")


@pytest.mark.parametrize(
    ("response", "refusal"),
    [
        ({"message": "Insufficient balance in source account"}, Refusal.FUNDS),
        ({"error": "UNKNOWN_FAILURE_REASON", "message": "account is not available"}, Refusal.AUTH),
        ({"error_details": "Too many\nlines", "error": 5}, Refusal.OTHER),
    ],
)
def test_a_message_can_be_all_that_is_said(response: dict[str, Any], refusal: Refusal) -> None:
    found = refused(**response)
    assert found.refusal is refusal
    assert "\n" not in found.words


@pytest.mark.parametrize(
    "body",
    [
        {"success": False},
        {"success": False, "error_response": None},
        {"success": False, "failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": ""},
    ],
)
def test_a_refusal_without_a_reason_is_a_refusal(body: dict[str, Any]) -> None:
    found = refusal_of(body)
    assert found is not None
    assert found.refusal is Refusal.OTHER


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"success": None},
        {"success": "false", "error_response": {"error": "X"}},
        {"success": 0, "error_response": {"error": "X"}},
        {"success": True, "error_response": {"error": "X"}},
        {"success": False, "error_response": {"error": "X"}, "order_id": "o"},
        {"success": False, "error_response": {"error": "X"}, "success_response": {"order_id": "o"}},
    ],
)
def test_only_a_plain_no_is_a_refusal(body: dict[str, Any]) -> None:
    assert refusal_of(body) is None
