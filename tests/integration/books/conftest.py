"""Looks at resting orders follow one another at once."""

from __future__ import annotations

from tests.integration.executor.mirroring.conftest import at_once

__all__ = ["at_once"]
