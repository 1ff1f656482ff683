"""From the records of an account to the books of its coins. Pure.

A copy belongs to the fill of the master that it copies. What is not in the records is never assumed: a decision without a
report has filled nothing yet, and a trade without a fill of the master in the period is carried over or the user's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

from shared.domain.order import Kind, OrderState, Side
from shared.domain.signal import Signal
from shared.domain.values.money import ONE, ZERO
from shared.ledger.statement.parts.books import Entry, Event, Exit, LateTrade, OwnExit, SymbolBook, Traded
from shared.ledger.statement.parts.causes import NOT_FILLED, PENDING
from shared.ledger.statement.parts.exact import exactly, held_share, in_proportion, quotient
from shared.ledger.statement.records.market import market_price
from shared.ledger.statement.records.material import Copied, Ending, Holding, Material, Opening
from shared.ledger.statement.records.mirrored import Allotment, allot, traded
from shared.ledger.statement.records.scales import Scales

_FRACTION_DIGITS: Final = Decimal("1E-10")
"""A signal's fraction has 12 digits; its sizes, if they agree with it, say the same exactly."""
_MOST_FEE: Final = Decimal("0.02")
"""No venue takes more than this of a fill."""
_OWN: Final = "own_exit"
"""The code of a user's own exit whose report has none."""


@dataclass(frozen=True, slots=True)
class Assembly:
    """The books of an account, and what could not be read from its records."""

    books: Sequence[SymbolBook]
    ratio: Decimal
    unknown_sizes: int
    """Entries whose ideal size the decision does not state."""
    unknown_fees: int
    """Fills of the master whose fee was not recorded; it counts as zero."""
    rounded_costs: int
    """Trades whose exact cost was not recorded: size x average price stands for it."""
    oversold: tuple[str, ...] = ()
    """Coins of which more was sold than was held: what was bought stands under another name, or is not in the records."""
    unpriced_openings: int = 0
    """Coins that were held at the beginning without an earlier price on record: the first one of the period stands for it."""


@dataclass(slots=True)
class _Line:
    """What happens in one coin, in order. `at` is the instant (epoch ms) by which a trade of the user's finds its place."""

    at: int
    event: Entry | Exit | None
    sale: Ending | None = None


@dataclass(slots=True)
class _Coin:
    opening: Opening
    lines: list[_Line] = field(default_factory=list)
    first: Decimal | None = None
    """The first price in the period, and the last one."""
    last: Decimal | None = None
    signalled: bool = False
    """Whether the master traded it in the period; else the user's own trades are all that states a price."""

    def price(self, price: Decimal) -> None:
        self.first = price if self.first is None else self.first
        self.last = price


def assemble(material: Material) -> Assembly:
    """Return the books of an account."""
    scales = Scales(material.copied, material.scale_before)
    allotment = allot(material.copied, material.endings)
    coins: dict[Holding, _Coin] = {key: _Coin(opening) for key, opening in material.openings.items()}
    used: set[str] = set()
    for each in material.copied:
        coin = coins.setdefault(Holding.of(each.signal.symbol), _Coin(Opening()))
        ending = allotment.of(each)
        if ending is not None:
            used.add(ending.order_id)
        coin.lines.append(_copied_line(each, ending, allotment, scales, material))
        coin.price(each.signal.price.amount)
        coin.signalled = True
    for ending in sorted(material.endings, key=lambda each: each.at):
        if ending.trade is None or ending.order_id in used:
            continue
        coin = coins.setdefault(Holding.of(ending.trade.symbol), _Coin(Opening()))
        _insert(coin.lines, _Line(ending.at, None, ending))
        if not coin.signalled:
            coin.price(quotient(ending.trade.cost.amount, ending.trade.size.amount))
    books = [_book(key, coin, material.closing_prices) for key, coin in sorted(coins.items())]
    return Assembly(
        books=[book for book in books if book.events or book.opening or book.master_opening],
        ratio=scales.ratio,
        unknown_sizes=scales.unknown,
        unknown_fees=sum(each.signal.fee is None for each in material.copied),
        rounded_costs=sum(each.trade is not None and not each.trade.exact for each in material.endings),
        oversold=tuple(str(book.symbol.base) for book in books if _is_oversold(book)),
        unpriced_openings=sum(bool(each.user or each.master) and not each.price for each in material.openings.values()),
    )


def exit_share(signal: Signal) -> Decimal:
    """Return the share of the position that the master sold.

    It is that of the sizes, which are exact, where they agree with the signal's fraction.
    """
    fraction = ONE if signal.fraction is None else signal.fraction
    before = signal.position_before.amount
    if fraction >= ONE or before <= 0:
        return min(fraction, ONE)
    exact = quotient(signal.base_size.amount, before)
    return exact if abs(exact - fraction) <= _FRACTION_DIGITS and exact < ONE else fraction


