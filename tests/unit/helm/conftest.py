"""Helm's engine comes as a wheel, and there is none for Macs with Intel processors: the chart is not tested on these."""

from __future__ import annotations

import platform
import sys
from typing import Any

import pytest

collect_ignore_glob = ["test_*.py"] if sys.platform == "darwin" and platform.machine() == "x86_64" else []


@pytest.fixture(scope="module")
def full() -> list[dict[str, Any]]:
    """The manifests with all that values can turn on."""
    from tests.unit.helm.chart import FULL, render  # noqa: PLC0415  # where there is no wheel, nothing imports it

    return render(FULL)
