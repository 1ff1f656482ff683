"""A configuration folder with three users of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.shipped_config import all_at_kraken


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The shipped users: alice, bob, carol."""
    return all_at_kraken(tmp_path)