def masters_fee(signal: Signal) -> Decimal:
    """Return the master's fee on a fill in quote; zero if it was not recorded.

    A fee that the venue took in the coin is not in the signal's fee, but in its positions: they differ by more, or less, than was
    traded. It counts at the price of the fill.
    """
    size, moved = signal.base_size.amount, abs(signal.position_after.amount - signal.position_before.amount)
    with exactly():
        in_coins = size - moved if signal.kind is Kind.ENTRY else moved - size
        if not ZERO < in_coins <= size * _MOST_FEE:
            in_coins = ZERO  # the positions differ by other things, or are not known
        fee = ZERO if signal.fee is None else signal.fee.amount
        return fee + in_proportion(signal.quote_size.amount, in_coins, size)


def _copied_line(
    each: Copied, ending: Ending | None, allotment: Allotment, scales: Scales, material: Material
) -> _Line:
    signal = each.signal
    master = Traded(signal.base_size.amount, signal.quote_size.amount, masters_fee(signal))
    copy = allotment.share_of(each, ending)
    at = signal.filled_at if ending is None else ending.at
    missed = _missed(each, ending)
    market, rested = market_price(ending), allotment.mirrored(each)
    if signal.kind is Kind.EXIT:
        return _Line(at, Exit(master, exit_share(signal), copy, missed, market=market, rested=rested))
    ideal = scales.ideal(each)
    if rested:
        done = held_share(copy.size, ideal.size) if missed else ONE
        return _Line(at, Entry(master, ideal.at_equity, ideal.size, copy, None, missed, done, rested=True))
    ordered = each.decision.copy.base_size.amount if each.decision.copy and each.decision.copy.base_size else ZERO
    lot = material.lots.get(each.decision.symbol, ZERO)
    done = held_share(copy.size, ordered) if missed else ONE
    sent = copy.size if copy.size and not missed else ordered
    allowed = sent if sent and lot and ideal.size - sent >= lot else None
    return _Line(at, Entry(master, ideal.at_equity, ideal.size, copy, allowed, missed, done, market))


def _missed(each: Copied, ending: Ending | None) -> str:
    """Return why not all of a copy was traded; blank if all of it was."""
    if ending is None:
        if each.decision.copy is not None:
            return PENDING
        return each.decision.code or OrderState.SKIPPED
    if ending.outcome is OrderState.FILLED:
        return ""
    if each.decision.copy is None and ending.trade is None:
        return ending.code or each.decision.code or ending.outcome
    return ending.code or (NOT_FILLED if ending.outcome in {OrderState.PARTIAL, OrderState.EXPIRED} else ending.outcome)


def _insert(lines: list[_Line], line: _Line) -> None:
    """Put a trade of the user's behind everything that was traded before it."""
    place = len(lines)
    while place and lines[place - 1].at > line.at:
        place -= 1
    lines.insert(place, line)


def _book(key: Holding, coin: _Coin, closing_prices: Mapping[Holding, Decimal]) -> SymbolBook:
    opening = coin.opening
    price = opening.price or coin.first or ZERO
    return SymbolBook(
        symbol=key.symbol,
        master_opening=opening.master,
        opening=opening.user,
        opening_price=price,
        closing_price=closing_prices.get(key) or coin.last or price,
        events=list(_events(coin.lines, opening.user)),
    )


def _is_oversold(book: SymbolBook) -> bool:
    """Return whether more was sold than was held, by more than fees in base can take from coins of the owner's."""
    held, sold = book.opening, ZERO
    with exactly():
        for event in book.events:
            buys = isinstance(event, Entry) or (isinstance(event, LateTrade) and event.side is Side.BUY)
            held += (event.copy.size if buys else -event.copy.size) - event.copy.base_fee
            sold += ZERO if buys else event.copy.size
            if held < -sold * _MOST_FEE:
                return True
    return False


def _events(lines: Iterable[_Line], held: Decimal) -> Iterable[Event]:
    """Iterate over the events of a coin, with the shares that depend on what the user then held."""
    for line in lines:
        event = line.event if line.sale is None else _own(line.sale, held)
        if isinstance(event, Exit) and event.missed:
            # who holds nothing misses nothing
            done = held_share(event.copy.size, held)
            event = replace(event, missed=event.missed if held > 0 else "", done=done)
        if event is None:
            continue
        buys = isinstance(event, Entry) or (isinstance(event, LateTrade) and event.side is Side.BUY)
        held += (event.copy.size if buys else -event.copy.size) - event.copy.base_fee
        yield event


def _own(ending: Ending, held: Decimal) -> Event | None:
    trade = ending.trade
    if trade is None:
        return None
    copy = traded(ending)
    if trade.signal_id or trade.side is Side.BUY:
        return LateTrade(trade.side, copy)
    share = ONE if ending.outcome is OrderState.FILLED else held_share(copy.size, held)
    return OwnExit(ending.code or _OWN, share, copy)
