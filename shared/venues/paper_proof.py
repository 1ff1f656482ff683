"""Whether the server at a URL is the paper exchange: it has to identify itself before anything is signed for it.

For users on paper money beside others on real money. A URL alone proves nothing: its name may resolve elsewhere tomorrow. A
server that answers like a venue but does not identify itself as the paper exchange never receives a request of such a user.
"""

from __future__ import annotations

import json
from typing import Final

from shared.venues.errors import OutcomeUnknown, Refusal, Rejected, Unavailable
from shared.venues.http.session import HttpOrigin

_IDENTITY: Final = "/paper/identity"
_NAME: Final = "shoal-paper"


class PaperProof:
    """Asks one origin once who it is."""

    def __init__(self, origin: HttpOrigin, url: str, base: str, timeout: float) -> None:
        """`base` is the path of the URL, `timeout` in seconds."""
        self._origin = origin
        self._url = url
        self._base = base
        self._timeout = timeout
        self._proven = False

    async def require(self) -> None:
        """Return once the other side has identified itself as a paper exchange.

        Raises Rejected if it is something else, and Unavailable while it does not answer.
        """
        if self._proven:
            return
        try:
            answer = await self._origin.ask("GET", self._base + _IDENTITY, {}, timeout=self._timeout)
        except (Unavailable, OutcomeUnknown) as error:
            raise Unavailable(f"the paper exchange at {self._url} does not answer: {error}") from None
        if answer.status >= 500:
            raise Unavailable(f"the paper exchange at {self._url} does not answer: HTTP {answer.status}")
        if not _identifies(answer.status, answer.body):
            raise Rejected(f"PAPER_URL: the server at {self._url} is not a paper exchange", Refusal.AUTH)
        self._proven = True


def _identifies(status: int, raw: bytes) -> bool:
    try:
        identity = json.loads(raw)
    except (ValueError, RecursionError):
        return False
    return status == 200 and isinstance(identity, dict) and identity.get("exchange") == _NAME
