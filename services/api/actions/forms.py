"""Reads the body of an action: JSON from programs, a form from pages, which is answered by a redirect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from services.api.access.refusals import safe_path
from services.api.actions.bodies import ActionBody
from services.api.actions.body_examples import BODY_EXAMPLES

_FORM: Final = "application/x-www-form-urlencoded"
_JSON: Final = "application/json"
_SETTING: Final = "set."
_NOT_OURS: Final = frozenset({"csrf", "next"})
_MOST_BYTES: Final = 256 * 1024
_MOST_FIELDS: Final = 300
_FIELDS: Final = [*(name for name in ActionBody.model_fields if name != "settings"), "csrf", "next"]

REQUEST_BODY: Final = {
    "required": True,
    "content": {
        _JSON: {"schema": {"$ref": "#/components/schemas/ActionBody"}, "examples": BODY_EXAMPLES},
        _FORM: {
            "schema": {
                "type": "object",
                "description": "The fields of ActionBody; settings as set.<key>; csrf; next: the path to go on to",
                "properties": {
                    name: {"type": "string"}
                    for name in (*ActionBody.model_fields, "csrf", "next")
                    if name != "settings"
                },
            }
        },
    },
}


@dataclass(frozen=True, slots=True)
class Posted:
    """A body, and where a page wants to go on; None for JSON, which is answered with JSON."""

    body: ActionBody
    next: str | None


async def read_posted(request: Request, home: str) -> Posted:
    """Read the body. `home`: where a form goes on that names no path. Raises RequestValidationError, HTTPException."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == _FORM:
        form = await request.form(max_fields=_MOST_FIELDS)
        texts = [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
        fields: dict[str, Any] = {name: value for name, value in texts if not name.startswith(_SETTING)}
        settings = {name.removeprefix(_SETTING): value for name, value in texts if name.startswith(_SETTING)}
        wanted = str(fields.get("next", ""))
        given = {name: value for name, value in fields.items() if name not in _NOT_OURS}
        return Posted(_validate({**given, "settings": settings}), safe_path(wanted) or home)
    if kind != _JSON:
        raise HTTPException(415, f"send {_JSON} or {_FORM}")
    return Posted(_validate(await _json(request)), None)


async def _json(request: Request) -> object:
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "the body is too large")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise RequestValidationError([{"loc": ("body",), "type": "json_invalid"}]) from None


def _validate(values: object) -> ActionBody:
    try:
        return ActionBody.model_validate(values)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from None
