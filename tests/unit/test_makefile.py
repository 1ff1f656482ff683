"""What `make` must not do to a checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT


@pytest.mark.parametrize("target", ["setup", "runtime"])
def test_a_venv_that_is_a_link_is_not_emptied(tmp_path: Path, target: str) -> None:
    """Two checkouts may share one; a new lock in one of them must not take it away from the other."""
    checkout, shared = tmp_path / "checkout", tmp_path / "shared"
    checkout.mkdir()
    shared.mkdir()
    (shared / "kept").touch()
    for name in ("Makefile", "requirements-dev.lock", "requirements-demo.lock"):
        shutil.copy(ROOT / name, checkout)
    (checkout / ".venv").symlink_to(shared)
    done = subprocess.run(
        ["make", "-C", str(checkout), target, f"PYTHON={sys.executable}"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "is a link" in done.stderr
    assert (shared / "kept").exists()
