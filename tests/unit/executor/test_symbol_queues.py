"""Chains: in order within a symbol, side by side across symbols."""

from __future__ import annotations

import asyncio

import pytest

from services.executor.turn.symbol_queues import SymbolQueues
from shared.domain.values.symbol import Symbol

BTC, ETH = Symbol("BTC", "USD"), Symbol("ETH", "USD")


async def test_work_of_a_symbol_is_done_in_order_and_another_symbol_does_not_wait() -> None:
    done: list[str] = []
    gate, other_done = asyncio.Event(), asyncio.Event()

    async def handle(name: str) -> None:
        if name == "first":
            await gate.wait()
        done.append(name)
        if name == "other":
            other_done.set()

    async with asyncio.TaskGroup() as tasks:
        queues: SymbolQueues[str] = SymbolQueues(tasks, handle)
        queues.add(BTC, "first")
        queues.add(BTC, "second")
        queues.add(ETH, "other")
        await other_done.wait()
        assert done == ["other"]
        assert BTC in queues.busy
        gate.set()
    assert done == ["other", "first", "second"]
    assert queues.busy == frozenset()


async def test_nothing_is_begun_once_the_turn_is_ending() -> None:
    async def handle(_: str) -> None:
        raise ValueError("a bug")

    group = asyncio.TaskGroup()
    queues: SymbolQueues[str] = SymbolQueues(group, handle)
    with pytest.raises(ExceptionGroup):
        async with group:
            assert queues.add(BTC, "first")
    assert not queues.add(ETH, "too late")
