"""One field of `shoal:totals:{user}:<venue>`: the sums of one symbol's trades, as JSON under the symbol.

The field `contents` says which trades are in the sums. If it does not exist, they have to be summed up from the reports.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

from shared.contracts.fields import VERSION, Amount, Count, Instant, Message, Number, SymbolField, read_json_object
from shared.domain.trade_totals import TradeTotals
from shared.domain.values.money import plain
from shared.domain.values.symbol import Symbol

CONTENTS: Final = "contents"
"""Its value is the instant (epoch ms) since which every report is in the sums, and nothing else is; 0 if that is all there ever
were. Any other text says what else is in them: then they cannot be compared with the reports."""

CURSOR: Final = "cursor"
"""The entry id of the last signal in the sums of a master's account, which are a fold over the signals."""


class TradeTotalsRecord(Message):
    """The sums of one symbol. Base amounts in base, money in quote, instants in epoch ms."""

    symbol: SymbolField
    bought: Amount
    spent: Amount
    buy_fees: Number
    sold: Amount
    received: Amount
    sell_fees: Number
    base_fees: Number
    sold_cost: Number
    trades: Count
    first_at: Instant
    last_at: Instant


_AMOUNTS: Final = ("bought", "spent", "buy_fees", "sold", "received", "sell_fees", "base_fees", "sold_cost")
_PLAIN: Final = re.compile(
    rf'{{"v": "{VERSION}", "symbol": "([A-Z0-9.]{{1,16}}/[A-Z0-9.]{{1,16}})", '
    + "".join(rf'"{name}": "([0-9]{{1,18}}(?:\.[0-9]{{1,40}})?)", ' for name in _AMOUNTS)
    + r'"trades": "([0-9]{1,9})", "first_at": "([0-9]{1,13})", "last_at": "([0-9]{1,13})"}'
)
"""Sums as Shoal writes them, which need no schema to be read: every fill reads and writes them."""


def write_totals(totals: TradeTotals) -> str:
    """Return the sums as the text of their field."""
    text = (
        f'{{"v": "{VERSION}", "symbol": "{totals.symbol}", "bought": "{plain(totals.bought)}", "spent": "{plain(totals.spent)}", '
        f'"buy_fees": "{plain(totals.buy_fees)}", "sold": "{plain(totals.sold)}", "received": "{plain(totals.received)}", '
        f'"sell_fees": "{plain(totals.sell_fees)}", "base_fees": "{plain(totals.base_fees)}", '
        f'"sold_cost": "{plain(totals.sold_cost)}", "trades": "{totals.trades}", "first_at": "{totals.first_at}", '
        f'"last_at": "{totals.last_at}"}}'
    )
    if _PLAIN.fullmatch(text):
        return text
    names = [name for name in TradeTotalsRecord.model_fields if name != "v"]
    return json.dumps(TradeTotalsRecord.of(**{name: getattr(totals, name) for name in names}).fields())


@lru_cache(maxsize=256)
def read_totals(written: str) -> TradeTotals:
    """Parse the sums of one symbol. Raises MalformedMessageError. Cached for pages, which read the same ones again and again."""
    if (match := _PLAIN.fullmatch(written)) is not None:
        name, *values = match.groups()
        sums = dict(zip(_AMOUNTS, map(Decimal, values), strict=False))
        trades, first_at, last_at = map(int, values[-3:])
        return TradeTotals(Symbol.parse(name), **sums, trades=trades, first_at=first_at, last_at=last_at)
    record = TradeTotalsRecord.parse(read_json_object(written))
    return TradeTotals(**{name: getattr(record, name) for name in TradeTotalsRecord.model_fields if name != "v"})
