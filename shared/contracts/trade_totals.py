"""One field of `shoal:totals:{user}:<venue>`: the sums of one symbol's trades, as JSON under the symbol.

The field `contents` says which trades are in the sums. If it does not exist, they have to be summed up from the reports.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Final

from shared.contracts.fields import Amount, Count, Instant, Message, Number, SymbolField, read_json_object
from shared.domain.trade_totals import TradeTotals

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


def write_totals(totals: TradeTotals) -> str:
    """Return the sums as the text of their field."""
    names = [name for name in TradeTotalsRecord.model_fields if name != "v"]
    return json.dumps(TradeTotalsRecord.of(**{name: getattr(totals, name) for name in names}).fields())


@lru_cache(maxsize=16_384)
def read_totals(written: str) -> TradeTotals:
    """Parse the sums of one symbol. Raises MalformedMessageError. Cached: every fill reads and writes one, pages read many."""
    record = TradeTotalsRecord.parse(read_json_object(written))
    return TradeTotals(**{name: getattr(record, name) for name in TradeTotalsRecord.model_fields if name != "v"})
