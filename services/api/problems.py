"""Every error of the API as a problem document (RFC 9457): `type`, `title`, `status`, `detail`, and members of their own.

A detail says what is wrong in one sentence, and never repeats a secret that was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from shared.bus.errors import BusError
from shared.operations.errors import (
    ActionRefused,
    BadConfirmation,
    ConfirmationPending,
    ConsequenceChanged,
    UnknownTarget,
)

MEDIA_TYPE: Final = "application/problem+json"
_RETRY_AFTER: Final = {"Retry-After": "2"}
_WORDS: Final[Mapping[str, str]] = {
    "missing": "is missing",
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "bool_parsing": "must be true or false",
    "string_type": "must be a text",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "must have at most {max_length} characters",
    "string_too_short": "must have at least {min_length} characters",
    "enum": "must be one of {expected}",
    "literal_error": "must be one of {expected}",
    "extra_forbidden": "is unknown",
    "json_invalid": "is not valid JSON",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "too_long": "has too many values",
    "model_attributes_type": "must be an object",
    "model_type": "must be an object",
}
_STATUS: Final[Mapping[type[ActionRefused], tuple[int, str]]] = {
    UnknownTarget: (404, "unknown-target"),
    BadConfirmation: (400, "bad-confirmation"),
    ConsequenceChanged: (409, "consequence-changed"),
    ConfirmationPending: (409, "confirmation-pending"),
}


def problem(
    status: int, detail: str, kind: str = "", headers: Mapping[str, str] | None = None, **members: Any
) -> JSONResponse:
    """Return a problem document; `kind` is a stable word where the status alone does not say what happened."""
    named = f"urn:shoal:{kind}" if kind else "about:blank"
    body = {"type": named, "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **members}
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error of every route with a problem document."""

    async def unavailable(_: Request, error: Exception) -> JSONResponse:
        return problem(503, str(error), "redis-unavailable", _RETRY_AFTER)

    async def refused(_: Request, error: Exception) -> JSONResponse:
        status, kind = kind_of(error)
        if isinstance(error, ConsequenceChanged):
            now = error.consequence
            members = {"text": now.text, "details": list(now.details), "notes": list(now.notes), "token": error.token}
            return problem(status, str(error), kind, consequence=members)
        return problem(status, str(error), kind)

    async def stated(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)  # noqa: S101  # as registered below
        return problem(error.status_code, str(error.detail), headers=error.headers)

    async def invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)  # noqa: S101  # as registered below
        found = describe_errors(error.errors())
        return problem(422, "; ".join(found), "invalid-request", errors=found)

    async def failed(_: Request, error: Exception) -> JSONResponse:
        return problem(500, f"the api failed ({type(error).__name__}): its log says where")

    app.add_exception_handler(BusError, unavailable)
    app.add_exception_handler(ActionRefused, refused)
    app.add_exception_handler(HTTPException, stated)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, failed)


def kind_of(error: Exception) -> tuple[int, str]:
    """Return status and stable word of a refusal."""
    return next((said for kind, said in _STATUS.items() if isinstance(error, kind)), (422, "action-refused"))


def describe_errors(errors: Sequence[Any]) -> list[str]:
    """Return what is wrong with a request's values, each in our own words with the value's name."""
    found = []
    for error in errors:
        where = ".".join(str(part) for part in error["loc"] if part not in {"query", "path", "body"}) or "the body"
        words = _WORDS.get(error["type"], "is not valid")
        found.append(f"{where} {words.format_map(_Context(error.get('ctx') or {}))}")
    return sorted(set(found))


class _Context(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "what is permitted"
