"""The process of one strategy that is not shipped: `python -m services.master_strategy.plugins.worker`, started by the master.

It has no key, no connection and no state: a context comes in, intents go out. A decision that does not end is ended by the
kernel's timer, so that no process is left over even if the master died. Nothing that the strategy prints may reach the replies.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

from pydantic import ValidationError

from services.master_strategy.plugins.needs import Needs
from services.master_strategy.plugins.wire import BEGUN, LENGTH_BYTES, Hello, describe_intents, pack, read_context
from shared.config.venue.refusal import in_one_line
from shared.strategies.frame import check_intents
from shared.strategies.own_class.errors import UnusableStrategyError
from shared.strategies.own_class.failure import describe_failure
from shared.strategies.port import Context, Strategy
from shared.strategies.registry import find_kind

_START: Final = 60.0
"""Seconds for the imports of the strategy; the master waits less."""
_PATIENCE: Final = 2.0
"""How much longer than its master this process waits for a decision, as a factor."""


def main() -> None:
    """Answer requests until the master closes the pipe."""
    requests = sys.stdin.buffer
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    message = _read(requests)
    if message is None:
        return
    hello = Hello(**message)
    signal.setitimer(signal.ITIMER_REAL, _START)
    strategy, said = _made(hello)
    signal.setitimer(signal.ITIMER_REAL, 0)
    _write(replies, said)
    while strategy is not None and (message := _read(requests)) is not None:
        context = read_context(message)
        _write(replies, BEGUN)
        signal.setitimer(signal.ITIMER_REAL, hello.seconds * _PATIENCE)
        reply = _decided(strategy, context)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _write(replies, reply)


def _made(hello: Hello) -> tuple[Strategy | None, Mapping[str, Any]]:
    try:
        kind = find_kind(hello.spelt, Path(hello.config) if hello.config else None)
        strategy = kind.make(kind.settings.model_validate(hello.settings))
    except ValidationError as error:
        return None, {"error": f"settings: {in_one_line(error)}"}
    except UnusableStrategyError as error:
        return None, {"error": str(error)}
    needs = Needs.of(strategy)
    return strategy, {"needs": needs.entry, "needs_held": needs.held}


def _decided(strategy: Strategy, context: Context) -> Mapping[str, Any]:
    try:
        intents = strategy.decide(context)
        check_intents(intents, context)
        return describe_intents(intents)
    except (Exception, SystemExit) as error:  # noqa: BLE001  # the code of a stranger: whatever it raises is described
        return {"error": describe_failure(error)}


def _read(requests: BinaryIO) -> dict[str, Any] | None:
    """Read a request; None if the master has closed the pipe."""
    head = requests.read(LENGTH_BYTES)
    if len(head) < LENGTH_BYTES:
        return None
    message: dict[str, Any] = json.loads(requests.read(int.from_bytes(head, "big")))
    return message


def _write(replies: BinaryIO, reply: Mapping[str, Any]) -> None:
    replies.write(pack(reply))
    replies.flush()


if __name__ == "__main__":
    main()
