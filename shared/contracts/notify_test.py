"""The hash `shoal:notify_test:{notifier}`: the operator's request for a test message, and the notifier's answer.

The notifier sends it, not the command: so the running process, with its own settings and its own way to the network, is what is
tested.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated

from shared.contracts.fields import Instant, MalformedMessageError, Message, type_or_blank


class TestRequest(Message):
    """`test_id` names the request, `test_by` who made it, `test_at` when (epoch ms)."""

    __test__ = False  # not a test of pytest's

    test_id: str = ""
    test_by: str = ""
    test_at: Annotated[Instant | None, type_or_blank] = None


class TestAnswer(Message):
    """`answered_id` is the request that it answers; `results` a JSON object: by target, why it failed, or an empty text."""

    __test__ = False

    answered_id: str = ""
    results: str = ""


def write_results(results: Mapping[str, str]) -> str:
    """Return the text of the results by target."""
    return json.dumps(dict(results), ensure_ascii=False)


def read_results(text: str) -> Mapping[str, str]:
    """Parse the text of `write_results`. Raises MalformedMessageError."""
    try:
        found = json.loads(text)
    except ValueError:
        raise MalformedMessageError("TestAnswer.results: not JSON") from None
    if not isinstance(found, dict):
        raise MalformedMessageError("TestAnswer.results: not an object")
    return {str(name): str(reason) for name, reason in found.items()}
