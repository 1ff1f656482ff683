"""`ops orders`: the latest outcomes of users, newest first, with price, slippage against the master, fee and delay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final

import typer
from rich.console import Console, RenderableType

from services.ops.amounts import exact, price
from services.ops.output import AsJson, clock, console, print_json, table
from services.ops.runner import run_with_bus
from services.ops.tabular import MOST_PER_PAGE, AsCsv, OfUser, one_form, print_csv, select_page
from shared.bus.connection import Bus
from shared.config.settings import Settings
from shared.domain.signal import Signal
from shared.ledger.performance.copies import delay_of, read_signals_of, slippage_bps
from shared.ledger.performance.ended_orders import EndedOrder, latest_orders

COLUMNS: Final = (
    "settled_at", "user", "venue", "symbol", "side", "kind", "outcome", "code", "reason", "size", "price", "cost", "fee",
    "fee_quote", "fee_base", "master_price", "slippage_bps", "signal_at", "sent_at", "accepted_at", "to_send_ms", "to_accept_ms",
    "to_settle_ms", "signal_id", "order_id", "venue_order_id",
)  # fmt: skip
_REASON_WIDTH: Final = 70

Last = Annotated[int, typer.Option("--last", "-n", min=1, max=1000, help="How many outcomes to show.")]


def orders(user: OfUser = "", last: Last = 20, as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Show the latest outcomes: size, price, slippage against the master, fee, delay."""
    one_form(as_json=as_json, as_csv=as_csv)

    async def work(settings: Settings, bus: Bus) -> list[dict[str, object]]:
        chosen = await select_page(settings, bus, user, per_page=MOST_PER_PAGE)
        return await read_rows(bus, chosen.users, last)

    rows = run_with_bus(work)
    if as_json:
        print_json({"orders": rows})
    elif as_csv:
        print_csv(COLUMNS, [list(each.values()) for each in rows])
    else:
        show(console(), rows, f"no order of {user} has ended yet" if user else "no order has ended yet")


async def read_rows(bus: Bus, users: Sequence[str], last: int) -> list[dict[str, object]]:
    """Read the latest outcomes of users as rows, newest first. Raises BusUnavailable."""
    found = await latest_orders(bus, users, last)
    signals = await read_signals_of(bus, [each.trade for each in found if each.trade is not None])
    return [row(each, signals) for each in found]


def row(order: EndedOrder, signals: Mapping[str, Signal]) -> dict[str, object]:
    """Return one outcome with all digits, by column."""
    report, trade = order.report, order.trade
    signal = signals.get(report.signal_id)
    delay = None if trade is None else delay_of(trade)
    slippage = slippage_bps(trade, signal.price.amount) if trade and signal else None
    return {
        "settled_at": report.settled_at,
        "user": report.user,
        "venue": report.venue,
        "symbol": str(report.symbol),
        "side": report.side.value,
        "kind": report.kind.value,
        "outcome": report.outcome.value,
        "code": report.code,
        "reason": report.reason,
        "size": exact(trade.size.amount if trade else None),
        "price": exact(trade.price.shown() if trade else None),
        "cost": exact(trade.cost.amount if trade else None),
        "fee": exact(trade.fee_value.amount if trade else None),
        "fee_quote": exact(trade.fee.amount if trade else None),
        "fee_base": exact(trade.base_fee.amount if trade else None),
        "master_price": exact(signal.price.amount if signal else None),
        "slippage_bps": None if slippage is None else f"{slippage:.2f}",
        "signal_at": report.signal_at,
        "sent_at": report.sent_at,
        "accepted_at": report.accepted_at,
        "to_send_ms": delay.to_send if delay else None,
        "to_accept_ms": delay.to_accept if delay else None,
        "to_settle_ms": delay.to_settle if delay else None,
        "signal_id": report.signal_id,
        "order_id": report.order_id,
        "venue_order_id": report.venue_order_id,
    }


def show(out: Console, rows: Sequence[Mapping[str, object]], empty: str) -> None:
    """Show outcomes as a table; below it the reasons of those that filled nothing."""
    out.print(outcome_table(rows, empty))
    for each in rows:
        if each["size"] is None and each["reason"]:
            text = str(each["reason"])
            short = text if len(text) <= _REASON_WIDTH else f"{text[: _REASON_WIDTH - 1]}…"
            out.print(f"  {each['user']} {each['symbol']}: {short}", markup=False)


def outcome_table(rows: Sequence[Mapping[str, object]], empty: str) -> RenderableType:
    """Return outcomes as a table, or the sentence `empty`."""
    lines = [
        (
            clock(_whole(each["settled_at"])),
            each["user"],
            each["side"],
            _what(each),
            _price(each),
            "-" if each["slippage_bps"] is None else f"{each['slippage_bps']} bp",
            _delay(each),
            each["outcome"],
        )
        for each in rows
    ]
    columns = ["at (UTC)", "user", "side", "what", "price", "slippage", "ms", "outcome"]
    return table("Latest outcomes", columns, lines, empty=empty, numbers=range(4, 7))


def _what(each: Mapping[str, object]) -> str:
    symbol = str(each["symbol"])
    return symbol if each["size"] is None else f"{each['size']} {symbol.partition('/')[0]}"


def _price(each: Mapping[str, object]) -> str:
    return "-" if each["price"] is None else price(Decimal(str(each["price"])))


def _delay(each: Mapping[str, object]) -> str:
    """Return the parts of the way, in ms: until it was sent, accepted, settled."""
    parts = [each["to_send_ms"], each["to_accept_ms"], each["to_settle_ms"]]
    return (
        "-" if all(part is None for part in parts) else "+".join("?" if part is None else str(part) for part in parts)
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
