"""What the engine knew when it decided: the optional field `inputs` of an order's entry, from which the decision can be repeated.

One line of compact JSON with what `DecisionPlan.judge` was given and could read, and nothing else: no names of users, no keys,
and no records that the decision did not depend on. What is usual is left out (no kill switch, stage 1, nothing moved). The engine
writes it for every user and signal, so it is put together from texts, most of which it keeps from the signal before. Nothing that
trades reads it: a reader without this field loses nothing.

| key | meaning |
|---|---|
| `s` | fingerprint of the settings (`settings_version.py` of `shared/config/users`) |
| `w` | the user's venue on which the signal is copied; absent if nowhere |
| `i` | the pair there: lot, tick, minimum size, minimum cost, and where it is restricted its status and when that was stated |
| `p` | the present price there, if it is another venue than the master's |
| `x` | why the host's clock forbade entries |
| `a` | account that is ready: cash, fee, instant of the balance, until when its key may enter; its equity is `user_equity` |
| `b` | any other account: state, reason, equity, and what `a` has |
| `c` | the kill switches that were set: mode and reason |
| `h` | what was held from copying, if limits needed it: size, cost and price by symbol, and the books of named masters |
| `r` | the risk state, if limits needed it: day, trades, stop-out, the three growths |
| `m` | the master's cash, if anybody is sized by it |
| `k` | for an exit: the names under which its coin is held |
| `n`, `u`, `g` | another venue that still holds the coin; a record that could not be read; the stage |
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring as _quoted
from typing import Any, Final

from shared.contracts.fields import MalformedMessageError
from shared.contracts.messages import OrderMessage
from shared.domain.account import Account, AccountState
from shared.domain.control import Control, ControlMode
from shared.domain.copying.follower import Follower
from shared.domain.limits.risk_state import RiskState, StopOut
from shared.domain.portfolio import Portfolio
from shared.domain.position import Position
from shared.domain.stages.stage import Stage
from shared.domain.values.instrument import Instrument, PairStatus
from shared.domain.values.money import Money, Price, Quantity, plain
from shared.domain.values.symbol import Symbol

INPUTS: Final = "inputs"
"""The name of the field."""
_ONLINE, _RUN, _FULL, _READY = PairStatus.ONLINE, ControlMode.RUN, Stage.FULL, AccountState.READY


@dataclass(frozen=True, slots=True)
class DecisionInputs:
    """The inputs of one decision, but for the signal and the instant, which have entries and fields of their own."""

    settings: str
    """The fingerprint of the user's settings."""
    venue: str | None = None
    instrument: Instrument | None = None
    price: Price | None = None
    clock_refusal: str = ""
    account: Account | None = None
    switches: tuple[Control, ...] = ()
    """Those that were set, in the order in which they were read."""
    portfolio: Portfolio = field(default_factory=Portfolio)
    risk: RiskState | None = None
    master_cash: Money | None = None
    held: frozenset[Symbol] = frozenset()
    unreadable: str = ""
    moved_from: str = ""
    stage: Stage = Stage.FULL


def write_plan(
    settings: str, venue: str | None, instrument: Instrument | None, price: Price | None, clock_refusal: str = ""
) -> str:
    """Return what all users of a plan share, to be followed by what `write_entry` or `write_exit` return."""
    parts = [f'"s":"{settings}"']
    if venue is not None:
        parts.append(f'"w":{_quoted(venue)}')
    if instrument is not None:
        rules = [instrument.lot_step, instrument.tick, instrument.min_size, instrument.min_cost]
        values: list[object] = [plain(each) for each in rules]
        if instrument.status is not _ONLINE:
            values += [str(instrument.status), instrument.as_of]
        parts.append(f'"i":{json.dumps(values, separators=(",", ":"))}')
    if price is not None:
        parts.append(f'"p":"{plain(price.amount)}"')
    if clock_refusal:
        parts.append(f'"x":{_quoted(clock_refusal)}')
    return ",".join(parts)


def write_account(account: Account | None) -> str:
    """Return an account; an empty text if nothing is known of it."""
    if account is None:
        return ""
    _, _, state, reason, equity, cash, fee, as_of, until, _ = account
    rest = f'"{plain(fee)}",{as_of}]' if until is None else f'"{plain(fee)}",{as_of},{until}]'
    if state is _READY and not reason and equity is not None and cash is not None and equity.currency == cash.currency:
        return f',"a":["{plain(cash.amount)} {cash.currency}",{rest}'
    return f',"b":["{state.value}",{_quoted(reason)},{_money(equity)},{_money(cash)},{rest}'


def write_risk(risk: RiskState | None) -> str:
    """Return a risk state; an empty text if it was not read."""
    if risk is None:
        return ""
    growths = f'"{plain(risk.growth)}","{plain(risk.day_start_growth)}","{plain(risk.peak_growth)}"'
    stopped = ""
    if risk.stopped_until or risk.stopped_by:
        by = ",".join(f'"{rule.value}"' for rule in risk.stopped_by)
        stopped = f",{risk.stopped_until},[{by}],{_quoted(risk.stopped_reason)}"
    return f',"r":["{risk.day}",{risk.trades_today},{growths}{stopped}]'


def write_rest_of_entry(follower: Follower) -> str:
    """Return what is unusual of a follower at an entry: most of it is empty for most of them."""
    text = ""
    for switch in follower.switches:
        if switch.mode is not _RUN:
            text += f'{"," if text else ""}["{switch.mode.value}",{_quoted(switch.reason)}]'
    if text:
        text = f',"c":[{text}]'
    if follower.portfolio.positions:
        text += f',"h":{_portfolio(follower.portfolio)}'
    if follower.master_cash is not None:
        text += f',"m":{_money(follower.master_cash)}'
    if follower.moved_from:
        text += f',"n":{_quoted(follower.moved_from)}'
    if follower.unreadable:
        text += f',"u":{_quoted(follower.unreadable)}'
    return text if follower.stage is _FULL else f'{text},"g":"{follower.stage.value}"'


