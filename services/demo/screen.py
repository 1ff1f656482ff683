"""The demo's output: its own lines go to the screen, those of each service to a file (and to the screen, with VERBOSE=1).

A closed pipe is not a failure of the demo.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict, deque
from pathlib import Path
from typing import Final, TextIO

from rich.console import Console
from rich.text import Text

_COLOURS: Final = ("cyan", "yellow", "green", "magenta", "blue", "bright_cyan", "bright_yellow", "bright_green")
_WIDTH: Final = 15
_SERIOUS: Final = ("[error", "[critical")
"""Marks of a line that must be shown at once, as the console log format writes them."""
_TAIL: Final = 15


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # instead of ending the process, which would leave the children running


class Screen:
    """Standard output, line by line; `closed` is set when its reader has gone."""

    def __init__(self, folder: Path, *, verbose: bool) -> None:
        """`folder` gets a log of each child; with `verbose` their lines are shown too."""
        self._folder = folder
        self._verbose = verbose
        self._console = _Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._colours: dict[str, str] = {}
        self._logs: dict[str, TextIO] = {}
        self._last: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_TAIL))
        self.closed = asyncio.Event()

    def line(self, name: str, text: str) -> None:
        """Log a line of a child, and show it if it is serious or `verbose` is set."""
        self._last[name].append(text)
        self._log(name).write(f"{text}\n")
        if self._verbose or any(mark in text for mark in _SERIOUS):
            self._show_line(name, text)

    def show_last(self, name: str) -> None:
        """Show the last lines of a child's log, unless all lines are shown anyway."""
        if not self._verbose:
            for text in self._last[name]:
                self._show_line(name, text)

    def print_line(self, text: str) -> None:
        """Print a line of the demo itself."""
        self._print(Text(text, "bold"))

    def block(self, text: str) -> None:
        """Print a text unchanged."""
        self._print(Text(text))

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs.values():
            log.close()

    def log_path(self, name: str) -> Path:
        """Return the path of a child's log."""
        return self._folder / f"{name}.log"

    def _log(self, name: str) -> TextIO:
        if name not in self._logs:
            self._logs[name] = self.log_path(name).open("w", encoding="utf-8", buffering=1)
        return self._logs[name]

    def _show_line(self, name: str, text: str) -> None:
        colour = self._colours.setdefault(name, _COLOURS[len(self._colours) % len(_COLOURS)])
        self._print(Text.assemble((f"{name:<{_WIDTH}} | ", colour), text))

    def _print(self, text: Text) -> None:
        if self.closed.is_set():
            return
        try:
            self._console.print(text)
            sys.stdout.flush()
        except OSError:
            self.closed.set()
            # Buffered output must not raise again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
