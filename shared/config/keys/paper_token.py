"""The token of the paper exchange's control plane, from its file: the exchange reads it, and the commands that use the plane."""

from __future__ import annotations

from pathlib import Path

from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.runtime.logging import hide


def read_paper_token(settings: Settings) -> str:
    """Return the token; empty where none is set. Raises ConfigurationError if the file cannot be read or is empty."""
    if not settings.paper_token_file:
        return ""
    path = Path(settings.paper_token_file)
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a token"
        raise ConfigurationError(f"PAPER_TOKEN_FILE: {path} cannot be read: {why}") from None
    if not token or not token.isprintable() or " " in token:
        raise ConfigurationError(f"PAPER_TOKEN_FILE: {path} holds no token")
    hide(token)
    return token
