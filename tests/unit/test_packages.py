"""Nothing is installed: the working directory is the root, and a package of the same name elsewhere must not win."""

from __future__ import annotations

import subprocess
import sys
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


@pytest.mark.parametrize("service", ["copy_engine", "executor", "master_strategy", "paper_exchange"])
def test_no_service_carries_what_only_ops_shows_tables_with(service: str) -> None:
    asked = f"import services.{service}.app, sys; sys.exit('rich' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asked], check=False, cwd=ROOT, timeout=60).returncode == 0
