"""The OpenAPI document: what FastAPI derives from the routes, and the problem documents that every route may answer with."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from services.api.actions.bodies import ActionBody
from services.api.problems import MEDIA_TYPE

_PROBLEM: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "An error (RFC 9457). `type` is about:blank, or urn:shoal: and a stable word.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": {"type": "string"}},
        "consequence": {"type": "object"},
    },
    "example": {
        "type": "urn:shoal:consequence-changed",
        "title": "Conflict",
        "status": 409,
        "detail": "what it would do has changed since it was shown",
    },
}
_ANY: Final = {
    "401": "Not signed in",
    "403": "The role does not permit it, or the change is forged",
    "503": "Redis does not answer",
}
_OF_CHANGES: Final = {
    "400": "The confirmation is not of this action",
    "409": "What it would do has changed, or the confirmation is in use",
    "413": "The body is too large",
    "415": "Neither JSON nor a form",
}
_OF_VALUES: Final = {"404": "There is nothing of that name", "422": "A value is wrong, or the action is refused"}
_METHODS: Final = frozenset({"get", "post", "put", "patch", "delete"})
_NOT_OURS: Final = ("HTTPValidationError", "ValidationError")


def add_openapi(app: FastAPI) -> None:
    """Let the application describe its errors as it answers them."""

    def build() -> dict[str, Any]:
        if not app.openapi_schema:
            found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
            app.openapi_schema = _complete(found)
        return app.openapi_schema

    app.openapi = build  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    schemas[ActionBody.__name__] = ActionBody.model_json_schema(ref_template="#/components/schemas/{model}")
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            if method in _METHODS:
                _add_problems(operation, has_body=method != "get")
    return document


def _add_problems(operation: dict[str, Any], *, has_body: bool) -> None:
    said = dict(_ANY)
    if operation.get("parameters") or has_body:
        said |= _OF_VALUES
    if has_body:
        said |= _OF_CHANGES
        operation["responses"].setdefault("303", {"description": "The answer to a form: where the page goes on"})
    for status, text in said.items():
        known = operation["responses"].get(status, {})
        if status != "422" and "content" in known:
            known["content"].setdefault(MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/Problem"}})
        else:
            content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
            operation["responses"][status] = {"description": text, "content": content}
