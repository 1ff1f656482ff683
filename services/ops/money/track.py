"""`ops track`: how well a balance would have followed the master so far, and the smallest balance that can follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

import typer

from services.ops.output import AsJson, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.users import read_policies_of, require_known
from shared.bus.connection import Bus
from shared.bus.flow.streams import read_entries
from shared.bus.state.records import Records
from shared.config.errors import ConfigurationError
from shared.config.settings import Settings
from shared.contracts import keys
from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import SignalMessage
from shared.domain.limits.policy import UserPolicy
from shared.domain.routes import MASTERS
from shared.domain.signal import Signal
from shared.domain.values.fees import dearest_taker_fee
from shared.domain.values.instrument import Instrument
from shared.domain.values.money import plain
from shared.domain.values.symbol import Symbol
from shared.ledger.reading import PAGE
from shared.ledger.track import TrackingResult, smallest_balance, track as replay

_CENT: Final = Decimal("0.01")

Who = Annotated[str, typer.Argument(metavar="USER", help="The user whose settings apply.")]
Balance = Annotated[
    str, typer.Option("--balance", help="Balance to replay with; the user's present equity if not given.")
]
Count = Annotated[int, typer.Option("--count", min=1, max=20_000, help="How many recent signals to replay.")]

_ReplayInput = tuple[UserPolicy, Decimal, Decimal, Sequence[Signal], Mapping[Symbol, Instrument]]


def track(user: Who, balance: Balance = "", count: Count = 2_000, as_json: AsJson = False) -> None:
    """Replay the signal history over a balance: missed trades, tracking error, and the smallest sensible balance."""

    async def work(settings: Settings, bus: Bus) -> _ReplayInput:
        policies = await read_policies_of(settings, bus, user)
        require_known(user, policies, option="")
        policy = policies[user]
        if policy.fault:
            raise ConfigurationError(f"{user}: the settings are not known: {policy.fault}")
        signals = await read_signals(bus, policy, count)
        if not signals:
            raise ConfigurationError(f"{user} follows no master that has signals: nothing to replay")
        venue = policy.venue_for(signals[-1].leader) or signals[-1].venue
        (account,) = await Records(bus).accounts([(user, venue)])
        known = account.equity.amount if account and account.equity else None
        amount = _amount(balance) if balance else known
        if amount is None:
            raise ConfigurationError(f"the equity of {user} on {venue} is not known: give --balance")
        fee = account.taker_fee if account else dearest_taker_fee(venue)
        return policy, amount, fee, signals, await Records(bus).instruments(venue)

    policy, amount, fee, signals, instruments = run_with_bus(work)
    found = replay(signals, policy, amount, instruments, fee)
    least = smallest_balance(lambda each: replay(signals, policy, each, instruments, fee))
    answer = _answer(policy, amount, len(signals), found, least)
    if as_json:
        print_json(answer)
    else:
        rows = [(name.replace("_", " "), "-" if value is None else value) for name, value in answer.items()]
        console().print(table(f"{user} with {plain(amount)} {policy.currency}", ["what", "value"], rows))


async def read_signals(bus: Bus, policy: UserPolicy, count: int) -> list[Signal]:
    """Read the latest signals of the first master that the user follows and that has any, oldest first. Raises BusUnavailable."""
    found: list[Signal] = []
    last = "+"
    while len(found) < count:
        rows = read_entries(keys.SIGNALS, await bus.do("XREVRANGE", keys.SIGNALS, last, "-", "COUNT", PAGE))
        for entry in rows:
            with suppress(MalformedMessageError):
                found.append(SignalMessage.parse(entry.fields).to_domain())
        if len(rows) < PAGE:
            break
        last = f"({rows[-1].id}"
    found = found[:count][::-1]
    followed = [master for venue in policy.venues for master in MASTERS if policy.venue_for(master) == venue]
    leader = next((master for master in followed if any(signal.leader == master for signal in found)), "")
    return [signal for signal in found if signal.leader == leader]


def _amount(text: str) -> Decimal:
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or amount <= 0:
        raise ConfigurationError(f"--balance must be an amount above 0 (got {text!r})")
    return amount


def _answer(
    policy: UserPolicy, amount: Decimal, signals: int, found: TrackingResult, least: Decimal | None
) -> dict[str, object]:
    return {
        "user": policy.user,
        "balance": plain(amount),
        "currency": policy.currency,
        "signals": signals,
        "entries": found.entries,
        "copied": found.copied,
        "below_minimum": found.below_minimum,
        "below_minimum_pct": str((found.missed_share * 100).quantize(_CENT)),
        "limited": found.limited,
        "filtered": found.filtered,
        "tracking_error_rms_pct": str(found.error_rms.quantize(_CENT)),
        "tracking_error_worst_pct": str(found.error_worst.quantize(_CENT)),
        "smallest_sensible_balance": None if least is None else plain(least),
    }
