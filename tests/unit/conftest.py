"""A process environment of the test's own."""

from __future__ import annotations

import os

import pytest

from shared.config.settings import Settings


@pytest.fixture
def env(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Start from an environment that holds nothing of Shoal's."""
    names = {name.upper() for name in Settings.model_fields}
    for name in list(os.environ):
        if name in names or name.startswith(("SHOAL_", "KRAKEN_", "COINBASE_")):
            monkeypatch.delenv(name)
    return monkeypatch
