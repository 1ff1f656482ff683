"""A Kraken API that must be the paper exchange: it has to identify itself before anything is signed for it."""

from __future__ import annotations

from collections.abc import Mapping

from shared.venues.http.session import HttpSession
from shared.venues.kraken.transport import KrakenApi, Reply
from shared.venues.paper_proof import PaperProof
from shared.venues.venue_clock import VenueTime


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
        self._proof = PaperProof(self._origin, self.uri, self._base, timeout)

    async def private(self, method: str, params: Mapping[str, str], nonce: int) -> Reply:
        """Sign and send as to Kraken, after the other side has identified itself as a paper exchange.

        Raises Rejected if it is something else, and Unavailable while it does not answer; nothing is signed then.
        """
        await self._proof.require()
        return await super().private(method, params, nonce)
