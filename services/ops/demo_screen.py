"""Where the demo's lines go: a coloured name before each, and never a failure of its own when the reader of a pipe has gone."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Final

from rich.console import Console
from rich.text import Text

_COLOURS: Final = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")
_WIDTH: Final = 15


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # instead of ending the process, with children that nobody would end


class Screen:
    """Standard output, line by line; `closed` is set once nobody reads it any more."""

    def __init__(self) -> None:
        self._console = _Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._colours: dict[str, str] = {}
        self.closed = asyncio.Event()

    def line(self, name: str, text: str) -> None:
        """Print a line of a child."""
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._print(Text.assemble((f"{name:<{_WIDTH}} | ", colour), text))

    def say(self, text: str) -> None:
        """Print a line of the demo itself."""
        self._print(Text.assemble((f"{'demo':<{_WIDTH}} | ", "bold"), (text, "bold")))

    def block(self, text: str) -> None:
        """Print a text as it is."""
        self._print(Text(text))

    def _print(self, text: Text) -> None:
        if self.closed.is_set():
            return
        try:
            self._console.print(text)
            sys.stdout.flush()
        except OSError:
            self.closed.set()
            # What is still buffered must not raise again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
