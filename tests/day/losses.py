"""Were losses stopped and protective exits carried out? Judged from the prices that an outsider saw and from the journal.

The product looks once a second at prices that are a second old, in a market in which a second is six minutes. So what is judged
is that nothing stays undone: a loss beyond its limit by a margin, for a while, without the stop-out or the exit that is due.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final

from tests.day.books import DUST, ZERO, Book
from tests.day.limits import Case, Judgement
from tests.day.market import Prices

MARGIN_PCT: Final = Decimal("0.75")
PATIENCE_MS: Final = 8_000
_HUNDRED: Final = Decimal(100)


def judge_losses(case: Case, prices: Prices, found: Judgement) -> None:
    """Judge one user's stop-outs and own exits."""
    limits = case.person.settings.get("limits", {})
    for key in ("daily_loss_pct", "max_drawdown_pct"):
        if key in limits:
            _judge_stop_out(case, key, Decimal(str(limits[key])), found)
    stop = case.person.setting("exits", "stop_loss_pct", 5)
    if stop != "off":
        _judge_stop_loss(case, Decimal(str(stop)), prices, found)
    if (hold := case.person.setting("exits", "max_hold")) is not None:
        _judge_max_hold(case, int(str(hold).removesuffix("s")) * 1000, prices, found)


def _judge_stop_out(case: Case, key: str, limit: Decimal, found: Judgement) -> None:
    """The first stop-out must come soon after the loss, and not before it. Later ones are measured from its end: not judged."""
    first = min((each.at for each in case.stop_outs), default=None)
    losses = list(_losses(case, from_peak=key == "max_drawdown_pct"))
    late = _lasting((at, loss >= limit + MARGIN_PCT and (first is None or at < first)) for at, loss in losses)
    found.check(f"{key}: a loss stops", late is None, f"{case.person.user}: beyond it since {late}, stopped at {first}")
    if first is not None:
        near = max((loss for at, loss in losses if first - PATIENCE_MS <= at <= first + PATIENCE_MS), default=ZERO)
        found.check(
            f"{key}: nothing else stops",
            near >= limit - MARGIN_PCT,
            f"{case.person.user}: stopped at {first} at a loss of {near:.2f} %",
        )


def _losses(case: Case, *, from_peak: bool) -> Iterable[tuple[int, Decimal]]:
    """Chain what copying made over the equity, so that deposits count nothing; give the loss in per cent."""
    growth, best, before = Decimal(1), Decimal(1), None
    for at, equity in case.account.looks():
        made = equity - case.account.at(at).deposited
        if before is not None and before[1] > 0:
            growth *= 1 + (made - before[0]) / before[1]
        before = made, equity
        best = max(best, growth)
        yield at, (1 - growth / (best if from_peak else 1)) * _HUNDRED


def _judge_stop_loss(case: Case, pct: Decimal, prices: Prices, found: Judgement) -> None:
    def due(_: int, book: Book, price: Decimal) -> bool:
        return book.size * price <= book.paid * (_HUNDRED - pct - MARGIN_PCT) / _HUNDRED

    _judge_exits(case, "stop_loss_pct", due, prices, found)


def _judge_max_hold(case: Case, longest: int, prices: Prices, found: Judgement) -> None:
    _judge_exits(case, "max_hold", lambda at, book, _: at - book.opened_at >= longest, prices, found)


def _judge_exits(
    case: Case, what: str, due: Callable[[int, Book, Decimal], bool], prices: Prices, found: Judgement
) -> None:
    """Judge what is held for each master by itself, as `[exits]` are: what it cost and how old it is."""
    for symbol, master in sorted({(order.symbol, case.masters.get(order.client_id, "")) for order in case.orders}):
        undone = []
        looks: list[int] = []
        for at in prices.instants():
            book, price = case.account.at(at).book(symbol, master), prices.at(symbol, at)
            halted = any(stop.mode == "halt" and stop.since <= at <= stop.until + PATIENCE_MS for stop in case.stops)
            if book.size * price >= 5 * DUST and not halted and due(at, book, price):
                undone.append(at)
            elif undone:
                looks.extend(span_of(undone))
                undone = []
        looks.extend(span_of(undone))
        found.check(
            f"{what}: is carried out",
            not looks,
            f"{case.person.user} {symbol} {master}: due and undone since {looks[:1]}",
        )


def span_of(instants: Sequence[int]) -> list[int]:
    """Return when a row of looks began, if it lasted longer than the patience."""
    return [instants[0]] if instants and instants[-1] - instants[0] > PATIENCE_MS else []


def _lasting(looks: Iterable[tuple[int, bool]]) -> int | None:
    """Return the beginning of the first span in which something held at every look for longer than the patience."""
    since: int | None = None
    for at, holds in looks:
        if not holds:
            since = None
            continue
        since = at if since is None else since
        if at - since > PATIENCE_MS:
            return since
    return None
