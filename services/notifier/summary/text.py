"""The words of the daily summary: in all first, then user by user, as far as one message holds them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from services.notifier.rules.incident import Incident
from services.notifier.rules.quiet import moment
from services.notifier.rules.wording import Words, lasted
from services.notifier.summary.figures import Account, Figures, UserFigures, change
from shared.config.notifications import Event
from shared.domain.values.money import Money

_USERS: Final = 15
"""Users with a line of their own; chat services refuse long messages."""
_CODES: Final = 4
_OPEN: Final = 6
_CENT: Final = Decimal("0.01")


def write_summary(
    words: Words,
    figures: Figures,
    before: Mapping[Account, Money],
    counts: Mapping[Event, int],
    standing: Sequence[Incident],
    given_up: int = 0,
) -> tuple[str, str]:
    """Return title and body. `before` are the equities of the summary before; `counts` the causes noted since then."""
    users = figures.users
    total = _sum(users.values())
    moved = _moved(change(before, figures.equities))
    title = words.title(
        f"daily summary: {figures.signals} signals, {total.filled} orders filled{moved and f', {moved}'}"
    )
    span = f"{moment(figures.begin, words.zone)} to {moment(figures.end, words.zone)}"
    lines = [span, f"In all ({_number(len(users), 'user')}): {_figures(total)}{moved and f', equity {moved}'}"]
    lines += _user_lines(figures, before)
    lines.append(_warnings(counts, given_up))
    lines += _open(standing, figures.end)
    return title, "\n".join(lines)


def _user_lines(figures: Figures, before: Mapping[Account, Money]) -> list[str]:
    """Describe the users with something to say, the most active first."""
    found = []
    for user, each in figures.users.items():
        own = {account: money for account, money in figures.equities.items() if account[0] == user}
        moved = _moved(change(before, own))
        active = each.copied + each.filled + each.failed + sum(each.skipped.values())
        if active or moved:
            found.append((active, f"{user}: {_figures(each)}{moved and f', equity {moved}'}"))
    found.sort(key=lambda each: -each[0])
    lines = [line for _, line in found[:_USERS]]
    if (hidden := len(found) - _USERS) > 0:
        lines.append(f"and {_number(hidden, 'more user')}: ops status")
    return lines


def _figures(each: UserFigures) -> str:
    skipped = sum(each.skipped.values())
    parts = [f"{each.copied} copied", f"{each.filled} filled", f"{skipped} skipped"]
    if skipped:
        shown = ", ".join(f"{count} {code}" for code, count in each.skipped.most_common(_CODES))
        more = ", ..." if len(each.skipped) > _CODES else ""
        parts[-1] += f" ({shown}{more})"
    if each.failed:
        parts.append(f"{each.failed} not filled")
    return ", ".join(parts)


def _sum(users: Iterable[UserFigures]) -> UserFigures:
    total = UserFigures(skipped=Counter())
    for each in users:
        total.copied += each.copied
        total.filled += each.filled
        total.failed += each.failed
        total.skipped += each.skipped
    return total


def _moved(changes: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{amount.quantize(_CENT):+,.2f} {currency}" for currency, amount in sorted(changes.items()))


def _warnings(counts: Mapping[Event, int], given_up: int) -> str:
    parts = [f"{count} {event.replace('_', ' ')}" for event, count in sorted(counts.items()) if count]
    if given_up:
        parts.append(f"{_number(given_up, 'message')} could not be delivered")
    return f"Warnings: {', '.join(parts) or 'none'}"


def _open(standing: Sequence[Incident], now: int) -> list[str]:
    if not standing:
        return ["Open now: nothing"]
    oldest = sorted(standing, key=lambda each: each.since or each.noted_at)
    lines = [f"Open now: {len(oldest)}"]
    lines += [
        f"- {each.who}: {each.what} (for {lasted(now - (each.since or each.noted_at))})" for each in oldest[:_OPEN]
    ]
    if (hidden := len(oldest) - _OPEN) > 0:
        lines.append(f"- and {hidden} more: ops status")
    return lines


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
