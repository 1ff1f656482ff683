"""How many of the master's recent entries are below the venue's minimum for one user's account.

Sizes are computed by the engine's own rule (`shared/domain/sizing.py`) with the account as last recorded and nothing held, so a
limit on what is held does not count. It is a finding for people; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from typing import Final

from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.domain.account import Account
from shared.domain.key_report import Finding, KeyCheck, ok, warning
from shared.domain.limits.policy import UserPolicy
from shared.domain.limits.risk import AccountSnapshot
from shared.domain.order import Kind
from shared.domain.portfolio import Portfolio
from shared.domain.reason import ReasonCode
from shared.domain.signal import Signal
from shared.domain.sizing import Sizing
from shared.domain.skip import Skip
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import ONE
from shared.domain.values.symbol import Symbol

RECENT: Final = 300
"""Signals that are read, from the newest on."""
_NAMED: Final = 5


async def read_recent_entries(bus: Bus) -> list[Signal]:
    """Read the entries among the latest signals; one that cannot be read is left out. Raises BusUnavailable."""
    rows = await bus.do("XREVRANGE", keys.SIGNALS, "+", "-", "COUNT", RECENT)
    found = []
    for entry in read_entries(keys.SIGNALS, rows):
        with suppress(MalformedMessageError):
            found.append(SignalMessage.parse(entry.fields).to_domain())
    return [signal for signal in found if signal.kind is Kind.ENTRY]


def judge_minimums(
    entries: Iterable[Signal], policy: UserPolicy, account: Account | None, instruments: Mapping[Symbol, Instrument]
) -> Finding:
    """Return how many of these entries this account would miss because its share is below the venue's minimum."""
    wanted = [each for each in entries if not policy.symbols.refusal(each.symbol)]
    if account is None or account.equity is None or account.cash is None:
        return ok(KeyCheck.MINIMUMS, "not judged: the balance has not been read yet")
    judged = [(each, _is_too_small(each, policy, account, instruments)) for each in wanted]
    known = [(each, missed) for each, missed in judged if missed is not None]
    if not known:
        return ok(KeyCheck.MINIMUMS, "not judged: there is no recent entry of the master to go by")
    missed = [each for each, too_small in known if too_small]
    if not missed:
        return ok(KeyCheck.MINIMUMS, f"none of the master's last {len(known)} entries is too small for this account")
    share = round(100 * Decimal(len(missed)) / len(known))
    stage = policy.stage.smallest
    when = f" at stage {stage}" if stage.share != ONE else ""
    return warning(
        KeyCheck.MINIMUMS,
        f"this user would miss {share} %{when} of the master's last {len(known)} entries, because their share of them is below "
        f'the venue\'s minimum ({_names(missed)}): add funds, or set sizing.below_minimum = "round_up"',
    )


def _is_too_small(
    signal: Signal, policy: UserPolicy, account: Account, instruments: Mapping[Symbol, Instrument]
) -> bool | None:
    """Return whether an entry is too small; None if something else decides about it."""
    instrument = instruments.get(policy.symbols.mapped(signal.symbol))
    if instrument is None:
        return None
    size = Sizing(signal, policy, instrument).size(
        AccountSnapshot(account, Portfolio()), scale=policy.stage.smallest.share
    )
    if isinstance(size, Skip):
        return True if size.code == ReasonCode.BELOW_MINIMUM else None
    return False


def _names(missed: Sequence[Signal]) -> str:
    names = sorted({str(each.symbol) for each in missed})
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
