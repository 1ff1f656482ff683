"""A stranger's strategy runs in a process of its own: it is paused when it fails, and never holds up the event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import pytest

from services.master_strategy.plugins.needs import Needs
from services.master_strategy.plugins.runner import Runner, open_runner
from services.master_strategy.plugins.wire import (
    BadReplyError,
    describe_context,
    describe_intents,
    pack,
    read_context,
    read_intents,
    read_reply,
)
from services.master_strategy.plugins.worker_runner import WorkerRunner
from shared.domain.fault import FaultKind, Faults
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.port import Context, Enter, Exit, Intent
from shared.strategies.settings import StrategySettings, load_strategy
from shared.strategies.sma_cross import SmaCross
from shared.strategies.testing import candles, context, holding
from tests.unit.master_strategy.values import BTC, rising, usd

_HEAD = """
import os, sys, time
from decimal import Decimal
from pydantic import BaseModel
from shared.strategies.exit_plan import ExitPlan, Target
from shared.strategies.port import Enter, Exit

class Mine:
    name = "mine"
    needs = 3
    needs_held = 2

    class Settings(BaseModel):
        share: Decimal = Decimal("0.05")

    def __init__(self, settings):
        self.settings = settings

    def decide(self, context):
"""
_ENTERS = """
        print("hello", flush=True)
        [(symbol, candles)] = context.candles.items()
        close = candles[-1].close
        plan = ExitPlan(close * Decimal("0.9"), (Target(close * 2, Decimal("0.5")),), close, trail=Decimal(100))
        return [Enter(symbol, self.settings.share, f"up to {close}", plan)]
"""
_HANGS = """
        while True:
            pass
