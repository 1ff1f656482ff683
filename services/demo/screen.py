"""Where the demo's lines go: its own to the screen, those of the services to a file each (or to the screen too, if asked for).

It is never a failure of the demo when the reader of a pipe has gone.
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
"""How a line is marked that a person should see at once, as the console format of the logs writes it."""
_TAIL: Final = 15


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # instead of ending the process, with children that nobody would end


class Screen:
    """Standard output, line by line; `closed` is set once nobody reads it any more."""

    def __init__(self, folder: Path, *, verbose: bool) -> None:
        """`folder` gets a log of each child; with `verbose` their lines are shown as well."""
        self._folder = folder
        self._verbose = verbose
        self._console = _Console(file=sys.stdout, highlight=False, soft_wrap=True)
        self._colours: dict[str, str] = {}
        self._logs: dict[str, TextIO] = {}
        self._last: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=_TAIL))
        self.closed = asyncio.Event()

    def line(self, name: str, text: str) -> None:
        """Take a line of a child."""
        self._last[name].append(text)
        self._log(name).write(f"{text}\n")
        if self._verbose or any(mark in text for mark in _SERIOUS):
            self._show_line(name, text)

    def show_last(self, name: str) -> None:
        """Show how the log of a child ends, unless it has been shown all along."""
        if not self._verbose:
            for text in self._last[name]:
                self._show_line(name, text)

    def say(self, text: str) -> None:
        """Print a line of the demo itself."""
        self._print(Text(text, "bold"))

    def block(self, text: str) -> None:
        """Print a text as it is."""
        self._print(Text(text))

    def close(self) -> None:
        """Close the logs."""
        for log in self._logs.values():
            log.close()

    def log_path(self, name: str) -> Path:
        """Return where the lines of a child are kept."""
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
            # What is still buffered must not raise again when Python ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
