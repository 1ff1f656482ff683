"""Puts access control around the application: the middleware in front of all routes, and the routes of signing in."""

from __future__ import annotations

from fastapi import FastAPI

from services.api.access.forgery import origin_of
from services.api.access.middleware import AccessMiddleware
from services.api.access.sessions import Sessions
from services.api.access.sign_in.desk import SignIn
from services.api.access.sign_in.routes import build_access_routes
from services.api.access.sign_in.verifier import PasswordVerifier
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.sign_in.access_tokens import AccessTokens


def add_access(app: FastAPI, bus: Bus, settings: Settings) -> None:
    """Add access control to an application, whatever routes it gets later."""
    sessions = Sessions(bus)
    app.include_router(build_access_routes(SignIn(bus, sessions, PasswordVerifier())))
    app.add_middleware(
        AccessMiddleware,
        sessions,
        AccessTokens(bus),
        open_to_this_machine=settings.api_sign_in == "off",
        origins=_origins(settings),
    )


def _origins(settings: Settings) -> frozenset[str]:
    """Return the origins of the page behind a proxy that passes another host on."""
    named = {f"https://{name}" for name in settings.api_hosts}
    return frozenset(named | ({origin_of(settings.api_url)} if settings.api_url else set()))
