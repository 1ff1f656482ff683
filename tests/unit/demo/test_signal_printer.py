"""A demo whose strategy waits says so once, instead of showing nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from services.demo import signal_printer
from services.demo.signal_printer import SignalPrinter
from shared.bus.connection import Bus


class _Signals:
    """A Redis that holds these entries of the signals' stream and nothing else."""

    def __init__(self, rows: Sequence[object]) -> None:
        self._rows = rows
        self.reads = 0
        self.read_thrice = asyncio.Event()

    async def do(self, *_: object) -> Sequence[object]:
        """Return the entries at the first read; later none is new."""
        self.reads += 1
        if self.reads > 3:
            self.read_thrice.set()
        return self._rows if self.reads == 1 else []


async def _lines(rows: Sequence[object]) -> list[str]:
    """Let the printer look three times; return what it printed."""
    signals, lines = _Signals(rows), list[str]()
    running = asyncio.create_task(SignalPrinter(cast("Bus", signals), (), lines.append, began=0.0).run())
    await signals.read_thrice.wait()
    running.cancel()
    return lines


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for."""
    monkeypatch.setattr(signal_printer, "_QUIET", 0.0)
    monkeypatch.setattr(signal_printer, "_EVERY", 0.0)


async def test_without_a_signal_one_line_says_so() -> None:
    [line] = await _lines([])
    assert "the master's strategy has bought nothing yet" in line


async def test_after_a_signal_that_line_never_comes() -> None:
    [line] = await _lines([["1-0", ["id", "a", "side", "buy", "symbol", "BTC/USD"]]])
    assert "master buy" in line
