"""A Kraken that must be the paper exchange: asked to say so before anything is signed for it.

For users on paper money beside others on real money. A URL alone proves nothing: a name may lead elsewhere tomorrow. Whoever
answers like Kraken but does not name itself as the paper exchange never sees a request of such a user's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import aiohttp

from shared.venues.errors import Refusal, Rejected, Unavailable, VenueError
from shared.venues.kraken_http import KrakenApi, Reply

_IDENTITY: Final = "/paper/identity"
_NAME: Final = "shoal-paper"


class PaperKrakenApi(KrakenApi):
    """Kraken over HTTP, for paper keys alone."""

    def __init__(
        self, *, url: str, http: aiohttp.ClientSession, timeout: float, api_key: str = "", api_secret: str = ""
    ) -> None:
        super().__init__(url=url, http=http, timeout=timeout, api_key=api_key, api_secret=api_secret)
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
        # Raised after the handlers, as in the class above: an aiohttp error holds more than a log line should.
        failure: VenueError | None = None
        try:
            async with self._http.get(
                self.uri + _IDENTITY, timeout=self._timeout, allow_redirects=False, headers={"User-Agent": self._agent}
            ) as answer:
                status, raw = answer.status, await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            failure = Unavailable(f"the paper exchange at {self.uri} does not answer: {type(error).__name__}")
        else:
            if status >= 500:
                failure = Unavailable(f"the paper exchange at {self.uri} does not answer: HTTP {status}")
            elif not _says_so(status, raw):
                failure = Rejected(f"PAPER_URL: what answers at {self.uri} is no paper exchange", Refusal.AUTH)
        if failure is not None:
            raise failure


def _says_so(status: int, raw: bytes) -> bool:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return status == 200 and isinstance(said, dict) and said.get("exchange") == _NAME
