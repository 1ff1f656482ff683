"""Every route of the API, so that a test which is parametrised over them covers those that are added later."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import cast

from fastapi.routing import iter_route_contexts

from services.api.app import build
from shared.bus.connection import Bus
from shared.config.settings import Settings


def all_routes() -> list[tuple[str, str]]:
    """Return method and path template of every route."""
    app, _ = build(cast("Bus", None), Settings(shoal_config=Path("config")))
    found = set()
    for route in iter_route_contexts(app.routes):
        path = str(getattr(route, "path", ""))
        for method in getattr(route, "methods", None) or {"GET"}:
            found.add((method, path))
    return sorted(found)


def fill(template: str, values: dict[str, list[str]], others: list[str]) -> list[str]:
    """Return paths of a template: each parameter with each of its values, those without a name here with `others`."""
    parts = template.split("/")
    choices = []
    for part in parts:
        name = part.strip("{}").partition(":")[0] if part.startswith("{") else ""
        choices.append(values.get(name, others) if name else [part])
    return ["/".join(chosen) for chosen in product(*choices)]
