"""A Kraken API that must be the paper exchange: it has to identify itself before anything is signed for it.

For users on paper money beside others on real money. A URL alone proves nothing: its name may resolve elsewhere tomorrow. A
server that answers like Kraken but does not identify itself as the paper exchange never receives a request of such a user.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.http.session import HttpSession
from shared.venues.kraken.transport import KrakenApi, Reply
from shared.venues.venue_clock import VenueTime

_IDENTITY: Final = "/paper/identity"
_NAME: Final = "shoal-paper"


class PaperKrakenApi(KrakenApi):
    """Kraken over HTTP, for paper keys only."""

    def __init__(
        self,
        *,
        url: str,
        http: HttpSession,
        timeout: float,
        api_key: str = "",
        api_secret: str = "",
        clock: VenueTime | None = None,
    ) -> None:
        super().__init__(url=url, http=http, timeout=timeout, api_key=api_key, api_secret=api_secret, clock=clock)
        self._proven = False

    async def private(self, method: str, params: Mapping[str, str], nonce: int) -> Reply:
        """Sign and send as to Kraken, after the other side has identified itself as a paper exchange.

        Raises Rejected if it is something else, and Unavailable while it does not answer; nothing is signed then.
        """
        if not self._proven:
            await self._prove()
            self._proven = True
        return await super().private(method, params, nonce)

    async def _prove(self) -> None:
        try:
            answer = await self._origin.ask(
                "GET", self._base + _IDENTITY, {"User-Agent": self._agent}, timeout=self._timeout
            )
        except (Unavailable, OutcomeUnknown) as error:
            raise Unavailable(f"the paper exchange at {self.uri} does not answer: {error}") from None
        if answer.status >= 500:
            raise Unavailable(f"the paper exchange at {self.uri} does not answer: HTTP {answer.status}")
        if not _identifies(answer.status, answer.body):
            raise Rejected(f"PAPER_URL: the server at {self.uri} is not a paper exchange", Refusal.AUTH)


def _identifies(status: int, raw: bytes) -> bool:
    try:
        identity = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return status == 200 and isinstance(identity, dict) and identity.get("exchange") == _NAME
