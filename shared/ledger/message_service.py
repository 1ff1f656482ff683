"""Whether messages to people are being sent, where they were set up: a notifier that is gone cannot say so itself.

A notifier that sends records where to; that record stays until `ops notify --off` removes it, so that its end is never taken for
an intention.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from shared.contracts import keys
from shared.contracts.heartbeat import Phase
from shared.ledger.live_processes import LiveProcess


def find_message_problem(expected: Mapping[str, str], processes: Iterable[LiveProcess]) -> str:
    """Return why messages are not sent although they were set up; empty if they are, or never were.

    `expected` are the fields of the notifier's record.
    """
    if not expected:
        return ""
    found = [each for each in processes if each.service == keys.NOTIFIER]
    if any(each.phase is Phase.OPEN for each in found):
        return ""
    if found:
        return f"no messages are sent: the notifier is {found[0].state}"
    where = f" (to {expected['targets']})" if expected.get("targets") else ""
    return (
        f"no messages are sent{where}: the notifier has no heartbeat; start it again, or say that it is to stay off: "
        "ops notify --off"
    )
