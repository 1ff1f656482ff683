"""Runs `python -m services.ops` against a stack, as a person does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from tests.support.processes import ROOT
from tests.support.stack import Stack


@dataclass(frozen=True, slots=True)
class Told:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The object in the last line."""
        assert self.out, self.err
        found: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return found


def run_ops(stack: Stack, *words: str, typed: str = "") -> Told:
    """Run one command; `typed` is what is answered to its questions."""
    ran = subprocess.run(
        [sys.executable, "-m", "services.ops", *words],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **stack.environment()},
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Told(ran.returncode, ran.stdout, ran.stderr)
