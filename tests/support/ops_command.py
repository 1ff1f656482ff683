"""Runs `python -m services.ops` against a stack, as a person does."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import Any

from tests.support import python_module
from tests.support.stack import Stack


@dataclass(frozen=True, slots=True)
class CommandResult:
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


def run_ops(stack: Stack, *words: str, typed: str = "") -> CommandResult:
    """Run one command; `typed` is what is answered to its questions."""
    environment = {"PATH": os.environ["PATH"], **stack.environment()}
    ran = python_module.run("services.ops", words, environment, typed=typed)
    return CommandResult(ran.returncode, ran.stdout, ran.stderr)
