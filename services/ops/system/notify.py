"""`ops notify --test`: have the notifier send a test message to every address, and show in words what failed.

The running notifier sends it: this command knows no address, and loads no library that could send to one.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Final

import typer

from services.ops.operator import operator_name
from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import refuse, run_with_bus
from shared.bus.connection import Bus
from shared.bus.flow.streams import flatten
from shared.bus.state.records import Records, pairs
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.heartbeat import Phase
from shared.contracts.notify_test import TestAnswer, TestRequest, read_results
from shared.ledger.live_processes import LiveProcess, read_processes

_PATIENCE: Final = 60.0
"""Seconds: an address may take 20 s twice, if a message is on its way there."""
_POLL: Final = 0.2
_NOT_RUNNING: Final = (
    "no notifier is running: it starts where NOTIFY_URLS (or NOTIFY_URLS_FILE) says where messages go; "
    "in compose set it in .env (a file also needs NOTIFIERS=1) and run `docker compose up -d`"
)
_NO_ANSWER: Final = "the notifier did not answer within a minute; its log says why"

_RUNNING: Final = "a notifier is running: remove NOTIFY_URLS (or NOTIFY_URLS_FILE) and stop it first"

Test = Annotated[bool, typer.Option("--test", help="Send a test message to every address.")]
Off = Annotated[
    bool, typer.Option("--off", help="After the notifier was removed: status no longer warns that it is not running.")
]


def notify(test: Test = False, off: Off = False, as_json: AsJson = False) -> None:
    """Show whether messages are sent; with --test send one to every address. Exit 1 if any cannot be reached."""
    if test and off:
        refuse("--test and --off exclude each other")
    if off:
        _show_off(run_with_bus(_expect_none), as_json=as_json)
    elif test:
        _show_test(run_with_bus(_send_test), as_json=as_json)
    else:
        _show_state(run_with_bus(_read_state), as_json=as_json)


async def _send_test(_: Settings, bus: Bus) -> Mapping[str, str] | str:
    """Return, by address, why the test failed (empty if it did not), or why there was none at all."""
    if not any(each.phase is Phase.OPEN for each in await _notifiers(bus)):
        return _NOT_RUNNING
    request = TestRequest(test_id=secrets.token_hex(8), test_by=operator_name(), test_at=time.time_ns() // 1_000_000)
    await bus.do("HSET", keys.NOTIFY_TEST, *flatten(request.fields()))
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        fields = pairs(await bus.do("HGETALL", keys.NOTIFY_TEST))
        try:
            answer = TestAnswer.parse(fields)
            if answer.answered_id == request.test_id and answer.results:
                return read_results(answer.results)
        except MalformedMessageError as error:
            return f"its answer cannot be read: {error}"
        await asyncio.sleep(_POLL)
    return _NO_ANSWER


async def _expect_none(_: Settings, bus: Bus) -> str:
    """Forget that messages are to be sent; return why not, empty if that is done."""
    if await _notifiers(bus):
        return _RUNNING
    await bus.do("DEL", keys.NOTIFY_EXPECTED)
    return ""


async def _read_state(_: Settings, bus: Bus) -> list[LiveProcess]:
    return await _notifiers(bus)


async def _notifiers(bus: Bus) -> list[LiveProcess]:
    processes = read_processes(await Records(bus).heartbeats())
    return [each for each in processes if each.service == keys.NOTIFIER]


def _show_test(result: Mapping[str, str] | str, *, as_json: bool) -> None:
    if isinstance(result, str):
        if not as_json:
            refuse(result)
        print_json({"ok": False, "reason": result, "targets": []})
        raise typer.Exit(1)
    failed = [name for name, reason in result.items() if reason]
    if as_json:
        rows = [{"target": name, "ok": not reason, "reason": reason} for name, reason in result.items()]
        print_json({"ok": not failed, "reason": "", "targets": rows})
    else:
        rows_shown = [(name, reason or "sent") for name, reason in result.items()]
        console().print(table("Test message", ["address", "result"], rows_shown, empty="there is no address"))
    raise typer.Exit(1 if failed else 0)


def _show_off(why: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"ok": not why, "reason": why})
        raise typer.Exit(1 if why else 0)
    if why:
        refuse(why)
    print("no messages are expected; a notifier that starts again with addresses changes that")


def _show_state(found: list[LiveProcess], *, as_json: bool) -> None:
    faults = [fault.reason for each in found for fault in each.faults]
    if as_json:
        rows = [{"instance": each.instance, "state": each.state} for each in found]
        print_json({"ok": bool(found) and not faults, "notifiers": rows, "faults": faults})
    elif not found:
        refuse(_NOT_RUNNING)
    else:
        for each in found:
            print(f"notifier: {each.state}")
            for fault in each.faults:
                print(f"  {fault.subject}: {fault.reason}")
    raise typer.Exit(0 if found and not faults else 1)
