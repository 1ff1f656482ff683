"""Nothing is installed: the working directory is the root, and a package of the same name elsewhere must not win."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import services
import shared

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("package", [shared, services])
def test_the_package_resolves_inside_the_repository(package: ModuleType) -> None:
    assert package.__file__ is not None
    assert Path(package.__file__).resolve() == ROOT / package.__name__ / "__init__.py"
