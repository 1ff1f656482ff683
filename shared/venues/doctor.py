"""Checks the API key of an account: what its venue says of the key, this host's clock, and what the account holds.

`Venue.check_key` asks what differs between venues (`kraken/key_check.py`, `coinbase/key_check.py`); what is the same for all is
here. Nothing is placed, changed or moved. It must never call a key refused because the venue did not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from shared.domain.key_report import Finding, Grade, KeyCheck, KeyReport, ok, refused, unknown, warning
from shared.domain.values.clock_offset import ClockOffset
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import ZERO, Quantity
from shared.domain.values.symbol import Symbol
from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.port import Venue
from shared.venues.rows import Balance, Balances
from shared.venues.unusable import UnusableVenue

CLOCK_LIMIT_MS: Final = 2_000
"""Above this the host's clock is a finding. Orders use the venue's time, so it refuses no key."""
_EXAMPLES: Final = ("BTC", "ETH")
"""The coins whose pair with the user's currency is looked at first."""
_DOLLARS: Final = frozenset({"USD", "USDC", "USDT"})
_CASH: Final = _DOLLARS | {"EUR", "GBP", "EURC"}
_SMALL: Final = Decimal(1)
"""Cash below one unit is not worth a sentence."""
_ADVICE: Final[Mapping[Refusal, str]] = {
    Refusal.AUTH: "check that key and secret belong together and that the key is not deleted, expired or bound to other hosts",
    Refusal.LOCKED: "wait a quarter of an hour without any call, then check key and secret",
    Refusal.NONCE: "make a key of its own for Shoal: another program counts the nonces of this one",
}


@dataclass(frozen=True, slots=True)
class Examination:
    """The report, and the venue's refusal of the key as a whole, if there was one."""

    report: KeyReport
    refusal: Rejected | None = None


async def examine(
    venue: Venue,
    *,
    currency: str,
    clock: ClockOffset | None,
    trades: bool = True,
    probe: bool = False,
    holdings: bool = True,
) -> Examination:
    """Check the key of an account. Raises only what the source of its permits raises.

    `currency`: the user's. `clock`: the measured offset of this host. `trades`: whether the key must have the right to trade.
    `probe`: have the venue check an order that is not sent, which proves the right to trade.
    `holdings`: look at the balances too.
    """
    if isinstance(venue, UnusableVenue):
        return Examination(KeyReport((refused(KeyCheck.SECRET, venue.reason),)))
    findings = [_clock(venue.name, clock)]
    try:
        instruments = await venue.instruments()
        symbol = example_pair(instruments, currency)
        findings += await venue.check_key(symbol, trades=trades, probe=probe)
    except Rejected as rejected:
        return Examination(KeyReport((*findings, describe_refusal(rejected))), rejected)
    except (Unavailable, OutcomeUnknown) as error:
        return Examination(KeyReport((*findings, _unanswered(venue.name, error))))
    if symbol is not None:
        findings += _pair(instruments[symbol], venue.name)
    if not holdings or any(each.grade is Grade.REFUSED and each.check is KeyCheck.QUERY for each in findings):
        return Examination(KeyReport(tuple(findings)))  # its balances would be refused as well
    try:
        findings += describe_balances(await venue.balances(patient=True), currency)
    except Rejected as rejected:
        findings.append(
            refused(KeyCheck.QUERY, f"the balances cannot be read: {rejected.words}; give the key that right")
        )
    except (Unavailable, OutcomeUnknown) as error:
        findings.append(_unanswered(venue.name, error))
    return Examination(KeyReport(tuple(findings)))


def describe_refusal(rejected: Rejected) -> Finding:
    """Return the finding of a key that the venue, or this host, refuses as a whole."""
    advice = _ADVICE.get(rejected.refusal, "look at the key in the venue's settings")
    return refused(KeyCheck.SIGNATURE, f"{rejected.words}: {advice}")


def example_pair(instruments: Mapping[Symbol, Instrument], currency: str) -> Symbol | None:
    """Return a pair in this currency, of a well-known coin if there is one; None if the venue lists none."""
    for base in _EXAMPLES:
        if (symbol := Symbol(base, currency)) in instruments:
            return symbol
    return min((each for each in instruments if each.quote == currency), key=str, default=None)


def describe_balances(balances: Balances, currency: str) -> list[Finding]:
    """Return the findings about what an account holds: coins that are lent out, and cash in another currency."""
    found = [_lent_out(balances.values()), _cash(balances, currency)]
    if not balances.unreadable and not any(each.total for each in balances.values()):
        text = "the account is empty, as far as this key sees: move money there, or make a key of the portfolio that has it"
        found.append(warning(KeyCheck.PORTFOLIO, text))
    if balances.unreadable:
        names = ", ".join(sorted(balances.unreadable))
        found.append(warning(KeyCheck.QUERY, f"the balance of {names} could not be read; nothing is sized by it"))
    return found


def _lent_out(balances: Iterable[Balance]) -> Finding:
    away = sorted((each for each in balances if each.coin and each.total > 0), key=lambda each: each.asset)
    if not away:
        return ok(KeyCheck.LENT_OUT, "nothing is lent out, staked or on hold")
    held = ", ".join(str(Quantity(each.total, each.asset)) for each in away)
    return warning(
        KeyCheck.LENT_OUT,
        f"lent out or staked: {held}, which cannot be sold; switch automatic rewards off and take it back",
    )


def _cash(balances: Balances, currency: str) -> Finding:
    own = balances[currency].total if currency in balances else ZERO
    others = {
        name: balances[name].total
        for name in sorted(_CASH - {currency})
        if name in balances and balances[name].total >= _SMALL and balances[name].total > own
    }
    if currency not in balances.unreadable and others:
        held = ", ".join(_money(amount, name) for name, amount in others.items())
        return warning(
            KeyCheck.CASH,
            f"the account holds {held} but {_money(own, currency)}, and entries are paid in {currency} only: convert it, or "
            f"change the user's currency",
        )
    return ok(KeyCheck.CASH, f"{_money(own, currency)} for entries")


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:,.2f} {currency}"


def _pair(instrument: Instrument, venue: str) -> list[Finding]:
    symbol, status = instrument.symbol, instrument.status
    if status is PairStatus.ONLINE:
        return [ok(KeyCheck.PAIRS, f"{venue} takes orders for {symbol}")]
    return [warning(KeyCheck.PAIRS, f"{venue} has {symbol} in {status} mode: entries are skipped until it is online")]


def _clock(venue: str, offset: ClockOffset | None) -> Finding:
    if offset is None:
        return warning(KeyCheck.CLOCK, f"{venue}'s time has not been measured yet; ask again in a minute")
    if offset.exceeds(CLOCK_LIMIT_MS):
        return warning(KeyCheck.CLOCK, f"{offset.words}: set up time synchronisation (NTP) on this host")
    return ok(KeyCheck.CLOCK, f"{abs(offset.ms) / 1000:.1f} s from {venue}'s clock")


def _unanswered(venue: str, error: Unavailable | OutcomeUnknown) -> Finding:
    return unknown(KeyCheck.SIGNATURE, f"{venue} did not answer: {error.words}; the check is repeated by itself")
