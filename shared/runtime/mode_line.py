"""The line with which a service that has a part in trading begins its log: whose money it moves."""

from __future__ import annotations

import os

import structlog

from shared.config.settings import Mode, Settings

log = structlog.get_logger()


def log_mode(settings: Settings) -> None:
    """Log whether this process moves real money: in red where people read the log."""
    if settings.shoal_mode is Mode.PAPER:
        log.info("PAPER: no real money", mode="paper")
        return
    text = "LIVE: REAL MONEY"
    # Behind a pipe too: a container has no terminal of its own, and its engine shows the colours.
    red = settings.log_format == "console" and not os.environ.get("NO_COLOR")
    log.warning(f"\x1b[1;37;41m {text} \x1b[0m" if red else text, mode="live")
