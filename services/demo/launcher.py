"""`make demo`: the whole system on this machine, on paper money, without Docker; Ctrl-C ends it and leaves nothing running.

Redis and the exchange must answer before the accounts are created. Then everything starts at once: each service waits for what it
needs.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from services.demo.embedded_redis import redis_command
from services.demo.processes import Child, Processes
from services.demo.screen import Screen
from services.demo.settings import DEMO_STRATEGY, DemoSettings
from services.demo.signal_printer import SignalPrinter
from shared.bus.connection import open_bus
from shared.bus.errors import BusError
from shared.config.errors import ConfigurationError
from shared.config.running_demo import FOLDER, announced
from shared.config.strategy_choice import DEFAULT, STRATEGY_FILE
from shared.contracts import keys

_PATIENCE: Final = 30.0
_POLL: Final = 0.05
_STOPS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_LEGEND: Final = """
  A master account trades on the paper exchange; {users} follow it,
  each scaled to its own account. PAPER: no real money.
  The master's strategy is that of {strategy}.

  dashboard     http://127.0.0.1:{api_port}/
  order stream  redis-cli -p {redis_port} XRANGE '{stream}' - +
  commands      make status, make audit, make ops ARGS="why"
  logs          {logs}/*.log (shown here too with VERBOSE=1)

  One line per signal. Ctrl-C ends everything.
"""


class _ChildEndedError(Exception):
    """A child ended by itself, or did not start; `child` is its name."""

    def __init__(self, text: str, child: str = "") -> None:
        super().__init__(text)
        self.child = child


def main() -> None:
    """Run the demo; never returns."""
    try:
        settings = DemoSettings.read(os.environ)
        command = redis_command(settings.redis_port, _fresh_folder(settings))
    except ConfigurationError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(2)
    with announced({**settings.environment(), "SHOAL_SECRETS": str(settings.secrets)}, settings.redis_port):
        code = asyncio.run(_demo(settings, command))
    sys.exit(code)


def _fresh_folder(settings: DemoSettings) -> Path:
    # No other demo uses it: the port in its name was free a moment ago.
    folder = FOLDER / f"redis-{settings.redis_port}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    settings.folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


async def _demo(settings: DemoSettings, redis: list[str]) -> int:
    screen = Screen(settings.folder, verbose=settings.verbose)
    children = Processes(screen.line)
    asked = _stop_on_signals(children)
    work = asyncio.create_task(_run(settings, redis, children, screen))
    stops = [asyncio.create_task(event.wait()) for event in (asked, screen.closed)]
    try:
        await asyncio.wait([work, *stops], return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            screen.print_line("stopping")
            return 0
        return work.result()
    except (_ChildEndedError, BusError, ConfigurationError) as error:
        if isinstance(error, _ChildEndedError) and error.child:
            screen.show_last(error.child)
        screen.print_line(str(error))
        return 1
    finally:
        for task in (work, *stops):
            task.cancel()
        await asyncio.wait([work, *stops])
        await children.end_all()
        screen.print_line("all stopped, nothing is left running")
        screen.close()


async def _run(settings: DemoSettings, redis: list[str], children: Processes, screen: Screen) -> int:
    """Start everything in order, print signals, and return the audit's exit code when the time is up."""
    screen.print_line("starting Redis and the paper exchange")
    plain, keyed = settings.environment(), settings.environment(keys=True)
    await _wait_for_port(settings.redis_port, await children.start("redis", redis, plain, base=True))
    exchange = await children.start("paper-exchange", _python("services.paper_exchange"), plain, base=True)
    await _wait_for_port(settings.paper_port, exchange)
    if code := await children.run("paper-accounts", _python("services.ops", "paper-accounts"), keyed):
        raise _ChildEndedError(f"the paper accounts could not be created (exit code {code})", "paper-accounts")
    screen.print_line(f"starting master, engine, {len(settings.users)} executors and dashboard")
    await children.start("master-strategy", _python("services.master_strategy"), keyed)
    for number, _ in enumerate(settings.users, 1):
        await children.start(f"executor-{number}", _python("services.executor"), keyed)
    await children.start("copy-engine", _python("services.copy_engine"), plain)
    await children.start("api", _python("services.api"), plain)
    if settings.messages is not None:
        await children.start("notifier", _python("services.notifier"), {**plain, **settings.messages})
    screen.block(_legend(settings))
    await _print_signals(settings, children, screen)
    code = await children.run("audit", _python("services.ops", "audit"), plain)
    screen.show_last("audit")
    screen.print_line(f"{settings.seconds:g} s are over; exit code of the audit: {code}")
    return code


async def _print_signals(settings: DemoSettings, children: Processes, screen: Screen) -> None:
    """Print signals until the time is up. Raises _ChildEndedError as soon as a child ends by itself."""
    async with open_bus(settings.redis_url, "demo") as bus:
        printer = asyncio.create_task(
            SignalPrinter(
                bus, settings.users, screen.print_line, settings.began or time.time(), settings.find_users
            ).run()
        )
        lost = asyncio.create_task(children.first_to_end())
        try:
            await asyncio.wait([printer, lost], timeout=settings.seconds, return_when=asyncio.FIRST_COMPLETED)
            if lost.done():
                child = lost.result()
                await children.lines_of(child)
                raise _ChildEndedError(
                    f"{child.name} ended by itself (exit code {child.process.returncode})", child.name
                )
            if printer.done():
                printer.result()
        finally:
            for task in (printer, lost):
                task.cancel()
            await asyncio.wait([printer, lost])


async def _wait_for_port(port: int, child: Child) -> None:
    """Wait until a child accepts connections. Raises _ChildEndedError if it ends first, or takes too long."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while child.process.returncode is None:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return
                await asyncio.sleep(_POLL)  # a server does not report that it is up: polling is the only way
    raise _ChildEndedError(
        f"{child.name} does not answer on port {port}; its output is above or in {FOLDER}", child.name
    )


def _stop_on_signals(children: Processes) -> asyncio.Event:
    """Return the event that the first signal sets; a second signal kills all children at once."""
    asked = asyncio.Event()

    def stop() -> None:
        if asked.is_set():
            children.kill_all()
        asked.set()

    for number in _STOPS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return asked


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _legend(settings: DemoSettings) -> str:
    return _LEGEND.format(
        users=", ".join(settings.users),
        stream=keys.orders(settings.users[0]),
        api_port=settings.api_port,
        redis_port=settings.redis_port,
        logs=settings.folder,
        strategy=_strategy_of(settings),
    )


def _strategy_of(settings: DemoSettings) -> str:
    """Name the file of the master's strategy, and why it is the demo's own where it is."""
    if settings.strategy is None:
        return str(settings.config / STRATEGY_FILE)
    if settings.strategy.name != DEMO_STRATEGY:
        return str(settings.strategy)
    return (
        f"{settings.strategy}, which trades often and is for the demo\n"
        f"  alone. {settings.config / STRATEGY_FILE} names {DEFAULT}, which may wait for hours:\n"
        f"  make demo DEMO_STRATEGY={settings.config / STRATEGY_FILE}"
    )
