"""A Coinbase API that must be the paper exchange: it has to identify itself before anything is signed for it."""

from __future__ import annotations

from shared.venues.coinbase.transport import CoinbaseApi, Query, Reply, SigningKey
from shared.venues.http.session import HttpSession
from shared.venues.paper_proof import PaperProof
from shared.venues.venue_clock import VenueTime


class PaperCoinbaseApi(CoinbaseApi):
    """Coinbase over HTTP, for paper keys only. Raises Rejected if the other side is something else; nothing is signed then."""

    def __init__(
        self, *, url: str, http: HttpSession, timeout: float, clock: VenueTime, key: SigningKey | None = None
    ) -> None:
        super().__init__(url=url, http=http, timeout=timeout, clock=clock, key=key)
        self._proof = PaperProof(self._origin, self.uri, self._base, timeout)

    async def ask(self, path: str, query: Query | None = None, *, public: bool = False) -> Reply:
        """Send a lookup, after the other side has identified itself as a paper exchange."""
        await self._proof.require()
        return await super().ask(path, query, public=public)

    async def send(self, path: str, body: str, *, expires_at: int | None = None) -> Reply:
        """Post a text, after the other side has identified itself as a paper exchange."""
        await self._proof.require()
        return await super().send(path, body, expires_at=expires_at)

    async def stream_token(self) -> str:
        """Return a token, after the other side has identified itself as a paper exchange."""
        await self._proof.require()
        return await super().stream_token()
