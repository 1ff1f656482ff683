"""A client of the paper exchange's control plane: its journal, and the creation of accounts.

In live mode it is used only for users on paper money.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from shared.config.errors import ConfigurationError
from shared.ledger.audit.journal import INVALID_NONCE, JournalOrder, count_invalid_nonces, read_orders
from shared.runtime.logging import hide

_TIMEOUT: Final = aiohttp.ClientTimeout(total=60, connect=5)
"""A journal of hundreds of thousands of orders takes seconds to send."""
_POLL: Final = 0.25


@dataclass(frozen=True, slots=True)
class JournalSnapshot:
    """The orders that it accepted, by user, and how many requests it refused for their nonce (injected faults do not count)."""

    orders: Mapping[str, list[JournalOrder]]
    invalid_nonces: int


class PaperExchange:
    """The client. Every failure is a ConfigurationError that names PAPER_URL."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def journal(self) -> JournalSnapshot:
        """Read the whole journal."""
        orders = await self._get("/paper/orders")
        refused = await self._get("/paper/requests", {"verdict": INVALID_NONCE})
        try:
            return JournalSnapshot(read_orders(orders), count_invalid_nonces(refused))
        except ValueError as error:
            raise ConfigurationError(f"PAPER_URL: {self._url} sent a journal that cannot be read: {error}") from None

    async def has_account(self, user: str, venue: str) -> bool:
        """Return whether an account exists."""
        try:
            async with self._session.get(f"{self._url}/paper/accounts/{user}/{venue}") as answer:
                if answer.status == HTTPStatus.NOT_FOUND:
                    return False
                answer.raise_for_status()
                return True
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None

    async def create_account(self, account: Mapping[str, object]) -> tuple[str, str]:
        """Create an account and return its key and secret, new ones if none are given.

        An existing account stays as it is; a key that it does not have is added.
        """
        try:
            async with self._session.post(f"{self._url}/paper/accounts", json=account) as answer:
                if answer.status >= 400:
                    # The answer may repeat the request, which holds a secret.
                    said = (await answer.text()).replace(str(account.get("api_secret") or "\0"), "[secret]")
                    raise ConfigurationError(
                        f"PAPER_URL: {self._url} refused the account of {account['user']}: {said[:200]}"
                    )
                made = await answer.json()
                hide(str(made["api_secret"]))
                return str(made["api_key"]), str(made["api_secret"])
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._unreachable(error) from None
        except (KeyError, TypeError, ValueError):
            raise ConfigurationError(f"PAPER_URL: {self._url} made an account and sent no key") from None

    async def wait(self, patience: float) -> None:
        """Wait until it answers, at most `patience` seconds."""
        end = time.monotonic() + patience
        while True:
            try:
                async with self._session.get(f"{self._url}/paper/identity") as answer:
                    answer.raise_for_status()
                    return
            except (aiohttp.ClientError, TimeoutError) as error:
                if time.monotonic() > end:
                    raise self._unreachable(error) from None
            await asyncio.sleep(_POLL)

    async def _get(self, path: str, query: Mapping[str, str] | None = None) -> list[Mapping[str, Any]]:
        try:
            async with self._session.get(self._url + path, params=query) as answer:
                answer.raise_for_status()
                found = await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise self._unreachable(error) from None
        rows = found if isinstance(found, list) else next(iter(found.values()), [])
        return list(rows)

    def _unreachable(self, error: Exception) -> ConfigurationError:
        why = str(error) or type(error).__name__
        return ConfigurationError(f"PAPER_URL: no paper exchange answers at {self._url}: {why}")


@asynccontextmanager
async def open_paper_exchange(url: str, token: str = "") -> AsyncIterator[PaperExchange]:
    """Open a client of the paper exchange at `url`; `token` is its control plane's, where it needs one."""
    headers = {"Authorization": f"Bearer {token}"} if token else None
    async with aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session:
        yield PaperExchange(session, url)