"""
_LONG = 60.0
"""Seconds for a decision where none is to be late, however busy the machine."""

Maker = Callable[..., WorkerRunner]


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
async def make(tmp_path: Path, faults: Faults) -> AsyncIterator[Maker]:
    """Writes a strategy under a name of its own, and makes its runner."""
    made: list[WorkerRunner] = []
    name = f"mine_{uuid4().hex}"

    def maker(body: str, *, budget: float = _LONG, settings: str = "") -> WorkerRunner:
        (tmp_path / "strategies").mkdir(exist_ok=True)
        (tmp_path / "strategies" / f"{name}.py").write_text(_HEAD + body)
        (tmp_path / "strategy.toml").write_text(f'strategy = "{name}:Mine"\n[settings]\n{settings}\n')
        [slot] = load_strategy(tmp_path).slots(tmp_path)
        runner = open_runner(slot, config=tmp_path, budget=budget, faults=faults)
        assert isinstance(runner, WorkerRunner)
        made.append(runner)
        return runner

    yield maker
    for runner in made:
        await runner.close()


def _context() -> Context:
    return Context(now=1, candles={BTC: rising()}, holdings={}, equity=usd("10000"))


async def test_a_context_goes_in_and_intents_with_their_plans_come_out(make: Maker, faults: Faults) -> None:
    runner = make(_ENTERS, settings="share = 0.25")
    close = rising()[-1].close
    for _ in range(2):
        assert await runner.decide(_context()) == [
            Enter(
                BTC,
                Decimal("0.25"),
                f"up to {close}",
                ExitPlan(close * Decimal("0.9"), (Target(close * 2, Decimal("0.5")),), close, trail=Decimal(100)),
            )
        ]
    assert runner.needs == Needs(3, 2)
    assert not faults.standing


async def test_an_endless_loop_is_ended_and_the_event_loop_goes_on_meanwhile(make: Maker, faults: Faults) -> None:
    runner = make(_HANGS, budget=0.5)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.create_task(tick())
    assert await runner.decide(_context()) is None
    ticking.cancel()
    assert ticks >= 10, "something held up the event loop for the whole half second"
    [fault] = faults.standing
    assert (fault.kind, fault.subject) == (FaultKind.STRATEGY, runner._hello.spelt)
    assert fault.reason == (
        "paused: it took longer than 0.5 s for a decision (budget_seconds in strategy.toml permits more)"
    )
    assert runner._process is None


async def test_no_process_is_left_after_a_time_out(make: Maker) -> None:
    runner = make(_HANGS, budget=0.5)
    await runner._start()
    process = runner._process
    assert process is not None
    assert await runner.decide(_context()) is None
    assert process.returncode in {-9, -14}, "killed, or on a busy machine ended by its own timer before"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("        return context.nothing\n", "AttributeError: "),
        ("        raise ValueError('no idea')\n", "ValueError: no idea (mine_"),
        ("        return [Enter(list(context.candles)[0], 0.05, 'x')]\n", "share must be a Decimal"),
        ("        return 'buy'\n", "InvalidIntentError: decide() must return a list of intents, not str"),
        ("        sys.exit(3)\n", "SystemExit: 3"),
        ("        os._exit(7)\n", "its process ended by itself (status 7)"),
        ("        os.kill(os.getpid(), 9)\n", "its process ended by itself (status -9)"),
        (
            "        [os.write(fd, b'x' * 100) for fd in range(3, 9) if os.path.exists(f'/proc/self/fd/{fd}')]\n",
            "its reply has",
        ),
    ],
)
async def test_what_fails_is_paused_with_the_reason(make: Maker, faults: Faults, body: str, says: str) -> None:
    runner = make(body)
    assert await runner.decide(_context()) is None
    assert says in runner.pause.reason
    assert await runner.decide(_context()) is None
    assert [fault.reason for fault in faults.standing] == [f"paused: {runner.pause.reason}"]


async def test_it_resumes_when_its_file_changes_and_not_before(make: Maker, faults: Faults) -> None:
    runner = make("        raise ValueError('no idea')\n")
    for _ in range(3):
        assert await runner.decide(_context()) is None
    assert faults.events[FaultKind.STRATEGY] == 1, "it was tried once"
    make(_ENTERS)  # rewrites the file
    intents = await runner.decide(_context())
    assert intents is not None
    assert len(intents) == 1
    assert not faults.standing


async def test_a_file_that_was_broken_keeps_it_paused_with_the_new_reason(make: Maker, tmp_path: Path) -> None:
    runner = make("        raise ValueError('no idea')\n")
    assert await runner.decide(_context()) is None
    [file] = (tmp_path / "strategies").glob("*.py")
    file.write_text("def\n")
    assert await runner.decide(_context()) is None
    assert "cannot be imported: SyntaxError" in runner.pause.reason


async def test_the_process_knows_no_key(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KRAKEN_MASTER_API_SECRET", "secret")
    monkeypatch.setenv("REDIS_URL", "redis://x:y@z")
    runner = make("        raise ValueError(','.join(sorted(os.environ)))\n")
    assert await runner.decide(_context()) is None
    names = set(runner.pause.reason.removeprefix("ValueError: ").split(" (")[0].split(","))
    assert names <= {"PATH", "PYTHONPATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONDONTWRITEBYTECODE"}


async def test_another_session_begins_without_the_fault(make: Maker, faults: Faults) -> None:
    runner = make("        raise ValueError('no idea')\n")
    assert await runner.decide(_context()) is None
    make(_ENTERS)
    assert not faults.standing


class _Broken(SmaCross):
    def decide(self, context: Context) -> list[Enter | Exit]:
        raise RuntimeError("a defect")


async def test_a_shipped_strategy_that_fails_is_paused_as_well(faults: Faults) -> None:
    [slot] = StrategySettings(strategy="sma-cross").slots()
    assert slot.kind.shipped
    broken = replace(slot, kind=replace(slot.kind, make=_Broken))  # type: ignore[arg-type]
    runner: Runner = open_runner(broken, config=None, budget=1.0, faults=faults)
    assert await runner.decide(_context()) is None
    assert await runner.decide(_context()) is None
    [fault] = faults.standing
    assert fault.reason.startswith("paused: RuntimeError: a defect (test_worker_runner.py:")
    await runner.close()


def test_a_context_is_read_as_it_was_written() -> None:
    plan = ExitPlan(Decimal("0.1"), (Target(Decimal(3), Decimal("0.5")),), highest=Decimal("1E-7"))
    held = {"ETH/USD": holding("ETH/USD", "0.123456789", price="3000.10", at=5, plan=plan)}
    seen = {"BTC/USD": candles("1E-9", "50000.0000001", minutes=5), "ETH/USD": candles(*range(100, 200))}
    whole = context(seen, held, equity="1234.50")
    assert read_context(json.loads(pack(describe_context(whole))[4:])) == whole


def test_intents_are_read_as_they_were_written() -> None:
    plan = ExitPlan(Decimal(1), (Target(Decimal(3), Decimal("0.5")),), trail=Decimal("0.1"))
    intents: list[Intent] = [Enter(BTC, Decimal("0.05"), "why", plan), Exit(BTC, Decimal(1) / 3, "because")]
    assert read_intents(describe_intents(intents)) == intents


@pytest.mark.parametrize(
    "reply",
    [b"", b"[]", b'{"intents": 3}', b'{"intents": [3]}', b'{"intents": [{}]}', b"{}", b'{"error": "x"}', b"\xff"],
)
def test_a_reply_that_is_none_is_an_error(reply: bytes) -> None:
    with pytest.raises(BadReplyError):
        read_intents(read_reply(reply))
