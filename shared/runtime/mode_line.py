"""The first log line of a service that takes part in trading: whether it moves real money."""

from __future__ import annotations

import os

import structlog

from shared.config.settings import Mode, Settings

log = structlog.get_logger()


def log_mode(settings: Settings) -> None:
    """Log whether this process moves real money; in red if the log is for people."""
    if settings.shoal_mode is Mode.PAPER:
        log.info("PAPER: no real money", mode="paper")
        return
    text = "LIVE: REAL MONEY"
    # Also without a terminal: a container has none, and its engine shows the colours.
    red = settings.log_format == "console" and not os.environ.get("NO_COLOR")
    log.warning(f"\x1b[1;37;41m {text} \x1b[0m" if red else text, mode="live")
