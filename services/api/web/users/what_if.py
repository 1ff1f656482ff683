"""The page on which a user's other settings are tried on their own past signals: a form, and the table of what would differ.

It changes nothing. It reads a bounded number of decisions, one page at a time, and lets other requests go on in between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response

from services.api.web.rendering import Pages
from services.api.web.users.account import AccountReader
from services.api.web.users.routes import only_own
from shared.bus.connection import Bus
from shared.config.users.changes import settings_of
from shared.domain.limits.risk_state import DAY_MS
from shared.what_if.changed_settings import SettingsChange, WhatIfRefused, why_not_asked
from shared.what_if.views import ASSUMPTIONS, effect_words, mismatch_words, notes_of, rows_of
from shared.what_if.what_if import WhatIf, run_what_if

MOST: Final = 500
"""Decisions that one request reads; `ops what-if` reads more."""
_ROWS: Final = 200
_MISMATCHES: Final = 20
_SETTING: Final = "set."
_MOST_SETTINGS: Final = 200
_DAYS: Final = 7
Days = Annotated[int, Query(ge=1, le=90)]


def build_what_if_routes(bus: Bus, pages: Pages, accounts: AccountReader) -> APIRouter:
    """Build the route."""
    router = APIRouter(include_in_schema=False)
    one_at_a_time = asyncio.Lock()

    @router.get("/users/{user}/what-if", dependencies=[Depends(only_own)])
    async def what_if(request: Request, user: str, days: Days = _DAYS) -> Response:
        found = await accounts.find(user)
        if found is None:
            return await pages.problem(request, 404, "No such user", f"There is no user {user}.")
        present = {key: value for key, value in settings_of(found.policy).items() if not why_not_asked(key)}
        typed = _typed(request)
        fields = {key: typed.get(key, value) for key, value in present.items()}
        values: dict[str, Any] = {"user": user, "days": days, "settings": fields, "refused": "", "found": None}
        if typed:
            start = time.time_ns() // 1_000_000 - days * DAY_MS
            try:
                change = SettingsChange(_changes(present, typed))
                async with one_at_a_time:
                    values |= _shown(await run_what_if(bus, user, change, start, most=MOST))
            except WhatIfRefused as error:
                values["refused"] = str(error)
        return await pages.page(request, "what_if.html", **values)

    return router


def _typed(request: Request) -> dict[str, str]:
    """Return what was typed, by setting. Raises HTTPException 422 for more than there are settings."""
    items = [(name, value) for name, value in request.query_params.multi_items() if name.startswith(_SETTING)]
    if len(items) > _MOST_SETTINGS:
        raise HTTPException(422, "too many settings")
    return {name.removeprefix(_SETTING): value.strip() for name, value in items}


def _changes(present: Mapping[str, str], typed: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the settings whose field was changed; a field without text stands for a setting that is not set."""
    return [(key, value) for key, value in typed.items() if (value or "not set") != present.get(key, "not set")]


def _shown(found: WhatIf) -> dict[str, Any]:
    rows = rows_of(found)
    return {
        "found": found,
        "equal": found.repeated - len(found.mismatches),
        "mismatches": [mismatch_words(each) for each in found.mismatches[:_MISMATCHES]],
        "rows": rows[-_ROWS:][::-1],
        "left_out": max(len(rows) - _ROWS, 0),
        "effect": effect_words(found),
        "notes": notes_of(found),
        "assumptions": ASSUMPTIONS,
    }
