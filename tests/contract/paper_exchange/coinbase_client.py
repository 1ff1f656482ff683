"""coinbase-advanced-py, unmodified, on the paper exchange: only a transport adapter is mounted, so its tokens are real ones."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests
from coinbase.rest import RESTClient
from requests.adapters import HTTPAdapter

from tests.contract.paper_exchange.conftest import Paper


class Reroute(HTTPAdapter):
    """Sends what is meant for api.coinbase.com somewhere else, path and query as they are."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        super().__init__(max_retries=0)

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        meant = urlsplit(str(request.url))
        request.url = urlunsplit((self._target.scheme, self._target.netloc, meant.path, meant.query, ""))
        return super().send(request, *arguments, **options)


def open_client(paper: Paper, api_key: str = "", api_secret: str = "", **options: Any) -> RESTClient:
    """Return a client of an account's key, or one without a key."""
    options = {"timeout": 10, "rate_limit_headers": True, **options}
    client = RESTClient(api_key=api_key or None, api_secret=api_secret or None, **options)
    client.session.trust_env = False
    client.session.mount("https://api.coinbase.com/", Reroute(paper.url))
    return client


def open_account(paper: Paper, user: str, **fields: Any) -> tuple[dict[str, str], RESTClient]:
    """Create an account at the paper Coinbase and a client of its key."""
    made = paper.account(user, venue="coinbase", **fields)
    return made, open_client(paper, made["api_key"], made["api_secret"])
