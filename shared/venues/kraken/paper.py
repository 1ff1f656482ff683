"""A Kraken that must be the paper exchange: asked to say so before anything is signed for it.

For users on paper money beside others on real money. A URL alone proves nothing: a name may lead elsewhere tomorrow. Whoever
answers like Kraken but does not name itself as the paper exchange never sees a request of such a user's.
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
    """Kraken over HTTP, for paper keys alone."""

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
        """Sign and send as to Kraken, once the other side is known for a paper exchange.

        Raises Rejected if it is something else, and Unavailable while it cannot be asked; nothing is signed then.
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
        if not _says_so(answer.status, answer.body):
            raise Rejected(f"PAPER_URL: what answers at {self.uri} is no paper exchange", Refusal.AUTH)


def _says_so(status: int, raw: bytes) -> bool:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return status == 200 and isinstance(said, dict) and said.get("exchange") == _NAME