def write_held(held: Iterable[Symbol], base: str) -> str:
    """Return the names under which a coin is held; an empty text if there is none."""
    names = sorted(str(name) for name in held if name.base == base)
    return f',"k":[{",".join(map(_quoted, names))}]' if names else ""


def read_settings_name(text: str) -> str:
    """Return the fingerprint of the settings alone: the rest can only be parsed by them. Raises MalformedMessageError."""
    try:
        return str(json.loads(text)["s"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise MalformedMessageError(f"{INPUTS}: {type(error).__name__}: {error}") from None


def read_inputs(text: str, message: OrderMessage, symbol: Symbol) -> DecisionInputs:
    """Parse the field of an order's entry; `symbol` is the one that the user trades. Raises MalformedMessageError."""
    try:
        return _inputs(json.loads(text), message, symbol)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, InvalidOperation, RecursionError) as error:
        raise MalformedMessageError(f"{INPUTS}: {type(error).__name__}: {error}") from None


def _inputs(given: Mapping[str, Any], message: OrderMessage, symbol: Symbol) -> DecisionInputs:
    venue = given.get("w")
    cash = given.get("m")
    price = given.get("p")
    return DecisionInputs(
        settings=str(given["s"]),
        venue=venue,
        instrument=_instrument(given["i"], symbol) if "i" in given else None,
        price=None if price is None else Price(Decimal(price), symbol),
        clock_refusal=given.get("x", ""),
        account=_account(given, message, venue or ""),
        switches=tuple(Control(ControlMode(mode), reason) for mode, reason in given.get("c", ())),
        portfolio=_read_portfolio(given.get("h", {})),
        risk=_risk(given["r"]) if "r" in given else None,
        master_cash=_read_money(cash),
        held=frozenset(map(Symbol.parse, given.get("k", ()))),
        unreadable=given.get("u", ""),
        moved_from=given.get("n", ""),
        stage=Stage(given.get("g", _FULL)),
    )


def _money(amount: Money | None) -> str:
    return "null" if amount is None else f'"{plain(amount.amount)} {amount.currency}"'


def _read_money(text: str | None) -> Money | None:
    if text is None:
        return None
    amount, currency = text.split(" ")
    return Money(Decimal(amount), currency)


def _account(given: Mapping[str, Any], message: OrderMessage, venue: str) -> Account | None:
    if "a" in given:
        written, fee, as_of, *until = given["a"]
        state, reason, cash = _READY, "", _read_money(written)
        if cash is None or message.user_equity is None:
            raise ValueError("an account that is ready needs cash and equity")
        equity: Money | None = Money(message.user_equity, cash.currency)
    elif "b" in given:
        state, reason, written_equity, written, fee, as_of, *until = given["b"]
        equity, cash = _read_money(written_equity), _read_money(written)
    else:
        return None
    return Account(
        message.user,
        venue,
        AccountState(state),
        reason,
        equity,
        cash,
        Decimal(fee),
        int(as_of),
        int(until[0]) if until else None,
    )


def _instrument(values: list[Any], symbol: Symbol) -> Instrument:
    lot, tick, size, cost, *rest = values
    status, as_of = rest or (_ONLINE, None)
    return Instrument(symbol, Decimal(lot), Decimal(tick), Decimal(size), Decimal(cost), PairStatus(status), as_of)


def _risk(values: list[Any]) -> RiskState:
    """Return the risk state; the amounts of money, which no decision reads, are zero."""
    day, trades, growth, day_start, peak, *stopped = values
    until, by, reason = stopped or (0, (), "")
    nothing = Money(Decimal(0), "USD")
    return RiskState(
        day=day,
        trades_today=int(trades),
        realized=nothing,
        pnl=nothing,
        day_start_pnl=nothing,
        equity=None,
        growth=Decimal(growth),
        day_start_growth=Decimal(day_start),
        peak_growth=Decimal(peak),
        stopped_until=int(until),
        stopped_by=tuple(map(StopOut, by)),
        stopped_action=None,
        stopped_reason=reason,
        as_of=0,
    )


def _portfolio(portfolio: Portfolio) -> str:
    written = {}
    for symbol, position in portfolio.positions.items():
        price = portfolio.prices.get(symbol)
        values: list[object] = [*_position(position), None if price is None else plain(price.amount)]
        if position.books:
            values.append({master: _position(book) for master, book in position.books})
        written[str(symbol)] = values
    return json.dumps(written, separators=(",", ":"))


def _position(position: Position) -> list[str]:
    return [plain(position.size.amount), plain(position.cost.amount)]


def _read_position(symbol: Symbol, size: str, cost: str, books: Mapping[str, list[str]]) -> Position:
    return Position(
        symbol,
        Quantity(Decimal(size), symbol.base),
        Money(Decimal(cost), symbol.quote),
        0,
        0,
        books=tuple((master, _read_position(symbol, values[0], values[1], {})) for master, values in books.items()),
    )


def _read_portfolio(given: Mapping[str, list[Any]]) -> Portfolio:
    positions, prices = {}, {}
    for name, (size, cost, price, *books) in given.items():
        symbol = Symbol.parse(name)
        positions[symbol] = _read_position(symbol, size, cost, books[0] if books else {})
        if price is not None:
            prices[symbol] = Price(Decimal(price), symbol)
    return Portfolio(positions, prices)
