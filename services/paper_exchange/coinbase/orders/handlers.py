"""The order methods of the paper Coinbase, by the name that the journal shows. A method that is missing here answers 404."""

from __future__ import annotations

from typing import Final

from services.paper_exchange.coinbase.call import Handler

HANDLERS: Final[dict[str, Handler]] = {}
