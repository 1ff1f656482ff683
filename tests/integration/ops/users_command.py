"""What tests of `ops user` run: the command, with a folder of one user."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from tests.integration.ops.command import Ran

Run = Callable[..., Awaitable[Ran]]
ALICE: Final = '# hers\nenabled = true   # since May\nvenues = ["kraken"]\n\n[limits]\nmax_positions = 8\n'
