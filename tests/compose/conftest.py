"""One start of the shipped compose file for all tests of this folder.

The files run in the order of their names, and so do the tests in each: later ones change the running project.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.compose.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    """The whole system with one executor container per user, over the data of a Redis without users and passwords."""
    try:
        subprocess.run(["docker", "info"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        pytest.fail("no Docker engine answers: start one, then make compose-test")
    stack = Stack()
    try:
        stack.keep_from_before("kept-from-before", "1")
        stack.up("--scale", "executor=3")
        yield stack
    finally:
        stack.down()
